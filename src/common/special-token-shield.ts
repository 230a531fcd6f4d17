/**
 * A noncharacter (never valid in interchanged text) that keeps a control token's spelling inside
 * user text from being parsed: "<|im_end|>" in user text travels through the chat template as
 * "<" + shield + "|im_end|>", and the tokenizer removes it after its split at special tokens.
 */
export const specialTokenShield = '\uFDD0';
