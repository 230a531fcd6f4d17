/**
 * What an architecture is to the engine: which numbers and tensors it needs, and one forward step
 * described with the operators of the catalogue. It touches no bytes and knows no backend; one
 * definition serves all of them. A new architecture is one file here and one line in `registry.ts`.
 */
import type { KvCacheSpec } from '../backend/backend.ts';
import type { ActivationId } from '../graph/ops.ts';
import type { GraphBuilder } from '../graph/graph-builder.ts';
import type { HyperParameterReader, HyperParameters } from './hyper-parameters.ts';

/**
 * What a tensor is used for. `embedding` and `output` are matrices that some policies treat apart;
 * `sensitive` ones are small and their rounding costs much: routers, whose choice of experts jumps, and
 * what goes into a recurrent state; `experts` are matrices one below the other, of which a token uses some, and `heads` such of which it uses all; `constant` tensors are read before the graph is built and become numbers in it.
 */
export type TensorRole =
  'matrix' | 'vector' | 'embedding' | 'output' | 'sensitive' | 'experts' | 'heads' | 'constant';

export interface TensorRequirement {
  readonly name: string;
  /** As the file states it, fastest-varying first: [columns, rows, experts], [columns, rows] or [length]. */
  readonly shape: readonly number[];
  readonly role: TensorRole;
  /** The model works without it (a bias, an output that may be tied to the embedding). */
  readonly optional: boolean;
  /** Where its rows are in files that keep several matrices in one tensor. */
  readonly rowsOf?: FusedRows;
}

/** A range of rows of a tensor (of elements, where that is a vector): `requirement.shape` rows from `firstRow`. */
export interface FusedRows {
  readonly tensor: string;
  readonly firstRow: number;
  /** Rows of the whole tensor. */
  readonly rows: number;
}

/** Values of the `constant` tensors that the file has, by name. */
export type Constants = ReadonlyMap<string, Float32Array>;

/** How the vectors of a text's tokens become one: their mean, that of the first or of the last token. */
export type Pooling = 'mean' | 'first' | 'last';

/** What a conversation keeps in the model. */
export type StateShape = Pick<KvCacheSpec, 'layers' | 'recurrent'>;

export interface Architecture<H extends HyperParameters> {
  /** Values of `general.architecture` it answers to. */
  readonly names: readonly string[];
  /** @throws ModelFileError `model-file/malformed`, `model-file/unsupported-architecture` */
  hyperParameters(file: HyperParameterReader): H;
  /** Every tensor the model may have; a file with others is refused, because they would be ignored. */
  tensors(h: H): readonly TensorRequirement[];
  /**
   * What the operators remember: unless given, keys and values of one shape in every layer. Layers
   * count as `AttentionOp.layer` does, recurrent blocks as `slot` does.
   */
  state?(h: H): StateShape;
  /** Of encoders alone: their result is a vector a token, and the whole text is one step. */
  pooling?(h: H): Pooling;
  /**
   * Describes one step and returns the logits, (outputs, vocabularySize), or the vectors of an encoder.
   * @param contextLength positions the model is loaded for: some rotary scalings depend on it
   */
  forward(g: GraphBuilder, h: H, constants: Constants, contextLength: number): ActivationId;
}

/** A (rows, columns) matrix that multiplies activations. */
export function matrix(
  name: string,
  columns: number,
  rows: number,
  role: TensorRole = 'matrix',
): TensorRequirement {
  return { name, shape: [columns, rows], role, optional: false };
}

/** A (rows, columns) matrix for each of several experts. */
export function expertMatrices(
  name: string,
  columns: number,
  rows: number,
  experts: number,
): TensorRequirement {
  return { name, shape: [columns, rows, experts], role: 'experts', optional: false };
}

/** A (rows, columns) matrix for each head. */
export function headMatrices(
  name: string,
  columns: number,
  rows: number,
  heads: number,
): TensorRequirement {
  return { ...expertMatrices(name, columns, rows, heads), role: 'heads' };
}

export function vector(name: string, length: number): TensorRequirement {
  return { name, shape: [length], role: 'vector', optional: false };
}

export function constant(name: string, length: number): TensorRequirement {
  return { name, shape: [length], role: 'constant', optional: true };
}

export function optional(requirement: TensorRequirement): TensorRequirement {
  return { ...requirement, optional: true };
}
