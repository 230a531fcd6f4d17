/**
 * What ggml calls the tensor types a file may name, those Hermit does not read included, so that a
 * refusal can say which one it met (ggml `enum ggml_type`; the gaps are types ggml removed).
 */
import { tensorTypeIds, type TensorType } from '../../graph/dtype.ts';

const ggmlTypeNames: ReadonlyMap<number, string> = new Map([
  [0, 'F32'],
  [1, 'F16'],
  [2, 'Q4_0'],
  [3, 'Q4_1'],
  [4, 'Q4_2'],
  [5, 'Q4_3'],
  [6, 'Q5_0'],
  [7, 'Q5_1'],
  [8, 'Q8_0'],
  [9, 'Q8_1'],
  [10, 'Q2_K'],
  [11, 'Q3_K'],
  [12, 'Q4_K'],
  [13, 'Q5_K'],
  [14, 'Q6_K'],
  [15, 'Q8_K'],
  [16, 'IQ2_XXS'],
  [17, 'IQ2_XS'],
  [18, 'IQ3_XXS'],
  [19, 'IQ1_S'],
  [20, 'IQ4_NL'],
  [21, 'IQ3_S'],
  [22, 'IQ2_S'],
  [23, 'IQ4_XS'],
  [24, 'I8'],
  [25, 'I16'],
  [26, 'I32'],
  [27, 'I64'],
  [28, 'F64'],
  [29, 'IQ1_M'],
  [30, 'BF16'],
  [31, 'Q4_0_4_4'],
  [32, 'Q4_0_4_8'],
  [33, 'Q4_0_8_8'],
  [34, 'TQ1_0'],
  [35, 'TQ2_0'],
  [36, 'IQ4_NL_4_4'],
  [37, 'IQ4_NL_4_8'],
  [38, 'IQ4_NL_8_8'],
  [39, 'MXFP4'],
  [40, 'NVFP4'],
  [41, 'Q1_0'],
  [42, 'Q2_0'],
]);

const typesById: ReadonlyMap<number, TensorType> = new Map(
  Object.entries(tensorTypeIds).map(([type, id]) => [id, type as TensorType]),
);

/** The tensor type of this number, or undefined when Hermit does not read it. */
export function tensorTypeOfId(id: number): TensorType | undefined {
  return typesById.get(id);
}

/** The name ggml gives the number, or the number itself. */
export function tensorTypeName(id: number): string {
  return ggmlTypeNames.get(id) ?? `number ${id}`;
}
