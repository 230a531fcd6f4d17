/**
 * A noncharacter (never valid in interchanged text) before the spelling of a token in an answer: the
 * model wrote the token itself and not letters that look like it. Text cannot contain it, so a
 * tag that somebody had the model repeat is never taken for one that it meant.
 */
export const tokenMark = '\uFDD1';
