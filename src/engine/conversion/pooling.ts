/** How a model that makes vectors pools those of its tokens (sentence-transformers, `1_Pooling/config.json`). */
import { type Numbers, u32, unsupported } from './config-numbers.ts';
import type { FamilyPlan } from './family.ts';
import { JsonFile } from './json-file.ts';

/** GGUF's numbers by both spellings of the file. */
const kinds = [
  { pooling: 1, key: 'pooling_mode_mean_tokens', name: 'mean' },
  { pooling: 2, key: 'pooling_mode_cls_token', name: 'cls' },
  { pooling: 3, key: 'pooling_mode_lasttoken', name: 'lasttoken' },
] as const;

/** The mean for an encoder whose folder does not say; nothing for a decoder. */
export function poolingNumbers(text: string | null, { encodes = false }: FamilyPlan): Numbers {
  if (text === null) return encodes ? [['pooling_type', u32(1)]] : [];
  const file = JsonFile.parse('1_Pooling/config.json', text);
  const stated = file.findString('pooling_mode');
  const chosen = kinds.filter(({ key, name }) => file.findBoolean(key) === true || name === stated);
  const [only] = chosen;
  if (only !== undefined && chosen.length === 1) return [['pooling_type', u32(only.pooling)]];
  throw unsupported(file, 'Hermit does not know the way this model pools its vectors.', {
    pooling: stated ?? '',
  });
}
