/**
 * Mutated model files, read as the sandbox reads them: header, architecture, tokenizer, memory plan,
 * chat template. 100,000 a run, a million by `npm run fuzz`. Whatever a file says, the answer is a
 * typed error with its place, or the values that a second, plain reader finds too; it takes less than
 * 100 ms and 20 MB.
 */
import { getHeapStatistics } from 'node:v8';
import { expect, it } from 'vitest';
import { BufferByteSource, type ByteSource } from '../../src/common/byte-source.ts';
import { MEBIBYTE } from '../../src/common/bytes.ts';
import { AppError, ModelFileError } from '../../src/common/errors.ts';
import { renderChatTemplate } from '../../src/conversation/chat-template.ts';
import type { GgufFile } from '../../src/engine/formats/gguf/gguf-file.ts';
import type { MetadataValue } from '../../src/engine/formats/gguf/metadata.ts';
import { readGguf } from '../../src/engine/formats/gguf/reader.ts';
import { metadataTypeIds } from '../../src/engine/formats/gguf/value-types.ts';
import { tensorTypeIds } from '../../src/engine/graph/dtype.ts';
import { refuseUnusable } from '../../src/engine/inspection/inspect-model.ts';
import { createTokenizer } from '../../src/engine/tokenizer/create-tokenizer.ts';
import { baseModels, mutate, type Random, randomNumbers } from '../fixtures/mutations.ts';
import { type PlainValue, readPlainHeader } from '../fixtures/plain-gguf.ts';

const cases = Number(process.env['HERMIT_FUZZ_CASES'] ?? 100_000);
const firstSeed = Number(process.env['HERMIT_FUZZ_SEED'] ?? 1);
const casesPerSeed = 5000;
const limitMs = 100;
const limitBytes = 20 * MEBIBYTE;
const budgetBytes = 2 ** 32;

/** A source that fails the reader when it asks for more bytes than there are: no byte twice. */
function boundedSource(bytes: Uint8Array): ByteSource {
  const source = new BufferByteSource(bytes);
  let left = bytes.length;
  return {
    size: source.size,
    read(offset, length) {
      left -= length;
      if (left < 0) throw new Error('The reader asked for more bytes than the file has');
      return source.read(offset, length);
    },
  };
}

/** Reads a file all the way. @returns how it ended: `read`, `usable`, or the code of its error */
async function outcomeOf(bytes: Uint8Array, random: Random): Promise<string> {
  let file: GgufFile;
  try {
    file = await readGguf(boundedSource(bytes));
  } catch (error) {
    if (!(error instanceof ModelFileError)) throw error;
    if (error.offsetBytes > bytes.length || error.field === '') {
      throw new Error('An error without its place', { cause: error });
    }
    return error.code;
  }
  checkAgainstPlainReader(file, bytes);
  // The rest costs ten times as much as the header; half of the files are enough for it.
  if (random(2) === 0) return 'read';
  checkTokenizer(file);
  if (random(10) === 0) checkTemplate(file);
  try {
    refuseUnusable(file, budgetBytes);
    return 'usable';
  } catch (error) {
    if (!isAnswer(error)) throw error;
    return `read, ${error.code}`;
  }
}

function isAnswer(error: unknown): error is AppError {
  return (
    error instanceof ModelFileError ||
    (error instanceof AppError && error.code === 'engine/out-of-memory')
  );
}

function checkAgainstPlainReader(file: GgufFile, bytes: Uint8Array): void {
  const plain = readPlainHeader(bytes);
  const { entries } = file.metadata;
  let same = entries.size === plain.entries.size && file.tensors.size === plain.tensors.length;
  for (const [key, { value }] of entries) {
    const expected = plain.entries.get(key);
    const of = value.type === 'array' ? metadataTypeIds[value.of] : null;
    same &&=
      expected !== undefined &&
      expected.type === metadataTypeIds[value.type] &&
      expected.of === of &&
      sameValue(value, expected.value);
  }
  const [alignment] = [file.alignment];
  const start = Math.ceil(plain.end / alignment) * alignment;
  for (const { name, shape, type, offset } of plain.tensors) {
    const tensor = file.tensors.get(name);
    same &&=
      tensor !== undefined &&
      tensorTypeIds[tensor.type] === type &&
      tensor.shape.length === shape.length &&
      tensor.shape.every((size, i) => BigInt(size) === shape[i]) &&
      tensor.offsetBytes === start + Number(offset) &&
      tensor.offsetBytes + tensor.sizeBytes <= bytes.length;
  }
  if (!same) throw new Error('Two readers see different values');
}

