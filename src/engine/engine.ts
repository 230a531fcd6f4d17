/**
 * The engine as its worker offers it: one loaded model, its tokenizer, and one conversation state.
 *
 * It knows no browser: bytes come from a `ByteSource`, computing from backends that a `BackendFactory`
 * makes. Loading replaces the model before; a load that fails or is stopped leaves none loaded and
 * all memory given back.
 */
import type { ByteSource } from '../common/byte-source.ts';
import { AppError } from '../common/errors.ts';
import type { Backend, KernelReport, KvType, ThreadChoice } from './backend/backend.ts';
import type { BackendChoice, ComputeKind, Measurement } from './backend-choice.ts';
import { Execution, StoreMeter } from './execution.ts';
import { checkPlan, fullPlan, type ExecutionPlan, type ExecutionStatus } from './execution-plan.ts';
import type { GgufFile } from './formats/gguf/gguf-file.ts';
import { GrammarConstraint } from './generation/grammar/grammar-constraint.ts';
import type { GrammarSpec } from './generation/grammar/json-schema.ts';
import { noPenalties, type PenaltyOptions } from './generation/logits-processors.ts';
import type { TokenLogprob } from './generation/logprobs.ts';
import type { SamplingOptions } from './generation/sampler.ts';
import { SegmentCache, type SegmentStore } from './generation/segment-cache.ts';
import {
  Session,
  type DoneEvent,
  type PrefillEvent,
  type TokenEvent,
} from './generation/session.ts';
import { ModelHost, type BackendFactory, type MoveCause } from './model-host.ts';
import type { LanguageModel, LanguageModelInfo } from './models/language-model.ts';
import { defineLanguageModel } from './models/registry.ts';
import { profileSteps, type StepProfile } from './step-profile.ts';
import { createTokenizer } from './tokenizer/create-tokenizer.ts';
import type { Tokenizer } from './tokenizer/tokenizer.ts';
import { noticeableLoss } from './weights/four-bit-loss.ts';
import type { PrecisionChoice } from './weights/storage-policy.ts';
import { loadModel } from './weights/weight-loader.ts';

export interface EngineLoadOptions {
  readonly precision: PrecisionChoice;
  /** Positions wanted; at most what the model was trained for is given. */
  readonly contextLength: number;
  readonly kvType?: KvType;
  /** Threads of the processor to compute with; what measuring finds best when absent. */
  readonly threads?: ThreadChoice;
  /** Memory the model may use in all; unlimited when absent. */
  readonly budgetBytes?: number;
  /** What to compute on: measured for this model when `auto`, which it is unless given. */
  readonly backend?: 'auto' | ComputeKind;
  /** What was measured before on this device with this version of Hermit. */
  readonly measurements?: readonly Measurement[];
}

/** Opens the model's bytes again, when it has to be loaded a second time. */
export type Reopen = () => Promise<ByteSource & { close(): void }>;

export interface LoadedModel {
  readonly info: LanguageModelInfo;
  /** Positions of the conversation's state. */
  readonly contextLength: number;
  /** One line about what computes, for people. */
  readonly backend: string;
  /** Most threads of the processor that compute it; null where the graphics card does. */
  readonly mostThreads: number | null;
  /** Why that and nothing else computes. */
  readonly choice: BackendChoice;
  /** What was found out about its kernels on this device. */
  readonly kernels: KernelReport | null;
  readonly memoryBytes: number;
  /** Those of them that the conversation's state takes: `contextLength` positions. */
  readonly cacheBytes: number;
  /** Jinja source from the file, null where it has none. */
  readonly chatTemplate: string | null;
  /** Spellings for the template's `bos_token` and `eos_token`; '' where there is none. */
  readonly bosToken: string;
  readonly eosToken: string;
  /** Every control spelling of the vocabulary: what user text must not become. */
  readonly specialSpellings: readonly string[];
  readonly notices: readonly ('unknown-pre-tokenizer' | 'four-bit-loss')[];
}

export type EnginePrompt =
  | {
      readonly kind: 'text';
      readonly text: string;
      /** Whether spellings of special tokens become those tokens; text of users must be shielded then. */
      readonly special: boolean;
    }
  | { readonly kind: 'tokens'; readonly tokens: readonly number[] };

