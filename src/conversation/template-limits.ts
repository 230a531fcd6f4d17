import { KIBIBYTE } from '../common/bytes.ts';

/** UTF-16 units; chat templates of today have 1 to 15 thousand. */
export const maxTemplateLength = 256 * KIBIBYTE;
