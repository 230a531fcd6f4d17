import { describe, expect, it } from 'vitest';
import { AppError } from '../../common/errors.ts';
import { tokenMark } from '../../common/token-mark.ts';
import { GrammarConstraint } from './grammar/grammar-constraint.ts';
import type { TopLogits, TopRequest } from '../backend/backend.ts';
import type { ForwardOptions, ModelState } from '../models/language-model.ts';
import { noPenalties } from './logits-processors.ts';
import { logSumExp } from './logprobs.ts';
import { selectTop } from './top-selection.ts';
import { greedySampling } from './sampler.ts';
import { Session, sliceTokensFor } from './session.ts';
import type { DoneEvent, GenerateOptions, GenerationEvent, SessionOptions } from './session.ts';
import { ByteTokenizer, byteVocabularySize, endToken } from './testing/byte-tokenizer.ts';
import { WordTokenizer } from './testing/word-tokenizer.ts';
import { ScriptedModel, scriptAnswer } from './testing/scripted-model.ts';
import type { Script, ScriptedState } from './testing/scripted-model.ts';

const tokenizer = new ByteTokenizer();
const bytes = (text: string): number[] => tokenizer.encode(text, { special: 'parse' });
const greedy: GenerateOptions = { sampling: greedySampling };

interface Setup {
  readonly model: ScriptedModel;
  readonly state: ScriptedState;
  readonly session: Session;
}

function setUp(
  script: Script,
  change: Partial<SessionOptions> & { capacity?: number } = {},
): Setup {
  const model = new ScriptedModel({ vocabularySize: byteVocabularySize, script });
  const state = model.createState({ capacity: change.capacity ?? 256, kvType: 'f32' });
  const session = new Session({ model, tokenizer, state, precision: () => 8, ...change });
  return { model, state, session };
}

/** A model that answers `answer` to `prompt`. */
function answering(
  prompt: string,
  answer: string,
  change: Partial<SessionOptions> & { capacity?: number } = {},
): Setup {
  return setUp(scriptAnswer(byteVocabularySize, bytes(prompt).length, bytes(answer)), change);
}

/** A script whose logits are a hash of the whole history: every change of the past shows. */
const historyScript: Script = (history) => {
  let hash = 17;
  for (const token of history) hash = (Math.imul(hash, 31) + token) >>> 0;
  return Float32Array.from({ length: byteVocabularySize }, (_value, id) =>
    id === endToken ? -5 : ((Math.imul(hash ^ id, 2654435761) >>> 8) % 1000) / 100,
  );
};

/** A model that brings candidates instead of logits where these are enough. */
class CandidateModel extends ScriptedModel {
  readonly mostCandidates = 64;
  asked = 0;

  async forwardTop(
    tokens: Int32Array,
    state: ModelState,
    options: Omit<ForwardOptions, 'want'>,
    { count }: TopRequest,
  ): Promise<TopLogits> {
    this.asked++;
    const logits = await this.forward(tokens, state, { ...options, want: 'last' });
    const ids = selectTop(logits, count);
    return { ids, logits: Float32Array.from(ids, (id) => logits[id] ?? NaN) };
  }
}

async function collect(events: AsyncIterable<GenerationEvent>): Promise<{
  events: GenerationEvent[];
  text: string;
  done: DoneEvent;
}> {
  const all: GenerationEvent[] = [];
  for await (const event of events) all.push(event);
  const done = all.at(-1);
  if (done?.type !== 'done') throw new Error('no done event');
  const shown = all.map((event) => (event.type === 'token' ? event.text : '')).join('');
  return { events: all, text: shown + done.text, done };
}

function expectConsistent({ session, state }: Setup): void {
  expect(session.tokens).toEqual(state.history);
  expect(session.busy).toBe(false);
}

