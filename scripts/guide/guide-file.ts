/**
 * The two ends of making the guide, around `train.py`: `prepare` turns the corpus into a vocabulary
 * and dialogues as token ids, `assemble` turns trained weights into `public/guide.gguf`.
 */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Metadata, type MetadataValue } from '../../src/engine/formats/gguf/metadata.ts';
import { type GgufTensorData, writeGguf } from '../../src/engine/formats/gguf/writer.ts';
import { quantizer, rowBytes } from '../../src/engine/formats/quants/registry.ts';
import { createTokenizer } from '../../src/engine/tokenizer/create-tokenizer.ts';
import { type BytePairs, learnBytePairs, preTokenizer } from './byte-pairs.ts';
import {
  allTexts,
  type Corpus,
  dialogues,
  parseCorpus,
  parsePhrases,
  type Turn,
} from './dialogues.ts';

const vocabularySize = 2048;
const special = ['<|endoftext|>', '<|im_start|>', '<|im_end|>'] as const;
/** Longest dialogue, in tokens; longer ones are cut between turns. */
const longestDialogue = 256;
/** What `train.py` reads; it may run over them several times. */
const trainingTokens = 6_000_000;
/** Beside a token id: the loss counts it (it is part of an answer). */
const learnFlag = 0x8000;
const endOfDialogue = 0xffff;

/** Mirrored by `train.py`. */
export const shape = {
  width: 192,
  layers: 4,
  heads: 6,
  kvHeads: 2,
  feedForward: 512,
  contextLength: 1024,
  epsilon: 1e-5,
  ropeBase: 10_000,
} as const;

const chatTemplate = `{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\\n' + message['content'] + '<|im_end|>\\n' }}{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}`;

/** Writes `vocabulary.json` and `dialogues.bin` (uint16, little-endian) into `work`. */
export function prepare(corpusFolder: string, work: string): void {
  const corpus = readCorpus(corpusFolder);
  const pairs = learnBytePairs(allTexts(corpus), vocabularySize - special.length);
  const tokenizer = createTokenizer(new Metadata(entriesOf(tokenizerMetadata(pairs))));
  const encode = (text: string): number[] => tokenizer.encode(text, { special: 'parse' });
  const words = new Uint16Array(trainingTokens + 2 * longestDialogue);
  let length = 0;
  for (const dialogue of dialogues(corpus, 1)) {
    length += encodeDialogue(dialogue, encode, words, length);
    if (length >= trainingTokens) break;
  }
  mkdirSync(work, { recursive: true });
  writeFileSync(join(work, 'vocabulary.json'), JSON.stringify(pairs));
  writeFileSync(join(work, 'dialogues.bin'), words.subarray(0, length));
  console.log(`${corpus.topics.length} topics, ${pairs.tokens.length} tokens, ${length} ids`);
}

/** @returns how many ids were written at `start` */
function encodeDialogue(
  turns: readonly Turn[],
  encode: (text: string) => number[],
  output: Uint16Array,
  start: number,
): number {
  let at = start;
  const put = (ids: readonly number[], flag: number): void => {
    for (const id of ids) output[at++] = id | flag;
  };
  for (const [index, { role, content }] of turns.entries()) {
    const opening = encode(`<|im_start|>${role}\n`);
    const body = encode(`${content}<|im_end|>`);
    if (role === 'user') {
      const answer = turns[index + 1]?.content ?? '';
      const needed = opening.length + body.length + encode(answer).length + 8;
      if (at > start && at - start + needed > longestDialogue) break;
    }
    put(opening, 0);
    put(body, role === 'assistant' ? learnFlag : 0);
    put(encode('\n'), 0);
  }
  output[at++] = endOfDialogue;
  return at - start;
}

/**
 * Reads `vocabulary.json` and `weights.bin` (float32: tensors in the order of `tensorNames`) and
 * returns the file: matrices in Q8_0, norms in F32.
 */
export function assemble(work: string): Uint8Array {
  const pairs = JSON.parse(readFileSync(join(work, 'vocabulary.json'), 'utf8')) as BytePairs;
  const bytes = readFileSync(join(work, 'weights.bin'));
  const weights = new Float32Array(bytes.buffer, bytes.byteOffset, bytes.byteLength / 4);
  let start = 0;
  const tensors = tensorShapes(pairs.tokens.length + special.length).map(
    ({ name, columns, rows }): GgufTensorData => {
      const values = weights.slice(start, start + columns * rows);
      start += columns * rows;
      if (rows === 1) {
        return { name, type: 'F32', shape: [columns], data: new Uint8Array(values.buffer) };
      }
      const data = new Uint8Array(rows * rowBytes('Q8_0', columns));
      quantizer('Q8_0')(values, data);
      return { name, type: 'Q8_0', shape: [columns, rows], data };
    },
  );
  if (start !== weights.length) throw new Error('weights.bin does not fit to the shape.');
  return writeGguf({
    metadata: [...modelMetadata(), ...tokenizerMetadata(pairs)],
    tensors,
  });
}

