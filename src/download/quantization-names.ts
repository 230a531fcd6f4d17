/** The recipe that a file's name tells, as publishers spell it. */
const recipe =
  /(?:^|[-_./])(?:UD-)?((?:IQ[1-4]|Q[2-8]|TQ[12])_(?:[01]|K_XL|K_[SML]|K|XXS|XS|NL|S|M|L)|BF16|F16|FP16|F32|MXFP4)(?=[-_./]|$)/giu;

/** `Q4_K_M` of `models/tiny.Q4_K_M.gguf`; the last one where there are several; null without. */
export function quantizationInName(path: string): string | null {
  const found = [...path.matchAll(recipe)].at(-1)?.[1]?.toUpperCase();
  return found === undefined ? null : found.replace('FP16', 'F16');
}
