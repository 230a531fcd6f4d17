/**
 * Typed access to GGUF metadata. There is no untyped access on purpose: every reader says which
 * type and length it expects and gets that or a `ModelFileError` that names the key.
 */

/** Arrays of numbers keep their width; 64-bit integers are numbers when exact and bigint otherwise. */
export type MetadataValue =
  | {
      readonly type: 'u8' | 'i8' | 'u16' | 'i16' | 'u32' | 'i32' | 'f32' | 'f64';
      readonly value: number;
    }
  | { readonly type: 'u64' | 'i64'; readonly value: bigint }
  | { readonly type: 'bool'; readonly value: boolean }
  | { readonly type: 'string'; readonly value: string }
  | MetadataArray;

export type MetadataArray =
  | { readonly type: 'array'; readonly of: 'u8'; readonly value: Uint8Array }
  | { readonly type: 'array'; readonly of: 'i8'; readonly value: Int8Array }
  | { readonly type: 'array'; readonly of: 'u16'; readonly value: Uint16Array }
  | { readonly type: 'array'; readonly of: 'i16'; readonly value: Int16Array }
  | { readonly type: 'array'; readonly of: 'u32'; readonly value: Uint32Array }
  | { readonly type: 'array'; readonly of: 'i32'; readonly value: Int32Array }
  | { readonly type: 'array'; readonly of: 'f32'; readonly value: Float32Array }
  | { readonly type: 'array'; readonly of: 'f64'; readonly value: Float64Array }
  | { readonly type: 'array'; readonly of: 'u64'; readonly value: BigUint64Array }
  | { readonly type: 'array'; readonly of: 'i64'; readonly value: BigInt64Array }
  | { readonly type: 'array'; readonly of: 'bool'; readonly value: readonly boolean[] }
  | { readonly type: 'array'; readonly of: 'string'; readonly value: readonly string[] };

/** Keys are ordinary whatever their spelling (`__proto__` included): they live in a Map. */
export interface Metadata {
  readonly entries: ReadonlyMap<
    string,
    { readonly value: MetadataValue; readonly offsetBytes: number }
  >;
  has(key: string): boolean;
  /** Any integer type, within [0, 2^53); the fallback when the key is absent. @throws ModelFileError `model-file/malformed` */
  getUnsigned(key: string, fallback?: number): number;
  /** Any float or integer type, finite. */
  getNumber(key: string, fallback?: number): number;
  getBoolean(key: string, fallback?: boolean): boolean;
  getString(key: string, fallback?: string): string;
  /** `undefined` when absent, an error when present with another type. */
  findString(key: string): string | undefined;
  findUnsigned(key: string): number | undefined;
  findStrings(key: string, expected?: { readonly length?: number }): readonly string[] | undefined;
  findFloats(key: string, expected?: { readonly length?: number }): Float32Array | undefined;
  findIntegers(
    key: string,
    expected?: { readonly length?: number },
  ): Int32Array | Uint32Array | undefined;
}