describe('Session.generate', () => {
  it('answers until the end of generation, which is not part of the text', async () => {
    const setup = answering('Hi', 'Hello 🌍<|end|>');
    const { text, done, events } = await collect(setup.session.generate(bytes('Hi'), greedy));
    expect(text).toBe('Hello 🌍');
    expect(done.reason).toBe('stop');
    expect(done.stats.answerTokens).toBe(10);
    expect(events.filter((event) => event.type === 'token').length).toBe(10);
    expect(setup.session.tokens).toEqual(bytes('HiHello 🌍'));
    expectConsistent(setup);
  });

  it('reads the prompt in slices, reports progress, and asks for logits of the last only', async () => {
    const setup = answering('abcdefgh', '<|end|>', { sliceTokens: 3 });
    const { events } = await collect(setup.session.generate(bytes('abcdefgh'), greedy));
    expect(events.filter((event) => event.type === 'prefill')).toEqual([
      { type: 'prefill', done: 0, total: 8 },
      { type: 'prefill', done: 3, total: 8 },
      { type: 'prefill', done: 6, total: 8 },
      { type: 'prefill', done: 8, total: 8 },
    ]);
    expect(setup.model.calls.map((call) => [call.tokens.length, call.want])).toEqual([
      [3, 'none'],
      [3, 'none'],
      [2, 'last'],
    ]);
  });

  it('computes only what differs from the last prompt', async () => {
    const setup = setUp(historyScript);
    await collect(
      setup.session.generate(bytes('The same beginning, one'), { ...greedy, maxTokens: 4 }),
    );
    setup.model.calls.length = 0;
    const prompt = bytes('The same beginning, two');
    const reused = await collect(setup.session.generate(prompt, { ...greedy, maxTokens: 4 }));
    const kept = 'The same beginning, '.length;
    expect(setup.model.calls[0]).toMatchObject({ position: kept, tokens: bytes('two') });
    expect(reused.done.stats.reusedTokens).toBe(kept);

    const fresh = setUp(historyScript);
    const anew = await collect(fresh.session.generate(prompt, { ...greedy, maxTokens: 4 }));
    expect(reused.text).toBe(anew.text);
    expect(setup.session.tokens).toEqual(fresh.session.tokens);
  });

  it('computes one token when it holds the whole prompt already', async () => {
    const setup = setUp(historyScript);
    const first = await collect(
      setup.session.generate(bytes('again'), { ...greedy, maxTokens: 3 }),
    );
    setup.model.calls.length = 0;
    const second = await collect(
      setup.session.generate(bytes('again'), { ...greedy, maxTokens: 3 }),
    );
    expect(setup.model.calls[0]).toMatchObject({ position: 4, tokens: bytes('n') });
    expect(second.text).toBe(first.text);
  });

  it('keeps to the token limit', async () => {
    const setup = answering('x', 'endless');
    for (const maxTokens of [1, 3]) {
      const run = await collect(setup.session.generate(bytes('x'), { ...greedy, maxTokens }));
      expect([run.text, run.done.reason]).toEqual(['endless'.slice(0, maxTokens), 'length']);
    }
    const none = await collect(setup.session.generate(bytes('x'), { ...greedy, maxTokens: 0 }));
    expect([none.text, none.done.reason, none.done.stats.answerTokens]).toEqual(['', 'length', 0]);
  });

  it('ends at a stop string without showing any of it', async () => {
    const setup = answering('q', 'one\nUser: two');
    const { events, text, done } = await collect(
      setup.session.generate(bytes('q'), { ...greedy, stop: ['\nUser:'] }),
    );
    expect([text, done.reason]).toEqual(['one', 'stop']);
    expect(events.some((event) => event.type === 'token' && event.text.includes('\n'))).toBe(false);
  });

  it('gives out held-back text when no stop string came of it', async () => {
    const options = { ...greedy, stop: ['\nUser:'] };
    const ended = answering('q', 'one\nUs<|end|>');
    expect((await collect(ended.session.generate(bytes('q'), options))).text).toBe('one\nUs');
    const limited = answering('q', 'one\nUs er');
    const run = await collect(limited.session.generate(bytes('q'), { ...options, maxTokens: 5 }));
    expect(run.text).toBe('one\nU');
  });

  it('stops at further stop tokens and goes past ends of generation when told to', async () => {
    const stopped = answering('q', 'ab!cd');
    const stopTokens = new Set(bytes('!'));
    const run = await collect(stopped.session.generate(bytes('q'), { ...greedy, stopTokens }));
    expect([run.text, run.done.reason]).toEqual(['ab', 'stop']);

    const on = answering('q', 'ab<|end|>cd');
    const options = { ...greedy, ignoreEndOfGeneration: true, maxTokens: 5 };
    expect((await collect(on.session.generate(bytes('q'), options))).text).toBe('abcd');
  });

  it('reports when the answer reaches the end of the context', async () => {
    const setup = answering('1234', 'abcdefgh', { capacity: 6 });
    const { text, done } = await collect(setup.session.generate(bytes('1234'), greedy));
    expect([text, done.reason]).toEqual(['abc', 'context']);
    expect(setup.session.tokens).toEqual(bytes('1234ab'));
    expectConsistent(setup);
  });

  it('takes a prompt that fills the context exactly and refuses one token more, losing nothing', async () => {
    const setup = answering('123456', 'a', { capacity: 6 });
    const full = await collect(setup.session.generate(bytes('123456'), greedy));
    expect([full.text, full.done.reason]).toEqual(['a', 'context']);
    await expect(collect(setup.session.generate(bytes('1234567'), greedy))).rejects.toMatchObject({
      code: 'engine/context-overflow',
      details: { tokens: 7, capacity: 6 },
    });
    expect(setup.session.tokens).toEqual(bytes('123456'));
    expectConsistent(setup);
  });

  it('refuses an empty prompt', async () => {
    const setup = setUp(historyScript);
    await expect(collect(setup.session.generate([], greedy))).rejects.toMatchObject({
      code: 'invalid-argument',
    });
    expectConsistent(setup);
  });

  it('asks for the precision before every step', async () => {
    let precision: 8 | 4 = 8;
    const setup = answering('q', 'abcd<|end|>', { precision: () => precision });
    for await (const event of setup.session.generate(bytes('q'), greedy)) {
      if (event.type === 'token' && event.text === 'b') precision = 4;
    }
    expect(setup.model.calls.map((call) => call.precision)).toEqual([8, 8, 4, 4, 4]);
  });

  it('stops within one step when the signal fires while it writes', async () => {
    const setup = setUp(historyScript);
    const controller = new AbortController();
    setup.model.onForward = ({ position }) => {
      if (position === 4) controller.abort();
    };
    const run = await collect(
      setup.session.generate(bytes('go'), { ...greedy, signal: controller.signal }),
    );
    expect(run.done.reason).toBe('aborted');
    expect(run.done.stats.answerTokens).toBe(3);
    expect(setup.session.tokens.length).toBe(4);
    expectConsistent(setup);
  });

  it('hears a stop sent as a message by another task', async () => {
    const setup = setUp(() => new Float32Array(byteVocabularySize), { capacity: 100_000 });
    const controller = new AbortController();
    setTimeout(() => {
      controller.abort();
    }, 0);
    const run = await collect(
      setup.session.generate(bytes('go'), { ...greedy, signal: controller.signal }),
    );
    expect(run.done.reason).toBe('aborted');
    expectConsistent(setup);
  });

  it('stops in the middle of a prompt and goes on from there', async () => {
    const setup = setUp(historyScript, { sliceTokens: 4 });
    const controller = new AbortController();
    setup.model.onForward = ({ position }) => {
      if (position === 4) controller.abort();
    };
    const prompt = bytes('a longer prompt');
    const run = await collect(
      setup.session.generate(prompt, { ...greedy, signal: controller.signal }),
    );
    expect(run.done).toMatchObject({ reason: 'aborted', text: '' });
    expect(setup.session.tokens).toEqual(prompt.slice(0, 4));
    expectConsistent(setup);

    setup.model.onForward = () => undefined;
    const again = await collect(setup.session.generate(prompt, { ...greedy, maxTokens: 5 }));
    const fresh = setUp(historyScript);
    const anew = await collect(fresh.session.generate(prompt, { ...greedy, maxTokens: 5 }));
    expect(again.text).toBe(anew.text);
    expect(again.done.stats.reusedTokens).toBe(4);
  });

  it('is consistent after the model failed, and passes the failure on', async () => {
    const setup = setUp(historyScript, { sliceTokens: 4 });
    const failure = new AppError('engine/out-of-memory', 'full');
    setup.model.onForward = ({ position }) => {
      if (position === 4) throw failure;
    };
    const events = setup.session.generate(bytes('a longer prompt'), greedy);
    await expect(collect(events)).rejects.toBe(failure);
    expect(setup.session.tokens.length).toBe(4);
    expectConsistent(setup);
  });

  it('says that the model is broken when its logits are no numbers', async () => {
    const setup = setUp(() => new Float32Array(byteVocabularySize).fill(NaN));
    await expect(collect(setup.session.generate(bytes('x'), greedy))).rejects.toMatchObject({
      code: 'model-file/invalid-numbers',
    });
    expectConsistent(setup);
  });

  it('ends when its consumer leaves', async () => {
    const setup = setUp(historyScript);
    for await (const event of setup.session.generate(bytes('go'), greedy)) {
      if (event.type === 'token') break;
    }
    expectConsistent(setup);
    const calls = setup.model.calls.length;
    await collect(setup.session.generate(bytes('go'), { ...greedy, maxTokens: 1 }));
    expect(setup.model.calls.length).toBe(calls + 1);
  });

  it('does one thing at a time', async () => {
    const setup = setUp(historyScript);
    const events = setup.session.generate(bytes('go'), greedy);
    await events.next();
    const second = setup.session.generate(bytes('no'), greedy);
    await expect(second.next()).rejects.toMatchObject({ code: 'engine/busy' });
    await expect(setup.session.prefill(bytes('no'))).rejects.toMatchObject({ code: 'engine/busy' });
    expect(() => {
      setup.session.rewind(0);
    }).toThrow(expect.objectContaining({ code: 'engine/busy' }) as AppError);
    await events.return();
    expectConsistent(setup);
  });

  it('reports log-probabilities of the model, whatever the penalties do', async () => {
    const setup = setUp(historyScript);
    const prompt = bytes('abc');
    const logits = historyScript(prompt);
    const likeliest = logits.indexOf(Math.max(...logits));
    const penalties = {
      repetitionPenalty: 1,
      repetitionWindow: 0,
      frequencyPenalty: 0,
      presencePenalty: 0,
      logitBias: new Map([[likeliest, -100]]),
    };
    const options = { ...greedy, penalties, maxTokens: 1, topLogprobs: 3 };
    const { events } = await collect(setup.session.generate(prompt, options));
    const token = events.find((event) => event.type === 'token');
    if (token?.type !== 'token') throw new Error('no token');
    const normalizer = logSumExp(logits);
    expect(token.token).not.toBe(likeliest);
    expect(token.logprob).toBeCloseTo(logits[token.token]! - normalizer, 10);
    expect(token.topLogprobs?.length).toBe(3);
    expect(token.topLogprobs?.[0]).toEqual({
      token: likeliest,
      logprob: logits[likeliest]! - normalizer,
    });
  });

  it('measures with the clock it was given, without the time of its consumer', async () => {
    let time = 0;
    const setup = answering('abcd', 'xyz<|end|>', { now: () => time, sliceTokens: 2 });
    setup.model.onForward = ({ tokens }) => {
      time += tokens.length === 1 ? 10 : 100;
    };
    let stats: DoneEvent['stats'] | null = null;
    for await (const event of setup.session.generate(bytes('abcd'), greedy)) {
      if (event.type === 'token') time += 5000;
      if (event.type === 'done') stats = event.stats;
    }
    expect(stats).toEqual({
      promptTokens: 4,
      reusedTokens: 0,
      answerTokens: 3,
      timeToFirstTokenMs: 200,
      prefillTokensPerSecond: 20,
      decodeTokensPerSecond: 100,
      guessedTokens: 0,
      acceptedTokens: 0,
      execution: {
        promptWeightBytes: 2000,
        answerWeightBytes: 3000,
        stretches: [
          {
            firstToken: 1,
            tokens: 3,
            backend: 'reference',
            threads: 1,
            precision: 8,
            kvType: 'f32',
            weightBytesPerToken: 1000,
            milliseconds: 30,
          },
        ],
      },
    });
  });
});

