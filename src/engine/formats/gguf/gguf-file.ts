/**
 * What a GGUF header says, after it was checked against the file's size and the limits.
 * Format: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md (versions 2 and 3).
 */
import type { TensorType } from '../../graph/dtype.ts';
import type { Metadata } from './metadata.ts';

export interface GgufTensor {
  readonly name: string;
  readonly type: TensorType;
  /** Sizes, fastest-varying first, as the file stores them: (columns, rows, ...). 1 to 4 of them. */
  readonly shape: readonly number[];
  readonly elements: number;
  /** Position in the file (not relative to the data section). */
  readonly offsetBytes: number;
  readonly sizeBytes: number;
}

export interface GgufFile {
  readonly version: 2 | 3;
  readonly metadata: Metadata;
  /** In file order. */
  readonly tensors: ReadonlyMap<string, GgufTensor>;
  readonly alignment: number;
  /** Where the tensor data begin. */
  readonly dataOffsetBytes: number;
  readonly sizeBytes: number;
  /** Files it was read from: more than one where a model is published in pieces, see `split.ts`. */
  readonly parts: number;
}
