/** Numbers and widths of metadata value types (GGUF specification, `gguf_metadata_value_type`). */
import type { MetadataValue } from './metadata.ts';

export const metadataTypeIds = {
  u8: 0,
  i8: 1,
  u16: 2,
  i16: 3,
  u32: 4,
  i32: 5,
  f32: 6,
  bool: 7,
  string: 8,
  array: 9,
  u64: 10,
  i64: 11,
  f64: 12,
} as const satisfies Record<MetadataValue['type'], number>;

export type MetadataType = keyof typeof metadataTypeIds;
export type FixedWidthType = Exclude<MetadataType, 'string' | 'array'>;

export const metadataTypeBytes: Readonly<Record<FixedWidthType, number>> = {
  u8: 1,
  i8: 1,
  u16: 2,
  i16: 2,
  u32: 4,
  i32: 4,
  f32: 4,
  bool: 1,
  u64: 8,
  i64: 8,
  f64: 8,
};

const typesById: ReadonlyMap<number, MetadataType> = new Map(
  Object.entries(metadataTypeIds).map(([type, id]) => [id, type as MetadataType]),
);

export function metadataTypeOfId(id: number): MetadataType | undefined {
  return typesById.get(id);
}

export const alignmentKey = 'general.alignment';
export const defaultAlignment = 32;