describe('tokens computed ahead', () => {
  const poem = 'the rain in spain stays mainly in the plain; ';
  const prompt = `${poem}again: `;
  const answer = `${poem}${poem}and so on<|end|>`;

  /** A clock by which a step of many tokens takes as long as one of one. */
  function timed(
    script: Script,
    change: Partial<SessionOptions> & { capacity?: number } = {},
  ): Setup {
    let time = 0;
    const setup = setUp(script, { ...change, now: () => time });
    setup.model.onForward = () => {
      time += 10;
    };
    return setup;
  }
  const reciting = (change?: Parameters<typeof timed>[1]): Setup =>
    timed(scriptAnswer(byteVocabularySize, bytes(prompt).length, bytes(answer)), change);
  const answerSteps = ({ model }: Setup): number =>
    model.calls.filter(({ position }) => position >= bytes(prompt).length).length;

  it('take fewer steps for a text that repeats what it read', async () => {
    const setup = reciting();
    const { text, done } = await collect(setup.session.generate(bytes(prompt), greedy));
    expect(text).toBe(answer.replace('<|end|>', ''));
    const { answerTokens, guessedTokens, acceptedTokens } = done.stats;
    expect(acceptedTokens).toBeGreaterThan(answerTokens / 2);
    expect(guessedTokens).toBeGreaterThanOrEqual(acceptedTokens);
    expect(answerSteps(setup)).toBe(answerTokens - acceptedTokens);
    expect(setup.session.tokens).toEqual(bytes(prompt + text));
    expect(setup.state.history).toEqual(bytes(prompt + text));
  });

  it('can be left out', async () => {
    const setup = reciting();
    const options = { ...greedy, speculate: false };
    const { done } = await collect(setup.session.generate(bytes(prompt), options));
    expect(done.stats).toMatchObject({ guessedTokens: 0, acceptedTokens: 0 });
    expect(answerSteps(setup)).toBe(done.stats.answerTokens);
  });

  it('can be forbidden and allowed again between two tokens', async () => {
    let allowed = true;
    const setup = reciting({ speculates: () => allowed });
    const steps: number[] = [];
    let written = 0;
    for await (const event of setup.session.generate(bytes(prompt), greedy)) {
      if (event.type !== 'token') continue;
      written++;
      allowed = written <= 40 || written > 80;
      if ([60, 80].includes(written)) steps.push(answerSteps(setup));
    }
    const [before = 0, after = 0] = steps;
    expect(after - before).toBe(20);
    expect(answerSteps(setup)).toBeLessThan(written - 20);
  });

  it('are none for a text that repeats nothing', async () => {
    const setup = timed(historyScript);
    const options = { ...greedy, maxTokens: 60 };
    const { done } = await collect(setup.session.generate(bytes(prompt), options));
    expect(done.stats.guessedTokens).toBe(0);
  });

  /** Repeats itself, but with a will of its own at every ninth token. */
  const wilful: Script = (history) => {
    const logits = historyScript(history);
    const repeated = history[history.length - bytes(poem).length];
    if (repeated !== undefined && history.length % 9 !== 0) logits[repeated] = 14;
    return logits;
  };
  const mixtures: readonly (readonly [string, GenerateOptions])[] = [
    ['the likeliest tokens', greedy],
    ['a drawn text', { sampling: { ...greedySampling, temperature: 1.3, seed: 7 } }],
    [
      'a drawn text with cuts',
      { sampling: { temperature: 0.9, topK: 20, topP: 0.9, minP: 0.01, seed: 3 } },
    ],
    [
      'a text with penalties',
      {
        sampling: { ...greedySampling, temperature: 0.8, seed: 5 },
        penalties: {
          repetitionPenalty: 1.2,
          repetitionWindow: 32,
          frequencyPenalty: 0.1,
          presencePenalty: 0.1,
          logitBias: new Map([[40, 2]]),
        },
      },
    ],
    ['a text up to a word', { ...greedy, stop: ['plain'] }],
    ['a text of a given length', { ...greedy, maxTokens: 37 }],
    ['log-probabilities', { ...greedy, topLogprobs: 2 }],
  ];

  it.each(mixtures)('change nothing about %s', async (_name, options) => {
    const run = (speculate: boolean) => {
      const setup = timed(wilful, { capacity: 200 });
      const all = { maxTokens: 120, ...options, speculate };
      return collect(setup.session.generate(bytes(poem + poem), all)).then((result) => ({
        ...result,
        held: setup.session.tokens,
        history: setup.state.history,
      }));
    };
    const [ahead, single] = [await run(true), await run(false)];
    const told = (event: GenerationEvent) => (event.type === 'done' ? event.reason : event);
    expect(ahead.events.map(told)).toEqual(single.events.map(told));
    expect(ahead.text).toBe(single.text);
    expect(ahead.held).toEqual(single.held);
    expect(ahead.history).toEqual(single.history);
    expect(ahead.done.stats.guessedTokens).toBeGreaterThan(0);
  });

  it.each(mixtures)('and a cut anywhere change nothing about %s', async (_name, options) => {
    const all = { maxTokens: 120, ...options };
    const whole = await collect(
      timed(wilful, { capacity: 200 }).session.generate(bytes(poem + poem), all),
    );
    const tokens = whole.events.flatMap((event) => (event.type === 'token' ? [event.token] : []));
    expect(tokens.length).toBeGreaterThan(20);
    for (const cut of [1, 17, tokens.length - 1, tokens.length]) {
      const { session } = timed(wilful, { capacity: 200 });
      const written = tokens.slice(0, cut);
      const again = await collect(session.generate(bytes(poem + poem), { ...all, written }));
      const ids = again.events.flatMap((event) => (event.type === 'token' ? [event.token] : []));
      expect(ids).toEqual(tokens);
      expect(again.text).toBe(whole.text);
      expect(again.done.reason).toBe(whole.done.reason);
    }
  });

  it('of another vocabulary are refused', async () => {
    const { session } = timed(wilful, { capacity: 200 });
    const written = [byteVocabularySize];
    await expect(
      collect(session.generate(bytes(poem), { ...greedy, written })),
    ).rejects.toMatchObject({ code: 'invalid-argument' });
  });

  it('change nothing about a text that must follow a schema', async () => {
    const schema = {
      type: 'array',
      items: { enum: ['strawberry', 'blueberry'] },
      minItems: 6,
      maxItems: 6,
    };
    const run = async (speculate: boolean) => {
      const { session } = timed(historyScript);
      const grammar = new GrammarConstraint([{ before: '', schema, after: '' }], tokenizer);
      return collect(session.generate(bytes('fruit: '), { ...greedy, grammar, speculate }));
    };
    const [ahead, single] = [await run(true), await run(false)];
    expect(ahead.text).toBe(single.text);
    expect(JSON.parse(ahead.text)).toHaveLength(6);
    expect(ahead.done.reason).toBe(single.done.reason);
    expect(ahead.done.stats.acceptedTokens).toBeGreaterThan(0);
  });

  it('never go beyond the context', async () => {
    for (const capacity of [70, 71, 72, 73, 74, 75, 76]) {
      const setup = reciting({ capacity });
      const { text, done } = await collect(setup.session.generate(bytes(prompt), greedy));
      expect(done.reason).toBe('context');
      expect(text).toBe(answer.slice(0, capacity - bytes(prompt).length + 1));
    }
  });

  it('leave a state that goes on where the reader left', async () => {
    const setup = reciting();
    for await (const event of setup.session.generate(bytes(prompt), greedy)) {
      if (event.type === 'token' && setup.session.tokens.length > bytes(prompt).length + 30) break;
    }
    expect(setup.state.history).toEqual(setup.session.tokens);
    const { text } = await collect(setup.session.generate(bytes(prompt), greedy));
    expect(text).toBe(answer.replace('<|end|>', ''));
  });
});

