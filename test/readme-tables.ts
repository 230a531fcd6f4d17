/**
 * The tables of the documents that are made from the code itself (what works, who may
 * import whom, what a token costs), so that they can neither promise too much nor forget anything.
 * `scripts/make-readme-tables.mjs` writes them into the files, `documents.test.ts` compares.
 */
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { format } from 'prettier';
import { highBlockBytes, planeFormats } from '../src/engine/backend/plane-formats.ts';
import { quantType } from '../src/engine/formats/quants/registry.ts';
import { tensorTypeIds, type TensorType } from '../src/engine/graph/dtype.ts';
import { supportedArchitectures } from '../src/engine/models/registry.ts';
import { supportedTokenizers } from '../src/engine/tokenizer/create-tokenizer.ts';
import { knownPreTokenizers } from '../src/engine/tokenizer/pre-tokenizers.ts';
import { recordedFeatures } from './browser/engines/features.ts';
import { footprintOf } from './gpu-footprint.ts';
import { reportToken } from './gpu-report.ts';
import { layers } from './import-rules.ts';
import { measurePlaneErrors, type PlaneErrors } from './plane-errors.ts';

/** Documents with tables, and the tables each has between its markers. */
export const tablesOf: Readonly<
  Record<string, Readonly<Record<string, () => string | Promise<string>>>>
> = {
  'README.md': { works, browsers },
  'src/README.md': { 'import-rules': importRules },
  'src/engine/backend/README.md': { 'gpu-token': gpuToken },
};

/** Models of each architecture's form, for people, by kind; an architecture without a line here fails. */
const architectureNotes: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  'Dense decoders': {
    cohere2: 'Command R7B, Command A',
    'command-r': 'Command R, Command R+, Aya',
    gemma: 'Gemma',
    gemma2: 'Gemma 2',
    gemma3: 'Gemma 3, text',
    glm4: 'GLM-4 0414, Z1',
    gpt2: 'GPT-2, Cerebras-GPT',
    gptneox: 'GPT-NeoX, Pythia, Dolly 2',
    granite: 'Granite 3',
    internlm2: 'InternLM 2 and 2.5',
    llama: 'Llama 1 to 3, Mistral, TinyLlama, SmolLM2; with experts Mixtral',
    olmo2: 'OLMo 2 and 3',
    phi2: 'Phi-1, Phi-1.5, Phi-2',
    phi3: 'Phi-3, Phi-3.5 and Phi-4 mini',
    qwen2: 'Qwen 1.5, 2 and 2.5',
    qwen3: 'Qwen 3',
    smollm3: 'SmolLM3',
    stablelm: 'StableLM 2, also the 12B',
    starcoder2: 'StarCoder 2',
  },
  'Mixtures of experts': {
    deepseek: 'DeepSeek-MoE 16B',
    deepseek2: 'DeepSeek-V2 and V3, Moonlight, Kimi K2',
    'gpt-oss': 'gpt-oss 20B and 120B',
    granitemoe: 'Granite 3 1B-A400M, 3B-A800M',
    olmoe: 'OLMoE',
    qwen2moe: 'Qwen 1.5 MoE, Qwen 2 57B',
    qwen3moe: 'Qwen 3 30B-A3B, 235B-A22B',
  },
  'Recurrent and hybrid': {
    lfm2: 'LFM2',
    mamba: 'Mamba, Falcon Mamba',
  },
  'Encoders, for search': {
    bert: "MiniLM, BGE, E5 and others of BERT's form",
    'gemma-embedding': 'EmbeddingGemma',
    'nomic-bert': 'Nomic Embed 1 and 1.5',
  },
};

const tokenizerNotes: Readonly<Record<string, string>> = {
  llama: 'SentencePiece BPE with byte fallback',
  gpt2: 'byte-level BPE',
  gemma4: 'BPE of characters with byte fallback',
  bert: 'WordPiece',
  t5: 'SentencePiece unigram with compiled normalisation and byte fallback',
  rwkv: "longest match over bytes, RWKV's vocabulary",
  none: 'no vocabulary: token ids alone',
  no_vocab: 'the same, as older files say it',
};

/** The text of a document with its tables made anew. @throws Error where a marker is missing */
export async function withTables(document: string, text: string): Promise<string> {
  let result = text;
  for (const [name, make] of Object.entries(tablesOf[document] ?? {})) {
    const begin = `<!-- ${name}:begin (made by scripts/make-readme-tables.mjs) -->`;
    const end = `<!-- ${name}:end -->`;
    const from = result.indexOf(begin);
    const to = result.indexOf(end);
    if (from < 0 || to < from) throw new Error(`${document} lacks "${begin}" or "${end}".`);
    const table = await format(await make(), { parser: 'markdown', printWidth: 100 });
    result = `${result.slice(0, from)}${begin}\n\n${table}\n${result.slice(to)}`;
  }
  return result;
}

/** What the browsers had that the tests were last run in. */
function browsers(): string {
  const yesNo = (has: boolean): string => (has ? 'yes' : 'no');
  return [
    '| browser | computes with | shared memory | battery | pressure | memory size | private files | storage limit |',
    '| --- | --- | --- | --- | --- | --- | --- | ---: |',
    ...recordedFeatures().map((has) => {
      const quota = has.quotaBytes === null ? 'unknown' : `${(has.quotaBytes / 1e9).toFixed(1)} GB`;
      const known = [has.sharedMemory, has.battery, has.pressure, has.deviceMemory];
      const cells = [has.browser, has.backend, ...known.map(yesNo), yesNo(has.originPrivateFiles)];
      return `| ${[...cells, quota].join(' | ')} |`;
    }),
  ].join('\n');
}

