/** The parts of Comlink that callers need, so that only this folder knows Comlink. */
export { proxy as callback, transfer } from 'comlink';
export type { Remote } from 'comlink';