describe('Session.prefill, rewind and dispose', () => {
  it('makes the state hold exactly the tokens given', async () => {
    const setup = setUp(historyScript, { sliceTokens: 4 });
    const progress: number[] = [];
    const onProgress = (done: number): void => {
      progress.push(done);
    };
    expect(await setup.session.prefill(bytes('one two three'), { onProgress })).toEqual({
      reusedTokens: 0,
    });
    expect(progress).toEqual([4, 8, 12, 13]);
    expect(await setup.session.prefill(bytes('one two'))).toEqual({ reusedTokens: 7 });
    expect(setup.session.tokens).toEqual(bytes('one two'));
    expect(setup.model.calls.every((call) => call.want === 'none')).toBe(true);
    expectConsistent(setup);
  });

  it('goes back, and only to where it has been', async () => {
    const setup = setUp(historyScript);
    await setup.session.prefill(bytes('abcdef'));
    setup.session.rewind(2);
    expect(setup.session.tokens).toEqual(bytes('ab'));
    expectConsistent(setup);
    for (const length of [3, -1, 0.5]) {
      expect(() => {
        setup.session.rewind(length);
      }).toThrow(expect.objectContaining({ code: 'invalid-argument' }) as AppError);
    }
  });

  it('rejects on abort and stays consistent', async () => {
    const setup = setUp(historyScript, { sliceTokens: 4 });
    const controller = new AbortController();
    const onProgress = (): void => {
      controller.abort();
    };
    await expect(
      setup.session.prefill(bytes('abcdefgh'), { signal: controller.signal, onProgress }),
    ).rejects.toMatchObject({ code: 'aborted' });
    expect(setup.session.tokens).toEqual(bytes('abcd'));
    expectConsistent(setup);
  });

  it('gives its state back once and then works no more', async () => {
    const setup = setUp(historyScript);
    setup.session.dispose();
    setup.session.dispose();
    expect(setup.state.disposed).toBe(true);
    await expect(setup.session.prefill(bytes('x'))).rejects.toMatchObject({
      code: 'engine/not-loaded',
    });
  });
});