async function works(): Promise<string> {
  const types = Object.keys(tensorTypeIds) as TensorType[];
  const errors = await measurePlaneErrors(types);
  return [
    '| kind | architectures (`general.architecture`) and models of their form |',
    '| --- | --- |',
    ...architectureRows(),
    '',
    '| tensor type | bits in the file | planes | read in 8-bit mode | in 4-bit mode | error in 8-bit mode | in 4-bit mode |',
    '| --- | ---: | --- | ---: | ---: | ---: | ---: |',
    ...types.map((type) => tensorTypeRow(type, errors.get(type))),
    '',
    'Errors: root mean square difference from the values in the file, of random weights; what the rounding to the type itself cost is not in them.',
    '',
    `Tokenizers (\`tokenizer.ggml.model\`): ${supportedTokenizers
      .map((name) => `\`${name}\` (${note(tokenizerNotes, name)})`)
      .join(', ')}.`,
    '',
    `Byte-level BPE knows ${knownPreTokenizers.length} names of pre-tokenizers; a file with another name is read with the default one and says so. Tokenizer files of Hugging Face (JSON) are read through the same interface.`,
  ].join('\n');
}

/** @throws Error where an architecture has no line or a line no architecture */
function architectureRows(): string[] {
  const named = Object.values(architectureNotes).flatMap((notes) => Object.keys(notes));
  const apart = [
    ...supportedArchitectures.filter((name) => !named.includes(name)),
    ...named.filter((name) => !supportedArchitectures.includes(name)),
  ];
  if (apart.length > 0) throw new Error(`Architectures and their notes differ: ${apart.join()}.`);
  return Object.entries(architectureNotes).map(([kind, notes]) => {
    const list = Object.entries(notes).map(([name, models]) => `\`${name}\` (${models})`);
    return `| ${kind} | ${list.join(', ')} |`;
  });
}

/** Bits of a weight are those of its digits and its share of the block's scale and minimum. */
function tensorTypeRow(type: TensorType, errors: PlaneErrors | undefined): string {
  const { blockBytes, blockElements } = quantType(type);
  const format = planeFormats[type];
  const rows = 8;
  const columns = 32;
  const digitBytes = (rows * columns) / 2;
  const high = (8 * highBlockBytes(format)) / (rows * columns);
  const both = high + (format.planes === 2 ? (8 * digitBytes) / (rows * columns) : 0);
  const cells = [
    `\`${type}\``,
    (8 * blockBytes) / blockElements,
    `${format.planes === 2 ? 'high and low' : 'high'}${format.hasMinimum ? ', minimum' : ''}`,
    both,
    high,
    format.exact ? 'none' : percent(errors?.eightBits),
    format.exact && format.planes === 1 ? 'none' : percent(errors?.fourBits),
  ];
  return `| ${cells.join(' | ')} |`;
}

function percent(share = NaN): string {
  return `${(100 * share).toPrecision(2)} %`;
}

function note(notes: Readonly<Record<string, string>>, name: string): string {
  const text = notes[name];
  if (text === undefined) throw new Error(`test/readme-tables.ts does not describe "${name}".`);
  return text;
}

/** The rules of the folders that exist; others are planned for and listed without one. */
function importRules(): string {
  const folder = (name: string): string => (name === 'workers' ? 'workers' : `src/${name}`);
  const root = new URL('../', import.meta.url);
  const exists = (name: string): boolean => existsSync(fileURLToPath(new URL(folder(name), root)));
  const list = (names: readonly string[]): string =>
    names.map((name) => `\`${name}\``).join(', ') || 'nothing';
  const rows = Object.entries(layers)
    .filter(([name]) => exists(name))
    .map(([name, { layers: others, typesOf, packages, reason }]) => {
      const types = typesOf?.filter(exists) ?? [];
      const imports = types.length > 0 ? `types of ${list(types)}` : list(others.filter(exists));
      return `| \`${name}\` | ${imports} | ${list(packages)} | ${reason} |`;
    });
  return [
    '| folder | may import | packages | because |',
    '| --- | --- | --- | --- |',
    ...rows,
  ].join('\n');
}

/** The shape of Llama 3.2 1B, with an output matrix that is the embedding. */
const billion = {
  width: 2048,
  layers: 16,
  heads: 32,
  kvHeads: 8,
  feedForward: 8192,
  vocabularySize: 128_256,
  type: 'Q8_0',
} as const;

async function gpuToken(): Promise<string> {
  const features = { f16: true, subgroups: true, packedDot: true, timestamps: true };
  const position = 1024;
  const report = (precision: 8 | 4) =>
    reportToken({ shape: billion, features, position, precision });
  const [eight, four] = [await report(8), await report(4)];
  const megabytes = (bytes: number): string => (bytes / 1e6).toFixed(2);
  const rows = four.kernels.map(({ kernel, dispatches, workgroups, bytesRead, bytesWritten }) => {
    const { threads, workgroupBytes } = footprintOf(kernel, features);
    const moved = [bytesRead, bytesWritten].map(megabytes);
    const cells = [`\`${kernel}\``, dispatches, workgroups, threads, workgroupBytes, ...moved];
    return `| ${cells.join(' | ')} |`;
  });
  const share = ({ bytes, leastBytes }: typeof four): string => (bytes / leastBytes).toFixed(3);
  return [
    '| kernel, 4-bit mode | dispatches | workgroups | threads of each | bytes of workgroup memory | MB read | MB written |',
    '| --- | ---: | ---: | ---: | ---: | ---: | ---: |',
    ...rows,
    '',
    `One token after ${position} others of a model of the shape of Llama 3.2 1B: ${four.dispatches} dispatches. Bytes over the least (weights, keys and values once): ${share(four)} in 4-bit mode, ${share(eight)} in 8-bit mode.`,
  ].join('\n');
}
