/**
 * From the configuration of a model's folder (config.json of Hugging Face's transformers) to GGUF: which
 * architecture it is, its numbers by GGUF's keys, and what happens to its tensors.
 *
 * Only what was checked stands here: a folder of each family with the weights of a file whose logits
 * are known gives the same logits (`test/integration/conversion.test.ts`).
 */
import { rotaryDivisors, unsupported } from './config-numbers.ts';
import { decoderFamilies } from './decoder-families.ts';
import type { Describe, FamilyPlan } from './family.ts';
import type { JsonFile } from './json-file.ts';
import { otherFamilies } from './other-families.ts';

export interface Family extends FamilyPlan {
  readonly vocabularySize: number;
  /** Tensors that the configuration holds. */
  readonly constants: ReadonlyMap<string, Float32Array>;
}

const families: ReadonlyMap<string, Describe> = new Map([...decoderFamilies, ...otherFamilies]);

/** Values of `model_type` that can be converted. */
export const convertibleTypes: readonly string[] = [...families.keys()];

/** @throws ModelFileError `model-file/unsupported-architecture`, `model-file/malformed` */
export function planFamily(config: JsonFile): Family {
  const type = config.findString('model_type') ?? '';
  const describe = families.get(type);
  if (describe === undefined) {
    throw unsupported(
      config,
      `Hermit cannot convert models of the type "${type.slice(0, 40)}". It converts: ${convertibleTypes.join(', ')}.`,
      { architecture: type.slice(0, 40), supported: convertibleTypes },
    );
  }
  const plan = describe(config);
  // a copy of the embedding in the folder is left out
  const tied = config.findBoolean('tie_word_embeddings') ?? plan.tiedByDefault ?? false;
  return {
    ...plan,
    rules: tied ? { ...plan.rules, lm_head: null, embed_out: null } : plan.rules,
    vocabularySize: config.count('vocab_size'),
    constants: rotaryDivisors(config),
  };
}