describe('Session.scoreTokens', () => {
  it('gives the log-probability of each token after those before it', async () => {
    const setup = setUp(historyScript, { sliceTokens: 3 });
    const tokens = bytes('score me');
    const scores = await setup.session.scoreTokens(tokens, 2);
    expect(scores.map((score) => score.token)).toEqual(tokens);
    expect(scores[0]?.logprob).toBeNull();
    for (let i = 1; i < tokens.length; i++) {
      const logits = historyScript(tokens.slice(0, i));
      expect(scores[i]?.logprob).toBeCloseTo(logits[tokens[i]!]! - logSumExp(logits), 10);
      expect(scores[i]?.topLogprobs.length).toBe(2);
    }
    expect(setup.session.tokens).toEqual(tokens);
    expectConsistent(setup);
    expect(await setup.session.scoreTokens([], 0)).toEqual([]);
  });
});

describe('sliceTokensFor', () => {
  it('takes fewer tokens of larger models, within what the model allows', () => {
    expect(sliceTokensFor(260_000, 512)).toBe(512);
    expect(sliceTokensFor(135e6, 512)).toBe(222);
    expect(sliceTokensFor(8e9, 512)).toBe(16);
    expect(sliceTokensFor(8e9, 4)).toBe(4);
  });
});

describe('marked tokens', () => {
  const marked = new Map([[7, '<call>']]);

  it('are shown with their mark, which text cannot forge', async () => {
    const script = scriptAnswer(byteVocabularySize, 1, [
      ...bytes(`a${tokenMark}`),
      0xe2,
      7,
      ...bytes('b'),
      endToken,
    ]);
    const { session } = setUp(script);
    const { text } = await collect(
      session.generate(bytes('?'), { ...greedy, markedTokens: marked }),
    );
    expect(text).toBe(`a\uFFFD\uFFFD${tokenMark}<call>b`);
  });

  it('leave answers alone that have none', async () => {
    const { session } = answering('?', `a${tokenMark}<|end|>`);
    const { text } = await collect(session.generate(bytes('?'), greedy));
    expect(text).toBe(`a${tokenMark}`);
  });
});

