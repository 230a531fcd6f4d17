/** What a tensor is to a recipe, told by the names that GGUF gives the tensors of all architectures. */
import type { GgufFile, GgufTensor } from '../formats/gguf/gguf-file.ts';

export type TensorRole =
  'embedding' | 'output' | 'attention-value' | 'fused-attention' | 'feed-forward-down' | 'matrix';

export interface TensorPlace {
  readonly role: TensorRole;
  /** Of `blk.N.`, 0 for tensors outside the layers. */
  readonly layer: number;
  readonly layers: number;
}

/**
 * Matrices that are small and decide much, or are read as numbers and not multiplied with: routers,
 * learned positions, convolutions, norms of several heads, and what steers recurrent layers.
 */
const keptAsTheyAre =
  /ffn_gate_inp|position_embd|token_types|_norm\.weight$|conv1d|shortconv\.conv|ssm_(a|d|dt)|time_mix_(?!key|value|receptance|gate|output)|rope_/;

/** Null for tensors that no recipe touches. */
export function tensorPlace(file: GgufFile, tensor: GgufTensor): TensorPlace | null {
  const { name, shape } = tensor;
  const isMatrix = shape.length >= 2 && (shape[1] ?? 1) > 1;
  if (!isMatrix || !name.endsWith('.weight') || keptAsTheyAre.test(name)) return null;
  const layer = Number(/^blk\.(\d+)\./.exec(name)?.[1] ?? 0);
  return { role: roleOf(file, name), layer, layers: layerCount(file) };
}

function roleOf(file: GgufFile, name: string): TensorRole {
  if (name === 'output.weight') return 'output';
  if (name === 'token_embd.weight') {
    // without an output of its own the model multiplies with the embedding
    return file.tensors.has('output.weight') ? 'embedding' : 'output';
  }
  if (/\.attn_v(_b)?\.weight$/.test(name)) return 'attention-value';
  if (name.endsWith('.attn_qkv.weight')) return 'fused-attention';
  if (/\.ffn_down(_exps|_shexp)?\.weight$/.test(name)) return 'feed-forward-down';
  return 'matrix';
}

function layerCount(file: GgufFile): number {
  const architecture = file.metadata.findString('general.architecture') ?? '';
  return file.metadata.findUnsigned(`${architecture}.block_count`) ?? 1;
}