interface TensorShape {
  readonly name: string;
  readonly columns: number;
  /** 1: a vector. */
  readonly rows: number;
}

function tensorShapes(tokens: number): TensorShape[] {
  const { width, layers, heads, kvHeads, feedForward } = shape;
  const kvWidth = (width / heads) * kvHeads;
  const vector = (name: string): TensorShape => ({ name, columns: width, rows: 1 });
  return [
    { name: 'token_embd.weight', columns: width, rows: tokens },
    ...Array.from({ length: layers }, (_, layer) => {
      const block = `blk.${layer}`;
      return [
        vector(`${block}.attn_norm.weight`),
        { name: `${block}.attn_q.weight`, columns: width, rows: width },
        { name: `${block}.attn_k.weight`, columns: width, rows: kvWidth },
        { name: `${block}.attn_v.weight`, columns: width, rows: kvWidth },
        { name: `${block}.attn_output.weight`, columns: width, rows: width },
        vector(`${block}.ffn_norm.weight`),
        { name: `${block}.ffn_gate.weight`, columns: width, rows: feedForward },
        { name: `${block}.ffn_up.weight`, columns: width, rows: feedForward },
        { name: `${block}.ffn_down.weight`, columns: feedForward, rows: width },
      ];
    }).flat(),
    vector('output_norm.weight'),
  ];
}

const u32 = (value: number): MetadataValue => ({ type: 'u32', value });
const f32 = (value: number): MetadataValue => ({ type: 'f32', value });
const text = (value: string): MetadataValue => ({ type: 'string', value });

function modelMetadata(): [string, MetadataValue][] {
  const { width, layers, heads, kvHeads, feedForward, contextLength, epsilon, ropeBase } = shape;
  return [
    ['general.architecture', text('llama')],
    ['general.name', text('Hermit guide')],
    ['general.license', text('apache-2.0')],
    ['general.description', text('Knows Hermit and nothing else. Trained on scripts/guide.')],
    ['general.file_type', u32(7)],
    ['llama.block_count', u32(layers)],
    ['llama.context_length', u32(contextLength)],
    ['llama.embedding_length', u32(width)],
    ['llama.feed_forward_length', u32(feedForward)],
    ['llama.attention.head_count', u32(heads)],
    ['llama.attention.head_count_kv', u32(kvHeads)],
    ['llama.attention.layer_norm_rms_epsilon', f32(epsilon)],
    ['llama.rope.dimension_count', u32(width / heads)],
    ['llama.rope.freq_base', f32(ropeBase)],
    ['tokenizer.chat_template', text(chatTemplate)],
  ];
}

function tokenizerMetadata({ tokens, merges }: BytePairs): [string, MetadataValue][] {
  const control = 3;
  const normal = 1;
  const end = tokens.length;
  return [
    ['tokenizer.ggml.model', text('gpt2')],
    ['tokenizer.ggml.pre', text(preTokenizer)],
    ['tokenizer.ggml.tokens', { type: 'array', of: 'string', value: [...tokens, ...special] }],
    [
      'tokenizer.ggml.token_type',
      {
        type: 'array',
        of: 'i32',
        value: Int32Array.from([...tokens.map(() => normal), ...special.map(() => control)]),
      },
    ],
    ['tokenizer.ggml.merges', { type: 'array', of: 'string', value: [...merges] }],
    ['tokenizer.ggml.bos_token_id', u32(end)],
    ['tokenizer.ggml.eos_token_id', u32(end + 2)],
    ['tokenizer.ggml.add_bos_token', { type: 'bool', value: false }],
  ];
}

function entriesOf(
  metadata: readonly (readonly [string, MetadataValue])[],
): ConstructorParameters<typeof Metadata>[0] {
  return new Map(metadata.map(([key, value]) => [key, { value, offsetBytes: 0 }]));
}

function readCorpus(folder: string): Corpus {
  const read = (name: string): string => readFileSync(join(folder, name), 'utf8');
  return {
    topics: [
      ...parseCorpus(read('corpus.en.txt'), 'en'),
      ...parseCorpus(read('corpus.zh-Hans.txt'), 'zh-Hans'),
    ],
    phrases: {
      en: parsePhrases(read('phrases.en.txt')),
      'zh-Hans': parsePhrases(read('phrases.zh-Hans.txt')),
    },
  };
}
