/**
 * A sample of what `test/integration` measures in Node, through `hermit.completions` in a real Chromium
 * with its relaxed SIMD: trained models of each kind of weights, and random ones of other families,
 * against the float32 references beside them. Prints the error of every file.
 */
import { readFileSync } from 'node:fs';
import type { Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { BufferByteSource } from '../../src/common/byte-source.ts';
import { readGguf } from '../../src/engine/formats/gguf/reader.ts';
import { createTokenizer } from '../../src/engine/tokenizer/create-tokenizer.ts';
import { startModelServer, type ModelServer } from '../fixtures/model-server.ts';
import { fixtureModels, sharedModelPath, sharedModels } from '../fixtures/shared-models.ts';
import {
  fixtureLogits,
  type FixtureReference,
  readJson,
  type StoryReference,
} from '../integration/reference-files.ts';
import { launchBrowser, type TestBrowser } from './browser-harness.ts';

const files = ['stories260K', 'TinyStories-656K-Q8_0', 'TinyStories-656K-Q4_0'] as const;
/** A mixture, a recurrent model, sliding windows, and a mix of two block formats. */
const families = ['qwen3moe.Q4_0', 'mamba.F32', 'gemma3.Q8_0', 'llama-k.Q4_K_M'] as const;
type File = (typeof files)[number];
type Precision = 'auto' | 4;

/** Files whose weights `auto` keeps in float32: the cache in f16 is then all that is rounded. */
const floatFiles: ReadonlySet<string> = new Set(['stories260K', 'mamba.F32']);
/**
 * A greedy choice may differ from the reference's where the reference's own token is within this
 * many nats of the likeliest: rounding decides there.
 */
const nearTieNats = 0.1;
/** Divergence from the reference's distribution of the first answer token, in nats. */
const divergenceLimit = { float: 1e-5, eightBit: 1e-2, fourBit: 0.5 } as const;
/** The largest difference of a log-probability above `likely`, in nats. */
const differenceLimit = { float: 0.02, eightBit: 0.5, fourBit: 4 } as const;
const likely = -7;
/** Alternatives to ask for: half of the largest vocabulary here, which is all of its probability. */
const alternatives = 1000;

interface Step {
  readonly token: number;
  /** Log-probabilities by token text, likeliest first. */
  readonly top: Readonly<Record<string, number>>;
}

/** Greedy continuation by the page, with the alternatives of every step. */
function complete(page: Page, prompt: readonly number[], count: number, top: number) {
  return page.evaluate(
    async ({ prompt, count, top }): Promise<Step[]> => {
      const { choices } = await hermit.completions.create({
        prompt,
        max_tokens: count,
        temperature: 0,
        logprobs: top,
      });
      const [choice] = choices;
      return (choice?.token_ids ?? []).map((token, step) => ({
        token,
        top: choice?.logprobs?.top_logprobs[step] ?? {},
      }));
    },
    { prompt: [...prompt], count, top },
  );
}

/** The text the page shows for each token id, from the file itself. */
async function tokenTexts(path: string): Promise<string[]> {
  const { metadata } = await readGguf(new BufferByteSource(readFileSync(path)));
  const tokenizer = createTokenizer(metadata);
  return Array.from({ length: tokenizer.vocabularySize }, (_, id) =>
    tokenizer.decode([id], { showSpecial: true, continuation: true }),
  );
}

function logSoftmax(logits: readonly number[]): number[] {
  const maximum = Math.max(...logits);
  const sum = logits.reduce((total, logit) => total + Math.exp(logit - maximum), 0);
  return logits.map((logit) => logit - maximum - Math.log(sum));
}

/** The larger of equal texts counts, on both sides. */
function byText(logprobs: readonly number[], texts: readonly string[]): Map<string, number> {
  const all = new Map<string, number>();
  for (const [id, logprob] of logprobs.entries()) {
    const text = texts[id] ?? '';
    all.set(text, Math.max(all.get(text) ?? -Infinity, logprob));
  }
  return all;
}

/** The largest difference among likely tokens, and the divergence over all, both in nats. */
function compare(actual: Readonly<Record<string, number>>, expected: ReadonlyMap<string, number>) {
  let largest = 0;
  let divergence = 0;
  for (const [text, logprob] of expected) {
    const got = actual[text];
    if (logprob > likely) largest = Math.max(largest, Math.abs(logprob - (got ?? -Infinity)));
    if (got !== undefined) divergence += Math.exp(logprob) * (logprob - got);
  }
  return { largest, divergence: Math.abs(divergence) };
}

interface Greedy {
  readonly steps: number;
  readonly ties: number;
  /** The widest margin at which the choice differed, in nats. */
  readonly widest: number;
  /** Steps where the reference's token was not even the second. */
  readonly strangers: number;
}

/** Follows the reference; where the page differs, goes on from the reference's token. */
async function followGreedily(
  page: Page,
  input: readonly number[],
  wanted: readonly number[],
  texts: readonly string[],
): Promise<Greedy> {
  let [done, ties, widest, strangers] = [0, 0, 0, 0];
  while (done < wanted.length) {
    const prompt = [...input, ...wanted.slice(0, done)];
    const steps = await complete(page, prompt, wanted.length - done, 2);
    const differs = steps.findIndex(({ token }, step) => token !== wanted[done + step]);
    // An end of generation stops the page; the references end where they end.
    const at = differs < 0 ? steps.length : differs;
    if (done + at >= wanted.length) break;
    const step = steps[at];
    const text = texts[wanted[done + at] ?? -1] ?? '';
    const reference = step?.top[text];
    if (reference === undefined) strangers += 1;
    else widest = Math.max(widest, Math.max(...Object.values(step?.top ?? {})) - reference);
    ties += 1;
    done += at + 1;
  }
  return { steps: wanted.length, ties, widest, strangers };
}

const table: string[] = [];

describe.skipIf(sharedModels === null)('trained models in the page', () => {
  let browser: TestBrowser;
  let server: ModelServer;
  let page: Page;

  beforeAll(async () => {
    server = await startModelServer();
    browser = await launchBrowser();
    ({ page } = await browser.openPage(inject('baseUrl')));
    await page.waitForFunction(() => 'hermit' in globalThis);
    for (const file of files) {
      server.serve(`/${file}.gguf`, { filePath: sharedModelPath('gguf', `${file}.gguf`) });
      await page.evaluate((url) => hermit.models.install(url), server.url(`/${file}.gguf`));
    }
  });
  afterAll(async () => {
    const head = 'file                  precision  max |dlogp|  divergence   greedy  ties  widest';
    console.info(['', head, ...table].join('\n'));
    await browser.close();
    await server.close();
  });

  const load = (file: File, precision: Precision) =>
    page.evaluate(
      ({ id, precision }) => hermit.models.load(id, { precision, contextLength: 512 }),
      {
        id: file.toLowerCase(),
        precision,
      },
    );

  it('run on relaxed SIMD', async () => {
    const { backend } = await load('stories260K', 'auto');
    expect(backend).toMatch(/relaxed/i);
    const report = await page.evaluate(() => hermit.device.report());
    expect(report.simd).toBe('relaxed');
  });

  it('turn text into tokens and back, special spellings as text unless asked', async () => {
    await load('stories260K', 'auto');
    const text = 'Once upon a <s>time, 你好 🐢';
    const outcome = await page.evaluate(async (given) => {
      const id = 'stories260k';
      const plain = await hermit.tokenize(id, given);
      const special = await hermit.tokenize(id, given, { special: true, boundary: true });
      return {
        plain,
        special,
        back: await hermit.detokenize(id, plain),
        hidden: await hermit.detokenize(id, special),
        shown: await hermit.detokenize(id, special, { special: true }),
      };
    }, text);
    expect(outcome.back).toBe(text);
    expect(outcome.plain).not.toContain(1);
    expect(outcome.special.filter((id) => id === 1)).toHaveLength(2);
    expect(outcome.hidden).not.toContain('<s>');
    expect(outcome.shown.startsWith('<s>')).toBe(true);
  });

  it('echo a text and tell where its tokens begin', async () => {
    const choice = await page.evaluate(async () => {
      const { choices } = await hermit.completions.create({
        prompt: 'Once upon a time',
        max_tokens: 8,
        temperature: 0,
        echo: true,
        logprobs: 1,
      });
      return choices[0];
    });
    const { tokens = [], text_offset = [] } = choice?.logprobs ?? {};
    const text = choice?.text ?? '';
    expect(text.startsWith('Once upon a time, there was')).toBe(true);
    expect(text_offset.slice(0, 3)).toEqual([0, 0, 4]);
    for (const [index, token] of tokens.entries()) {
      if (index < 2) continue;
      const start = text_offset[index] ?? -1;
      expect(text.slice(start, start + token.length)).toBe(token);
    }
  });

  it('tell 200 tokens of the upstream story, from ids and from an empty text', async () => {
    const reference = readJson<{ readonly output_ids: readonly number[]; readonly text: string }>(
      'gguf',
      'stories260K.karpathy-test.json',
    );
    await load('stories260K', 'auto');
    const prompts: readonly (string | number[])[] = [[1], ''];
    for (const prompt of prompts) {
      const { choices, usage } = await page.evaluate(
        (given) => hermit.completions.create({ prompt: given, max_tokens: 200, temperature: 0 }),
        prompt,
      );
      expect(choices[0]?.token_ids).toEqual(reference.output_ids);
      expect(choices[0]?.text).toBe(reference.text);
      expect(choices[0]?.finish_reason).toBe('length');
      expect(usage).toMatchObject({ prompt_tokens: 1, completion_tokens: 200, total_tokens: 201 });
    }
  });

  it.skipIf(fixtureModels === null).each(families)('%s', async (file) => {
    const path = sharedModelPath('fixtures', 'models', `${file}.gguf`);
    const texts = await tokenTexts(path);
    const reference = readJson<FixtureReference>('fixtures', 'models', `${file}.reference.json`);
    server.serve(`/${file}.gguf`, { filePath: path });
    await page.evaluate(
      async ({ url, contextLength }) => {
        const id = await hermit.models.install(url);
        // what is best here may read fewer bits of files that lose little by it
        await hermit.models.load(id, { contextLength, precision: 8 });
      },
      { url: server.url(`/${file}.gguf`), contextLength: reference.n_ctx },
    );
    // random models often choose halves of characters, whose texts are all alike: no sum over texts
    // says how far two distributions are apart
    let largest = 0;
    for (const example of reference.cases) {
      const [step] = await complete(page, example.tokens, 1, alternatives);
      const last = fixtureLogits(reference, example).slice(-example.logits.cols);
      const expected = byText(logSoftmax([...last]), texts);
      largest = Math.max(largest, compare(step?.top ?? {}, expected).largest);
    }
    table.push(`${file.padEnd(22)}        8 ${largest.toExponential(1).padStart(12)}`);
    expect(largest).toBeLessThan(differenceLimit[floatFiles.has(file) ? 'float' : 'eightBit']);
  });

  describe.each(['auto', 4] as const)('precision %s', (precision) => {
    it.each(files)('%s', async (file) => {
      const reference = readJson<StoryReference>('gguf', `${file}.gguf.reference.json`);
      const texts = await tokenTexts(sharedModelPath('gguf', `${file}.gguf`));
      await load(file, precision);
      let [largest, divergence, steps, ties, widest, strangers] = [0, 0, 0, 0, 0, 0];
      for (const { prompt, input_ids, output_ids, first_step_logits } of reference.cases) {
        const ids = await page.evaluate(
          ({ id, text }) => hermit.tokenize(id, text, { boundary: true }),
          { id: file.toLowerCase(), text: prompt },
        );
        expect(ids).toEqual(input_ids);
        const [first] = await complete(page, input_ids, 1, alternatives);
        const error = compare(first?.top ?? {}, byText(logSoftmax(first_step_logits), texts));
        largest = Math.max(largest, error.largest);
        divergence = Math.max(divergence, error.divergence);
        const greedy = await followGreedily(page, input_ids, output_ids, texts);
        steps += greedy.steps;
        ties += greedy.ties;
        strangers += greedy.strangers;
        widest = Math.max(widest, greedy.widest);
      }
      table.push(
        [
          file.padEnd(22),
          String(precision).padStart(8),
          largest.toExponential(1).padStart(12),
          divergence.toExponential(1).padStart(11),
          `${steps - ties}/${steps}`.padStart(8),
          String(ties).padStart(5),
          widest.toFixed(3).padStart(7),
        ].join(' '),
      );
      const float = precision === 'auto' && floatFiles.has(file);
      const fine = precision !== 4 || file.endsWith('Q4_0');
      const limit = float ? 'float' : fine ? 'eightBit' : 'fourBit';
      expect(divergence).toBeLessThan(divergenceLimit[limit]);
      expect(largest).toBeLessThan(differenceLimit[limit]);
      if (float) expect(ties).toBe(0);
      if (precision === 'auto') {
        expect(strangers).toBe(0);
        expect(widest).toBeLessThan(nearTieNats);
      }
    });
  });
});
