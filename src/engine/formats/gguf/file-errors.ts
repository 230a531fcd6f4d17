/** The sentences about model files that cannot be trusted, so that all checks speak alike. */
import { ModelFileError } from '../../../common/errors.ts';

export interface FilePlace {
  readonly field: string;
  readonly offsetBytes: number;
}

/** Names from the file are quoted in messages, but a hostile one may be 64 KiB long. */
const quotedLength = 80;

/** A name from the file, short enough for a message or a field. */
export function shortened(name: string): string {
  return name.length <= quotedLength ? name : `${name.slice(0, quotedLength)}…`;
}

/** `what` completes "This model file is damaged: ...". */
export function malformed(at: FilePlace, what: string, cause?: unknown): ModelFileError {
  return new ModelFileError(
    'model-file/malformed',
    `This model file is damaged: ${what}. Download it again, or try another file of this model.`,
    at,
    cause === undefined ? {} : { cause },
  );
}

export function truncated(at: FilePlace, what: string): ModelFileError {
  return new ModelFileError(
    'model-file/truncated',
    `This model file is not complete: ${what}. Download it again.`,
    at,
  );
}

/** `what` names the quantity, for example "the number of tensors". */
export function overLimit(
  at: FilePlace,
  what: string,
  value: number | bigint,
  limit: number,
): ModelFileError {
  return new ModelFileError(
    'model-file/limit',
    `This model file cannot be opened safely: ${what} is ${value}, and at most ${limit} is allowed. Try another file of this model.`,
    at,
    { details: { value: String(value), limit } },
  );
}