export interface GenerationRequest {
  readonly prompt: EnginePrompt;
  readonly sampling: SamplingOptions;
  readonly penalties?: Partial<PenaltyOptions>;
  readonly maxTokens: number;
  readonly stop: readonly string[];
  /** Alternatives to report beside each token's log-probability; absent: report none. */
  readonly topLogprobs?: number;
  /** The text is read as going on where the prompt ended, not as an answer of its own. */
  readonly continuation?: boolean;
  /** Spellings of special tokens that the text shows, each behind a `tokenMark`; others are ignored. */
  readonly markedTokens?: readonly string[];
  /** What the answer must be. */
  readonly grammar?: GrammarSpec;
  /** Whether tokens may be computed on the guess that they come next; they may unless false. */
  readonly speculate?: boolean;
  /** Of whose text may be kept what the model has read; absent: nothing is kept. */
  readonly conversation?: string;
  /** Tokens of this answer from before it was cut off; see `GenerateOptions` of the session. */
  readonly written?: readonly number[];
}

/** Where the engine keeps what models have read, and the version of what computes it. */
export interface KeepsSegments {
  readonly store: SegmentStore;
  readonly version: string;
}

/** A token with its text, exact bytes and log-probability. */
export interface TokenReport {
  readonly token: number;
  readonly text: string;
  readonly bytes: readonly number[];
  /** Null for the first token of a text. */
  readonly logprob: number | null;
  readonly top: readonly {
    readonly token: number;
    readonly text: string;
    readonly bytes: readonly number[];
    readonly logprob: number;
  }[];
}

/** Another device computes from now on, in the middle of an answer too, which goes on. */
export interface MovedEvent {
  readonly type: 'moved';
  readonly cause: MoveCause;
  /** What computes now, as in `LoadedModel`. */
  readonly backend: string;
  readonly choice: BackendChoice;
}

export type EngineEvent =
  | PrefillEvent
  | DoneEvent
  | MovedEvent
  | (Pick<TokenEvent, 'type' | 'token' | 'text'> & { readonly report?: TokenReport });

interface Loaded {
  readonly host: ModelHost;
  readonly tokenizer: Tokenizer;
  readonly session: Session;
  readonly execution: Execution;
  /** Null where nothing is kept. */
  readonly segments: SegmentCache | null;
}

export class Engine {
  readonly #factory: BackendFactory;
  readonly #keeps: KeepsSegments | undefined;
  #loaded: Loaded | null = null;
  #kept = Promise.resolve();
  /** Moves to another device that `generate` has not told of yet. */
  #moved: MovedEvent[] = [];

  constructor(factory: BackendFactory, keeps?: KeepsSegments) {
    this.#factory = factory;
    this.#keeps = keeps;
  }