function sameValue(value: MetadataValue, expected: PlainValue): boolean {
  if (value.type !== 'array') return Object.is(value.value, expected);
  const list: ArrayLike<unknown> = value.value;
  if (!Array.isArray(expected) || list.length !== expected.length) return false;
  return expected.every((item, i) => Object.is(list[i], item));
}

/** A vocabulary that is accepted turns any text into ids it has, and those back into text. */
function checkTokenizer(file: GgufFile): void {
  try {
    const tokenizer = createTokenizer(file.metadata);
    const ids = tokenizer.encode('a ab\nabc ß <s> \u{1f600}', { special: 'parse' });
    if (!ids.every((id) => id >= 0 && id < tokenizer.vocabularySize)) {
      throw new Error('A token that the vocabulary does not have');
    }
    tokenizer.decode(ids, { showSpecial: true });
  } catch (error) {
    if (!(error instanceof ModelFileError)) throw error;
  }
}

function checkTemplate(file: GgufFile): void {
  const entry = file.metadata.entries.get('tokenizer.chat_template')?.value;
  if (entry?.type !== 'string') return;
  try {
    renderChatTemplate({
      template: entry.value,
      messages: [{ role: 'user', content: 'Hello' }],
      addGenerationPrompt: true,
      bosToken: '<s>',
      eosToken: '</s>',
    });
  } catch (error) {
    if (!(error instanceof AppError) || !error.code.startsWith('template/')) throw error;
  }
}

interface Cost {
  readonly outcome: string;
  readonly milliseconds: number;
  readonly bytes: number;
}

function memoryInUse(): number {
  const { used_heap_size: heap, external_memory: external } = getHeapStatistics();
  return heap + external;
}

async function costOf(bytes: Uint8Array, seed: number): Promise<Cost> {
  const memory = memoryInUse();
  const start = performance.now();
  const outcome = await outcomeOf(bytes, randomNumbers(seed));
  const milliseconds = performance.now() - start;
  return { outcome, milliseconds, bytes: memoryInUse() - memory };
}

/** Another process or the garbage collector can make one run look slow, hardly three of the same. */
async function checkCost(bytes: Uint8Array, seed: number): Promise<string> {
  let cost = await costOf(bytes, seed);
  for (let tries = 0; tries < 3; tries++) {
    if (cost.milliseconds < limitMs && cost.bytes < limitBytes) return cost.outcome;
    cost = await costOf(bytes, seed);
  }
  throw new Error(`Took ${cost.milliseconds} ms and ${cost.bytes} bytes`);
}

const seeds = Array.from({ length: Math.ceil(cases / casesPerSeed) }, (_, i) => firstSeed + i);
const outcomes = new Map<string, number>();

it('the models are usable before they are mutated', async () => {
  for (const { bytes } of baseModels) {
    expect(await outcomeOf(bytes, () => 1)).toBe('usable');
  }
});

it.each(seeds)('mutated with seed %i', async (seed) => {
  const random = randomNumbers(seed);
  for (let i = 0; i < Math.min(cases, casesPerSeed); i++) {
    const model = baseModels[i % baseModels.length] as (typeof baseModels)[number];
    const bytes = mutate(model, random);
    let outcome: string;
    try {
      outcome = await checkCost(bytes, i);
    } catch (error) {
      throw new Error(`seed ${seed}, file ${i}: ${String(error)}`, { cause: error });
    }
    outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + 1);
  }
});

// If the mutations stop reaching every kind of answer, they no longer test much.
it('every kind of answer was given', () => {
  for (const outcome of [
    'usable',
    'model-file/not-gguf',
    'model-file/truncated',
    'model-file/malformed',
    'model-file/limit',
    'model-file/unsupported-version',
    'model-file/unsupported-tensor-type',
    'read, model-file/unsupported-architecture',
    'read, model-file/unsupported-tokenizer',
    'read, model-file/missing-tensor',
    'read, model-file/malformed',
  ]) {
    expect(outcomes.get(outcome) ?? 0, outcome).toBeGreaterThan(cases / 100_000);
  }
});
