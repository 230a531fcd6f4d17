/** What a tokenizer.json puts around every text (`post_processor`). */
import type { Vocabulary } from '../vocabulary.ts';
import {
  countAt,
  listAt,
  recordAt,
  stepsOf,
  textAt,
  unsupportedJson,
  type JsonRecord,
} from './json-reader.ts';

/** Ids before and behind a text. */
export interface Boundary {
  readonly before: readonly number[];
  readonly after: readonly number[];
}

/** @throws ModelFileError `model-file/malformed`, `model-file/unsupported-tokenizer` */
export function readBoundary(value: unknown, vocabulary: Vocabulary): Boundary {
  const before: number[] = [];
  const after: number[] = [];
  for (const { step, path } of stepsOf(value, 'post_processor', 'processors')) {
    const type = textAt(step['type'], `${path}.type`);
    if (type === 'ByteLevel') continue;
    if (type === 'BertProcessing' || type === 'RobertaProcessing') {
      before.push(idOfPair(step['cls'], `${path}.cls`, vocabulary));
      after.push(idOfPair(step['sep'], `${path}.sep`, vocabulary));
    } else if (type === 'TemplateProcessing') {
      readTemplate(step, path, vocabulary, before, after);
    } else {
      throw unsupportedJson(path, type);
    }
  }
  return { before, after };
}

/** `["[CLS]", 101]` */
function idOfPair(value: unknown, path: string, { size }: Vocabulary): number {
  return countAt(listAt(value, path, 2)[1], path, size - 1);
}

/** What stands before and behind the one text of `single`. */
function readTemplate(
  step: JsonRecord,
  path: string,
  { size }: Vocabulary,
  before: number[],
  after: number[],
): void {
  const tokens = recordAt(step['special_tokens'] ?? {}, `${path}.special_tokens`);
  let side = before;
  for (const [index, piece] of listAt(step['single'], `${path}.single`, 64).entries()) {
    const at = `${path}.single[${index}]`;
    const record = recordAt(piece, at);
    if ('Sequence' in record) {
      side = after;
      continue;
    }
    const name = textAt(recordAt(record['SpecialToken'], at)['id'], at);
    const token = recordAt(
      Object.hasOwn(tokens, name) ? tokens[name] : undefined,
      `${at}: ${name}`,
    );
    for (const id of listAt(token['ids'], `${at}.ids`, 64)) side.push(countAt(id, at, size - 1));
  }
}