  /**
   * @param reopen absent: a model whose graphics card fails cannot be loaded again
   * @throws AppError `model-file/*` for files that cannot be used, `engine/out-of-memory`,
   * `store/damaged` and what else the source throws, `aborted`
   */
  async load(
    source: ByteSource,
    file: GgufFile,
    options: EngineLoadOptions,
    onProgress: (bytesDone: number, bytesTotal: number) => void,
    signal: AbortSignal,
    reopen?: Reopen,
  ): Promise<LoadedModel> {
    this.unload();
    // An architecture that cannot be run is the reason to name, not what its vocabulary lacks besides.
    defineLanguageModel(file);
    const tokenizer = createTokenizer(file.metadata);
    const kvType = options.kvType ?? 'f16';
    const { contextLength, budgetBytes, precision } = options;
    const { threads } = options;
    const meter = new StoreMeter();
    const fill = (backend: Backend, from: ByteSource, until: AbortSignal) => {
      if (threads !== undefined) backend.setThreads?.(threads);
      return loadModel({
        source: meter.metered(from),
        file,
        backend,
        precision,
        contextLength,
        kvType,
        budgetBytes,
        signal: until,
        onProgress,
      });
    };
    let load = (backend: Backend): Promise<LanguageModel> => fill(backend, source, signal);
    const host = await ModelHost.load({
      factory: this.#factory,
      wanted: options.backend ?? 'auto',
      precision,
      load: (backend) => load(backend),
      known: options.measurements ?? [],
      onMoved: (choice, cause) => {
        this.#moved.push({ type: 'moved', cause, backend: host.backend.description, choice });
      },
      signal,
    });
    load = (backend) => reloaded(backend, reopen, fill);
    try {
      const { model } = host;
      const capacity = Math.min(contextLength, model.info.trainedContext);
      const state = model.createState({ capacity, kvType });
      const bits = options.precision === 4 ? 4 : 8;
      const plan = { ...fullPlan, precision: bits, threads: threads ?? 'auto' } as const;
      const execution = new Execution(
        { host, state, busy: () => session.busy, meter, reopen },
        plan,
      );
      const session: Session = new Session({
        model,
        tokenizer,
        state,
        precision: () => execution.precision(),
        batchTokens: () => execution.batchTokens(),
        speculates: () => execution.speculates(),
        beforeStep: (phase) => execution.settle(phase),
        betweenTokens: (until) => execution.rest(until),
        onStep: (report, phase) => {
          execution.note(report, phase);
        },
      });
      const segments = this.#segmentCache(session, source);
      this.#loaded = { host, tokenizer, session, execution, segments };
      return describe(this.#loaded, file);
    } catch (error) {
      host.dispose();
      throw error;
    }
  }

  unload(): void {
    if (this.#loaded === null) return;
    const { session, host, execution } = this.#loaded;
    this.#loaded = null;
    this.#moved = [];
    execution.dispose();
    session.dispose();
    host.dispose();
  }

  /**
   * Computes as the plan says from the next token on, in the middle of an answer too.
   * @throws AppError `invalid-argument`, `engine/not-loaded`
   */
  applyPlan(plan: ExecutionPlan): void {
    checkPlan(plan);
    this.#need().execution.apply(plan);
  }

  /**
   * What of the plan is in force, and what computing has cost.
   * @throws AppError `engine/not-loaded`
   */
  execution(): ExecutionStatus {
    return this.#need().execution.status();
  }

  /**
   * What the parts of a token take, with the model as it computes now.
   * @throws AppError `engine/not-loaded`, `engine/busy`, `engine/out-of-memory`, `engine/device-lost`
   */
  async profile(): Promise<StepProfile> {
    const { session, host, execution } = this.#need();
    if (session.busy)
      throw new AppError('engine/busy', 'The model is at work. Measure afterwards.');
    return profileSteps(host.model.active, host.backend, execution.precision());
  }

  /** Reads the prompt and writes what follows it; see `Session.generate`. */
  async *generate(request: GenerationRequest, signal: AbortSignal): AsyncIterable<EngineEvent> {
    const { session, tokenizer, segments } = this.#need();
    const { topLogprobs, grammar, conversation } = request;
    const [startedAt, since] = [performance.now(), Date.now()];
    const prompt = promptTokens(tokenizer, request.prompt);
    const written = request.written ?? [];
    if (conversation !== undefined) await segments?.restore([...prompt, ...written], signal);
    const events = session.generate(prompt, {
      startedAt,
      speculate: request.speculate ?? true,
      sampling: request.sampling,
      penalties: { ...noPenalties, ...request.penalties },
      maxTokens: request.maxTokens,
      stop: request.stop,
      continuation: request.continuation ?? false,
      markedTokens: markedTokens(tokenizer, request.markedTokens ?? []),
      written,
      signal,
      ...(topLogprobs === undefined ? {} : { topLogprobs }),
      ...(grammar === undefined ? {} : { grammar: new GrammarConstraint(grammar, tokenizer) }),
    });
    for await (const event of events) {
      yield* this.#moved.splice(0);
      if (event.type !== 'token') {
        yield event;
        continue;
      }
      const { type, token, text, logprob } = event;
      yield logprob === undefined
        ? { type, token, text }
        : { type, token, text, report: report(tokenizer, token, logprob, event.topLogprobs ?? []) };
    }
    if (conversation !== undefined && segments !== null) {
      this.#kept = segments.keep({ conversation, since });
    }
  }

  /** Settles when what was read for the last answer is kept, or given up; requests need not wait. */
  get kept(): Promise<void> {
    return this.#kept;
  }

  /** The ids of a prompt, with the BOS that the vocabulary wants in front of every text. */
  promptTokens(prompt: EnginePrompt): number[] {
    return promptTokens(this.#need().tokenizer, prompt);
  }

  /** Log-probability of every token given those before it. */
  async score(tokens: readonly number[], topCount: number): Promise<TokenReport[]> {
    const { session, tokenizer } = this.#need();
    const scores = await session.scoreTokens(tokens, topCount);
    return scores.map(({ token, logprob, topLogprobs }) =>
      report(tokenizer, token, logprob, topLogprobs),
    );
  }

  tokenize(
    text: string,
    options: { readonly special: boolean; readonly boundary: boolean },
  ): number[] {
    return this.#need().tokenizer.encode(text, {
      special: options.special ? 'parse' : 'as-text',
      addBoundary: options.boundary,
    });
  }

  detokenize(tokens: readonly number[], options: { readonly special: boolean }): string {
    return this.#need().tokenizer.decode(tokens, { showSpecial: options.special });
  }

  #segmentCache(session: Session, { contentHash }: ByteSource): SegmentCache | null {
    if (this.#keeps === undefined || contentHash === undefined) return null;
    return new SegmentCache(this.#keeps.store, session, contentHash, this.#keeps.version);
  }

  #need(): Loaded {
    if (this.#loaded === null) {
      throw new AppError('engine/not-loaded', 'No model is loaded. Choose one first.');
    }
    return this.#loaded;
  }
}

function promptTokens(tokenizer: Tokenizer, prompt: EnginePrompt): number[] {
  if (prompt.kind === 'tokens') return [...prompt.tokens];
  const tokens = tokenizer.encode(prompt.text, { special: prompt.special ? 'parse' : 'as-text' });
  const { bos } = tokenizer.special;
  // Most chat templates write BOS themselves; a second one would be read as text of its own.
  if (tokenizer.addBos && bos !== null && tokens[0] !== bos) tokens.unshift(bos);
  return tokens;
}

/** By id; what is ordinary text in this vocabulary is left out. */
function markedTokens(
  tokenizer: Tokenizer,
  spellings: readonly string[],
): ReadonlyMap<number, string> {
  const special = new Set(tokenizer.specialSpellings);
  const marked = new Map<number, string>();
  for (const spelling of spellings) {
    const id = special.has(spelling) ? tokenizer.tokenId(spelling) : undefined;
    if (id !== undefined) marked.set(id, spelling);
  }
  return marked;
}

function report(
  tokenizer: Tokenizer,
  token: number,
  logprob: number | null,
  top: readonly TokenLogprob[],
): TokenReport {
  const spell = (id: number): { text: string; bytes: number[] } => {
    const bytes = [...tokenizer.tokenBytes(id)];
    const text = tokenizer.decode([id], { showSpecial: true, continuation: true });
    return { text, bytes };
  };
  return {
    token,
    ...spell(token),
    logprob,
    top: top.map((entry) => ({
      token: entry.token,
      ...spell(entry.token),
      logprob: entry.logprob,
    })),
  };
}

/** Loads from bytes opened anew: those of the first time were closed. */
async function reloaded(
  backend: Backend,
  reopen: Reopen | undefined,
  fill: (backend: Backend, source: ByteSource, until: AbortSignal) => Promise<LanguageModel>,
): Promise<LanguageModel> {
  if (reopen === undefined) {
    throw new AppError(
      'engine/not-loaded',
      'The graphics card lost the model. Load it again to go on.',
    );
  }
  const source = await reopen();
  try {
    return await fill(backend, source, new AbortController().signal);
  } finally {
    source.close();
  }
}

function describe({ host, session, tokenizer }: Loaded, file: GgufFile): LoadedModel {
  const { model, backend } = host;
  const spelling = (id: number | null): string => (id === null ? '' : tokenizer.tokenText(id));
  return {
    info: model.info,
    contextLength: session.capacity,
    backend: backend.description,
    mostThreads: backend.mostThreads ?? null,
    choice: host.choice,
    kernels: backend.kernels ?? null,
    memoryBytes: backend.memory().totalBytes,
    cacheBytes: backend.memory().cacheBytes,
    chatTemplate: file.metadata.findString('tokenizer.chat_template') ?? null,
    bosToken: spelling(tokenizer.special.bos),
    eosToken: spelling(tokenizer.special.eos),
    specialSpellings: tokenizer.specialSpellings,
    notices: [
      ...((tokenizer.warnings ?? []).length > 0 ? (['unknown-pre-tokenizer'] as const) : []),
      ...(model.info.fourBitLoss > noticeableLoss ? (['four-bit-loss'] as const) : []),
    ],
  };
}
