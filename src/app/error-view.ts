import { toAppError } from '../common/errors.ts';
import type { ErrorView } from '../ui/services.ts';

/** Anything thrown, as components show it. */
export function errorView(thrown: unknown): ErrorView {
  const { code, message, details } = toAppError(thrown);
  return { code, message, details };
}
