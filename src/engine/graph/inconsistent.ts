import { AppError } from '../../common/errors.ts';

/** A graph made by our own code that cannot be right. */
export function inconsistent(what: string): AppError {
  return new AppError('internal', `The model's graph cannot be compiled: ${what}.`);
}