describe('a grammar', () => {
  it('bounds an answer and ends it, whatever the model prefers', async () => {
    const words = new WordTokenizer(['{"', '": ', '"}', 'true', 'false']);
    const { vocabularySize } = words;
    const script: Script = (history) =>
      Float32Array.from({ length: vocabularySize }, (_value, id) =>
        Math.sin(id * 12.9898 + history.length * 78.233),
      );
    const model = new ScriptedModel({ vocabularySize, script });
    const state = model.createState({ capacity: 256, kvType: 'f32' });
    const session = new Session({ model, tokenizer: words, state, precision: () => 8 });
    const schema = { properties: { yes: { type: 'boolean' } }, required: ['yes'] };
    const grammar = new GrammarConstraint([{ before: '', schema, after: '' }], words);
    const { text, done } = await collect(
      session.generate([1], { ...greedy, grammar, topLogprobs: 0 }),
    );
    expect(['true', 'false']).toContain(String((JSON.parse(text) as { yes: unknown }).yes));
    expect(done.reason).toBe('stop');
  });
});

describe('a model that finds candidates', () => {
  const write = async (
    model: ScriptedModel,
    options: Partial<GenerateOptions>,
  ): Promise<readonly number[]> => {
    const state = model.createState({ capacity: 256, kvType: 'f32' });
    const session = new Session({ model, tokenizer, state, precision: () => 8 });
    const { events } = await collect(
      session.generate(bytes('Once'), { ...greedy, maxTokens: 30, ...options }),
    );
    return events.flatMap((event) => (event.type === 'token' ? [event.token] : []));
  };
  const settings = { vocabularySize: byteVocabularySize, script: historyScript };
  const sampling = { temperature: 0.8, topK: 40, topP: 0.9, minP: 0.05, seed: 3 };

  it.each([greedySampling, sampling, { ...sampling, topP: 1, minP: 0 }])(
    'chooses the same tokens of candidates as of all logits: %o',
    async (choice) => {
      const model = new CandidateModel(settings);
      const tokens = await write(model, { sampling: choice });
      expect(tokens).toHaveLength(30);
      expect(tokens).toEqual(await write(new ScriptedModel(settings), { sampling: choice }));
      // the first token is chosen of the prompt's logits
      expect(model.asked).toBe(29);
    },
  );

  it.each([
    { sampling: { ...sampling, topK: 65 } },
    { sampling: { ...sampling, topK: 0 } },
    { topLogprobs: 2 },
    { penalties: { ...noPenalties, repetitionPenalty: 1.1 } },
  ])('is asked for all logits where those count: %o', async (options) => {
    const model = new CandidateModel(settings);
    expect(await write(model, options)).toHaveLength(30);
    expect(model.asked).toBe(0);
  });
});
