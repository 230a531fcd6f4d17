/** The architectures Hermit runs. A new one is its file and a line here. */
import { ModelFileError } from '../../common/errors.ts';
import type { GgufFile } from '../formats/gguf/gguf-file.ts';
import { refuseParts } from '../formats/gguf/split.ts';
import type { Architecture, Pooling } from './architecture.ts';
import { bert } from './bert.ts';
import { cohere2, commandR } from './cohere.ts';
import { deepseek } from './deepseek.ts';
import { deepseek2 } from './deepseek2.ts';
import { gemma } from './gemma.ts';
import { gemma2 } from './gemma2.ts';
import { gemma3, gemmaEmbedding } from './gemma3.ts';
import { glm4 } from './glm4.ts';
import { gpt2 } from './gpt2.ts';
import { gptneox } from './gptneox.ts';
import { gptOss } from './gpt-oss.ts';
import { granite } from './granite.ts';
import type { HyperParameters } from './hyper-parameters.ts';
import { lfm2 } from './lfm2.ts';
import { llama, qwen2 } from './llama.ts';
import { mamba } from './mamba.ts';
import type { ModelDefinition } from './model-definition.ts';
import { matchModel } from './model-definition.ts';
import { nomicBert } from './nomic-bert.ts';
import { olmo2 } from './olmo2.ts';
import { olmoe } from './olmoe.ts';
import { phi2 } from './phi2.ts';
import { phi3 } from './phi3.ts';
import { qwen2moe, qwen3moe } from './qwen-moe.ts';
import { qwen3 } from './qwen3.ts';
import { smollm3 } from './smollm3.ts';
import { stablelm } from './stablelm.ts';
import { starcoder2 } from './starcoder2.ts';

type Matcher = (file: GgufFile, name: string) => ModelDefinition;

const matchers: ReadonlyMap<string, Matcher> = new Map([
  ...entries(lfm2),
  ...entries(llama),
  ...entries(mamba),
  ...entries(bert),
  ...entries(cohere2),
  ...entries(commandR),
  ...entries(deepseek),
  ...entries(deepseek2),
  ...entries(gemma),
  ...entries(gemma2),
  ...entries(gemma3),
  ...entries(gemmaEmbedding),
  ...entries(glm4),
  ...entries(gpt2),
  ...entries(gptneox),
  ...entries(gptOss),
  ...entries(granite),
  ...entries(nomicBert),
  ...entries(olmo2),
  ...entries(olmoe),
  ...entries(phi2),
  ...entries(phi3),
  ...entries(qwen2),
  ...entries(qwen2moe),
  ...entries(qwen3),
  ...entries(qwen3moe),
  ...entries(smollm3),
  ...entries(stablelm),
  ...entries(starcoder2),
]);

/** Architectures that can do nothing but make vectors. */
const encoders: ReadonlySet<string> = new Set(
  [bert, gemmaEmbedding, nomicBert].flatMap(({ names }) => names),
);

function entries<H extends HyperParameters>(
  architecture: Architecture<H>,
): readonly (readonly [string, Matcher])[] {
  return architecture.names.map((name) => [name, (file) => matchModel(architecture, file, name)]);
}

/** Values of `general.architecture` that work, in alphabetical order. */
export const supportedArchitectures: readonly string[] = [...matchers.keys()].sort();

/** What a model is for. */
export type ModelPurpose = 'chat' | 'embedding';

/**
 * What a model is for, without checking whether it can be run; `chat` for architectures that are not
 * known, because that is what nearly all are.
 */
export function modelPurpose({ metadata }: GgufFile): ModelPurpose {
  const name = metadata.getString('general.architecture');
  if (encoders.has(name)) return 'embedding';
  return metadata.getUnsigned(`${name}.pooling_type`, 0) === 0 ? 'chat' : 'embedding';
}

/**
 * `defineModel` for models that continue texts.
 * @throws ModelFileError also `model-file/wrong-kind` for one that makes vectors
 */
export function defineLanguageModel(file: GgufFile): ModelDefinition {
  const definition = defineModel(file);
  if (definition.pooling === null) return definition;
  throw wrongKind(
    file,
    'embedding',
    'makes vectors for search and cannot answer. Choose a language model',
  );
}

/** `defineModel` for models that make vectors. @throws ModelFileError as above, the other way round */
export function defineEmbeddingModel(
  file: GgufFile,
): ModelDefinition & { readonly pooling: Pooling } {
  const definition = defineModel(file);
  const { pooling } = definition;
  if (pooling !== null) return { ...definition, pooling };
  throw wrongKind(
    file,
    'chat',
    'writes texts and makes no vectors for search. Choose an embedding model',
  );
}

function wrongKind(file: GgufFile, purpose: ModelPurpose, what: string): ModelFileError {
  const key = 'general.architecture';
  const architecture = file.metadata.getString(key);
  return new ModelFileError(
    'model-file/wrong-kind',
    `This model (${architecture}) ${what}.`,
    { field: key, offsetBytes: file.metadata.entries.get(key)?.offsetBytes ?? 0 },
    { details: { architecture, purpose } },
  );
}

/**
 * Checks a file's header against the architecture it names.
 * @throws ModelFileError `model-file/unsupported-architecture`, `model-file/malformed`, `model-file/missing-tensor`, `model-file/in-parts`
 */
export function defineModel(file: GgufFile): ModelDefinition {
  refuseParts(file);
  const key = 'general.architecture';
  const name = file.metadata.getString(key);
  const matcher = matchers.get(name);
  if (matcher === undefined) {
    throw new ModelFileError(
      'model-file/unsupported-architecture',
      `Hermit cannot run models of the architecture "${name}". It runs: ${supportedArchitectures.join(', ')}.`,
      { field: key, offsetBytes: file.metadata.entries.get(key)?.offsetBytes ?? 0 },
      { details: { architecture: name, supported: supportedArchitectures } },
    );
  }
  return matcher(file, name);
}
