/**
 * What the user interface needs from the rest of Hermit.
 *
 * Components receive these services by `@lit/context` and know nothing of workers, engines or
 * databases behind them. `src/app/services.ts` implements them; component tests hand in small ones
 * of their own. All methods that return a promise reject with `AppError`.
 */
import type { ErrorCode, ErrorDetails } from '../common/errors.ts';
import type { Observable } from '../common/observable.ts';

/** A failure as shown to a person: the code picks the translated sentence, the message is the English one. */
export interface ErrorView {
  readonly code: ErrorCode;
  readonly message: string;
  readonly details: ErrorDetails;
}

// Models

/** Whether a model suits this device. */
export interface FitView {
  /** `tight`: with 4 bits, a shorter context or little room beside it. */
  readonly kind: 'fits' | 'tight' | 'exceeds';
  /** Memory with all bits and the context of the settings, and what there is, in bytes. */
  readonly neededBytes: number;
  readonly budgetBytes: number;
  /** Whether that was computed from the model's header; else estimated from its size. */
  readonly exact: boolean;
  /** `measured` on this device with models of its size, else what such devices are known for; null: nobody knows. */
  readonly speed: {
    readonly tokensPerSecond: number;
    readonly from: 'measured' | 'devices';
  } | null;
}

export interface ModelView {
  readonly id: string;
  readonly name: string;
  readonly fileName: string;
  /** Null while the server has not said. */
  readonly bytesTotal: number | null;
  /** Where it came from, for people: a host and path, a repository, "This device". */
  readonly sourceLabel: string;
  readonly sourceUrl: string | null;
  /** Of a model that was made on this device: from what, and how. */
  readonly madeFrom: { readonly name: string; readonly recipe: string } | null;
  readonly licence: string | null;
  readonly sha256: string | null;
  /** The files of a model in several files, in order; empty for all others. */
  readonly files: readonly {
    readonly fileName: string;
    readonly bytes: number | null;
    readonly sha256: string | null;
  }[];
  /** The guide that comes with Hermit. */
  readonly builtIn: boolean;
  /** `published-hash`: equals the publisher's checksum; `computed`: nobody published one, ours is shown. */
  readonly verified: 'published-hash' | 'computed' | 'no';
  readonly addedAt: number;
  readonly lastUsedAt: number | null;
  /** `embedding`: makes vectors for search and cannot answer; null until its header was read. */
  readonly purpose: 'chat' | 'embedding' | null;
  /** Null while nothing is known of it. */
  readonly fit: FitView | null;
  readonly state: ModelViewState;
}

export type ModelViewState =
  | {
      readonly kind: 'downloading';
      readonly bytesDone: number;
      readonly bytesPerSecond: number;
      readonly secondsLeft: number | null;
      /** False where the server has no ranges: pausing starts over. */
      readonly resumable: boolean;
      /** Set while waiting to try again, milliseconds since the epoch. */
      readonly retryAt: number | null;
    }
  | {
      readonly kind: 'paused';
      readonly bytesDone: number;
      readonly reason: 'user' | 'quota' | 'offline' | 'error' | 'interrupted';
      readonly error: ErrorView | null;
    }
  | { readonly kind: 'verifying'; readonly bytesDone: number }
  | { readonly kind: 'ready' }
  | { readonly kind: 'damaged' | 'failed'; readonly error: ErrorView }
  | { readonly kind: 'deleting' };

export interface CatalogModelView {
  readonly id: string;
  readonly name: string;
  readonly description: string;
  readonly parameters: string;
  readonly quantization: string;
  readonly bytes: number | null;
  /** Shown as "about" where `bytes` is null. */
  readonly approximateBytes: number;
  readonly memoryBytes: number | null;
  readonly contextLength: number;
  readonly licence: {
    readonly name: string;
    readonly url: string;
    readonly gated: boolean;
    /** What it forbids or demands, in short. */
    readonly useLimits?: string | null;
  };
  /** Forms of its chat and of its calls of tools; null where it has none. */
  readonly dialect?: { readonly chat: string | null; readonly tools: string | null };
  readonly languages: readonly string[];
  readonly repository: string;
  readonly repositoryUrl: string;
  /** False where the entry's facts were not checked against the publisher. */
  readonly checked: boolean;
  /** The library's id when it was added already. */
  readonly installedAs: string | null;
  readonly fit: FitView;
}

export type CatalogView =
  | { readonly kind: 'loading' }
  | { readonly kind: 'ready'; readonly models: readonly CatalogModelView[] }
  | { readonly kind: 'failed'; readonly error: ErrorView };

/** The model that answers. */
export type ActiveModelView =
  | { readonly kind: 'none' }
  | {
      readonly kind: 'loading';
      readonly id: string;
      readonly name: string;
      readonly fraction: number;
      /** Bytes that are being fetched again because they were damaged on disk; 0 otherwise. */
      readonly repairBytes: number;
    }
  | {
      readonly kind: 'ready';
      readonly id: string;
      readonly name: string;
      readonly architecture: string;
      readonly contextLength: number;
      /** For example "WASM relaxed SIMD, 1 thread". */
      readonly backend: string;
      /** Why that computes and nothing else. */
      readonly backendReason: BackendReasonView;
      readonly memoryBytes: number;
      /** Whether thinking before the answer can be switched off. */
      readonly thinkingSwitch: boolean;
      readonly notices: readonly NoticeCode[];
    }
  | {
      readonly kind: 'failed';
      readonly id: string;
      readonly name: string;
      readonly error: ErrorView;
    };

/** How a model may be made smaller: a known mixture of types, or a number of bits spent by measured error. */
export type RecipeView = string | { readonly bitsPerWeight: number };

/** What one way to make a model smaller would give. */
export interface SmallerModelView {
  readonly recipe: RecipeView;
  readonly sizeBytes: number;
  readonly bitsPerWeight: number;
  /** What the weights would be off by, relative to their size: measured, 0.05 is 5 %. */
  readonly expectedError: number;
  /** True where weights were rounded before, which cannot be undone. */
  readonly fromQuantised: boolean;
}

/** A model that is being made. */
export interface MakingView {
  readonly from: string;
  /** How it is made smaller; null where a folder becomes one file. */
  readonly recipe: string | null;
  readonly phase: 'calibrating' | 'measuring' | 'writing';
  /** Of the phase, 0 to 1. */
  readonly fraction: number;
  readonly secondsLeft: number | null;
}

export interface ModelsService {
  readonly models: Observable<readonly ModelView[]>;
  /** Null when none is being made. */
  readonly making: Observable<MakingView | null>;
  readonly catalog: Observable<CatalogView>;
  readonly active: Observable<ActiveModelView>;
  /** Puts a signed catalogue in the place of the one shown; one that is not sound changes nothing. */
  updateCatalog(file: Blob): Promise<void>;
  /** Each starts the download or import and resolves with the model's id once it is listed. */
  addFromCatalog(catalogId: string): Promise<string>;
  addFromUrl(url: string): Promise<string>;
  addFromFile(file: File, ...more: readonly File[]): Promise<string>;
  /** Files chosen together, sorted into models: one file each, or the files of one divided model. */
  modelsIn(files: readonly File[]): Promise<readonly (readonly File[])[]>;
  addFromFile(file: File): Promise<string>;
  /** Adds the tiny model that comes with Hermit and knows Hermit alone. */
  addGuide(): Promise<string>;
  pause(id: string): Promise<void>;
  resume(id: string): Promise<void>;
  /** Stops the download and gives its space back. */
  cancel(id: string): Promise<void>;
  remove(id: string): Promise<void>;
  verify(id: string): Promise<void>;
  /** A file of the hub at a commit; of a divided model its first. */
  addFromHub(repository: string, revision: string, file: string): Promise<string>;
  /** Asks the hub once; nothing is asked while a person types. */
  searchHub(query: string): Promise<readonly HubResultView[]>;
  openHubRepository(repository: string): Promise<HubRepositoryView>;
  /**
   * What the header of a model tells, without downloading it. Of a model elsewhere some hundred
   * kilobytes are fetched, more where its vocabulary is large.
   */
  inspect(target: InspectionTarget, signal: AbortSignal): Promise<InspectionView>;
  /** Loads the model and makes it the one that answers. */
  select(id: string): Promise<void>;
  /** What can be made of the model, from large to small; nothing where it is small already. */
  estimateSmaller(
    id: string,
    signal: AbortSignal,
    onProgress: (fraction: number) => void,
  ): Promise<readonly SmallerModelView[]>;
  /**
   * Makes one file of a model's folder in safetensors, and resolves with the model's id when it is
   * stored. It is called as the folder is, or `name`.
   */
  convertFolder(files: readonly (File | FolderFileView)[], name?: string): Promise<string>;
  /** The same from a repository of the hub, read as it is converted. */
  convertRepository(repository: string): Promise<string>;
  /**
   * Makes a smaller model and resolves with its id when it can be used. `calibration`: a text is run
   * through the model first, which needs the memory of using it.
   */
  makeSmaller(id: string, recipe: RecipeView, calibration: boolean): Promise<string>;
  /** Gives up what is being made; nothing of it is kept. */
  stopMaking(): void;
  /** The model's files, checked, to be saved. */
  exportFiles(id: string): Promise<readonly File[]>;
}

/** A file by its path in its folder, where the browser does not keep that with the file. */
export interface FolderFileView {
  readonly path: string;
  readonly file: File;
}

// The hub

export interface HubResultView {
  /** `owner/name` */
  readonly repository: string;
  readonly downloads: number | null;
  readonly likes: number | null;
  readonly gate: 'none' | 'auto' | 'manual';
  readonly licence: string | null;
  readonly architecture: string | null;
  readonly parameters: number | null;
}

export interface HubModelView {
  readonly file: string;
  readonly quantization: string | null;
  readonly bytes: number;
  readonly files: number;
  readonly hashed: boolean;
  /** An estimate from its size; its details compute it. */
  readonly fit: FitView;
  readonly installedAs: string | null;
}

export interface HubRepositoryView {
  readonly repository: string;
  readonly commit: string;
  readonly gate: 'none' | 'auto' | 'manual';
  readonly licence: string | null;
  readonly architecture: string | null;
  readonly parameters: number | null;
  readonly contextLength: number | null;
  /** The smallest first. */
  readonly models: readonly HubModelView[];
  /** The file proposed for this device; null where none fits. */
  readonly recommended: string | null;
  /** What a GGUF file can be made of; null where it is not all there. */
  readonly folder: {
    readonly bytes: number;
    readonly fit: HubModelView['fit'];
  } | null;
}

// Looking into models

/** A model to look into: of this device, the catalogue, an address, the hub, or files just chosen. */
export type InspectionTarget =
  | { readonly kind: 'installed'; readonly id: string }
  | { readonly kind: 'catalog'; readonly id: string }
  | { readonly kind: 'url'; readonly url: string }
  | {
      readonly kind: 'hub';
      readonly repository: string;
      readonly revision?: string;
      readonly file: string;
    }
  | { readonly kind: 'files'; readonly files: readonly File[] };

export interface InspectedEntryView {
  readonly key: string;
  readonly type: string;
  readonly text: string;
}

export interface InspectedTensorView {
  readonly name: string;
  readonly type: string;
  /** Fastest-varying first. */
  readonly shape: readonly number[];
  readonly elements: number;
  readonly bytes: number;
}

/** Memory in use once loaded, when this many bits are read of each weight. */
export interface InspectedMemoryView {
  readonly precision: 8 | 4;
  readonly weightBytes: number;
  readonly workBytes: number;
  readonly bytesPerPosition: number;
}

export interface InspectionView {
  readonly name: string | null;
  readonly architecture: string | null;
  readonly parameters: number;
  readonly quantization: string | null;
  readonly contextLength: number | null;
  readonly sizeBytes: number;
  readonly headerBytes: number;
  readonly parts: number;
  readonly version: number;
  readonly licence: string | null;
  readonly mix: readonly {
    readonly type: string;
    readonly tensors: number;
    readonly elements: number;
    readonly bytes: number;
  }[];
  readonly tensors: readonly InspectedTensorView[];
  readonly metadata: readonly InspectedEntryView[];
  readonly hyperParameters: readonly InspectedEntryView[];
  readonly tokenizer: {
    readonly family: string;
    readonly preTokenizer: string | null;
    readonly size: number;
    readonly merges: number;
    readonly special: readonly {
      readonly role: string;
      readonly id: number;
      readonly text: string;
    }[];
  } | null;
  readonly chatTemplates: readonly { readonly name: string; readonly source: string }[];
  readonly memory: readonly InspectedMemoryView[];
  readonly problems: readonly (ErrorView & { readonly severity: 'error' | 'warning' })[];
  readonly files: readonly { readonly fileName: string; readonly bytes: number | null }[];
  readonly budgetBytes: number;
}

// Chats

export interface ChatSummaryView {
  readonly id: string;
  readonly title: string;
  readonly updatedAt: number;
}

/** Things worth telling beside an answer; each has a translated sentence. */
export type NoticeCode =
  | 'default-template'
  | 'template-refused-system'
  | 'tools-in-words'
  | 'context-full'
  | 'older-messages-dropped'
  | 'interrupted'
  | 'unknown-pre-tokenizer'
  | 'four-bit-loss'
  | 'saved-battery'
  | 'saved-memory'
  | 'saved-mode'
  | 'gpu-restarted'
  | 'gpu-given-up';

/** Why a model is computed where it is; each has a translated sentence. */
export type BackendReasonView =
  | 'asked'
  | 'no-gpu'
  | 'software-gpu'
  | 'gpu-refused'
  | 'faster-gpu'
  | 'faster-processor'
  | 'gpu-reads'
  | 'gpu-writes'
  | 'device-lost';

export interface AnswerStatsView {
  readonly promptTokens: number;
  readonly reusedTokens: number;
  readonly answerTokens: number;
  readonly timeToFirstTokenMs: number;
  readonly prefillTokensPerSecond: number;
  readonly decodeTokensPerSecond: number;
  /** How the tokens were computed, in each way there was; absent in older messages. */
  readonly stretches?: readonly {
    readonly precision: 8 | 4 | 'mixed';
    readonly backend: 'wasm' | 'webgpu' | 'reference';
    readonly threads: number;
    readonly tokens: number;
    readonly weightBytesPerToken: number;
    readonly milliseconds: number;
  }[];
  /** Of the whole device meanwhile, estimated; absent where nobody knows. */
  readonly joules?: number;
  /** Of the answer's tokens those that were computed ahead; absent where nobody counted. */
  readonly acceptedTokens?: number;
}

/** What the model thought before it answered. */
export interface ReasoningView {
  readonly text: string;
  /** Null while it is thinking, and where nobody measured. */
  readonly durationMs: number | null;
}

/** A tool that an answer called. */
export interface CallView {
  readonly id: string;
  readonly name: string;
  /** A JSON object as text. */
  readonly arguments: string;
  /** Null where the call was not run. */
  readonly result: string | null;
}

export interface MessageView {
  readonly id: string;
  readonly role: 'user' | 'assistant';
  readonly text: string;
  readonly reasoning: ReasoningView | null;
  readonly calls: readonly CallView[];
  readonly status: 'complete' | 'streaming' | 'stopped' | 'failed';
  readonly error: ErrorView | null;
  readonly notices: readonly NoticeCode[];
  readonly stats: AnswerStatsView | null;
  /** Name of the model that wrote it. */
  readonly modelName: string | null;
  /** Whether `continueAnswer` can go on where it was cut off. */
  readonly continuable?: boolean;
  /** Position among the versions of this message (regenerated answers, edited questions). */
  readonly version: { readonly index: number; readonly count: number };
}

export type ActivityView =
  | { readonly kind: 'idle' }
  | { readonly kind: 'loading-model'; readonly fraction: number }
  | { readonly kind: 'reading-prompt'; readonly done: number; readonly total: number }
  | { readonly kind: 'answering' }
  /** Another tab writes into this chat. */
  | { readonly kind: 'elsewhere' };

export interface ChatView {
  /** Null for a new chat that was not stored yet. */
  readonly id: string | null;
  readonly title: string;
  readonly messages: readonly MessageView[];
  readonly activity: ActivityView;
}

export interface ImportedChatsView {
  readonly added: number;
  readonly lostChats: number;
  readonly lostMessages: number;
}

export interface ChatsService {
  readonly summaries: Observable<readonly ChatSummaryView[]>;
  readonly current: Observable<ChatView>;
  startNew(): void;
  open(id: string): Promise<void>;
  /** Resolves when the answer is complete, stopped or failed (failures are in the message). */
  send(text: string): Promise<void>;
  stop(): void;
  regenerate(messageId: string): Promise<void>;
  /** Goes on with an answer that was cut off, as if it had not been. */
  continueAnswer(messageId: string): Promise<void>;
  /** Writes the question anew as a sibling and answers it. */
  edit(messageId: string, text: string): Promise<void>;
  showVersion(messageId: string, index: number): Promise<void>;
  rename(id: string, title: string): Promise<void>;
  remove(id: string): Promise<void>;
  /** All chats, or one, as a JSON file. */
  exportChats(id?: string): Promise<Blob>;
  /** Adds the chats of such a file; what is damaged in it is left out and counted. */
  importChats(file: Blob): Promise<ImportedChatsView>;
}

// Settings

export interface Settings {
  readonly theme: 'system' | 'light' | 'dark';
  readonly language: 'system' | 'en' | 'zh-Hans';
  readonly systemPrompt: string;
  readonly temperature: number;
  readonly topK: number;
  readonly topP: number;
  readonly minP: number;
  readonly repetitionPenalty: number;
  /** Null: a new seed for each answer. */
  readonly seed: number | null;
  readonly maxAnswerTokens: number;
  readonly contextLength: number;
  readonly precision: 'auto' | 8 | 4;
  /** How much Hermit follows battery, heat and memory of the device. */
  readonly powerMode: PowerMode;
  /** Threads of the processor at most; in manual mode exactly. */
  readonly threads: 'auto' | number;
  /** Percent: discharging below the first, 4 bits are read; above the second 8 again. */
  readonly batteryLow: number;
  readonly batteryRecovered: number;
  /** Calm after pressure before all threads work again. */
  readonly calmSeconds: number;
  /** Megabytes that models may take together; 0: what this device is thought to have. */
  readonly memoryLimit: number;
  /** Whether models that can think before they answer do; others are not asked. */
  readonly thinking: boolean;
  /** What computes: the faster of both, the processor, or the graphics card where there is one. */
  readonly backend: 'auto' | 'wasm' | 'webgpu';
  /** Whether what a model has read of a chat is kept, so that the chat goes on at once after a restart. */
  readonly keepReading: boolean;
  /** Where models are looked for: Hugging Face, or a server that speaks its protocol. */
  readonly hubUrl: string;
  /** Whether the screen stays on while a model is downloaded. */
  readonly keepAwake: boolean;
}

export interface SettingsService {
  readonly settings: Observable<Settings>;
  readonly defaults: Settings;
  update(change: Partial<Settings>): void;
  reset(): void;
}

// Power

export type PowerMode = 'saver' | 'balanced' | 'performance' | 'manual';

/** How the model computes from the next token on. */
export interface PowerPlanView {
  readonly precision: 8 | 4 | 'mixed';
  readonly threads: 'auto' | number;
  readonly pauseMs: number;
  readonly contextTokens: 'unchanged' | number;
  readonly lowPlanes: 'keep' | 'drop';
  readonly kvType: 'unchanged' | 'f16' | 'q8';
  readonly backend: { readonly decode: 'auto' | 'wasm' | 'webgpu' };
  readonly batchTokens: 'auto' | number;
  readonly submitMs: 'auto' | number;
  readonly speculation: 'auto' | 'off';
}

/** Why; each has a translated sentence that its numbers are put into. */
export type PowerReasonView =
  | {
      readonly code:
        | 'mode-saver'
        | 'mode-performance'
        | 'mode-manual'
        | 'hidden'
        | 'one-precision'
        | 'loaded-in-4'
        | 'gpu-instead'
        | 'memory-kv';
    }
  | { readonly code: 'chosen-precision'; readonly precision: 8 | 4 }
  | { readonly code: 'chosen-threads'; readonly threads: number }
  | {
      readonly code: 'battery-low';
      readonly percent: number;
      readonly below: number;
      readonly above: number;
      readonly saving: boolean;
    }
  | {
      readonly code: 'pressure';
      readonly level: 'serious' | 'critical';
      readonly calmSeconds: number;
      readonly over: boolean;
    }
  | {
      readonly code: 'slowdown';
      readonly level: 'serious' | 'critical';
      readonly percent: number | null;
      readonly calmSeconds: number;
    }
  | {
      readonly code: 'memory' | 'memory-refused';
      readonly neededBytes: number;
      readonly budgetBytes: number;
    }
  | { readonly code: 'memory-context'; readonly tokens: number }
  | { readonly code: 'settling'; readonly seconds: number };

/** Something the device tells, or why it does not. `at`: milliseconds since the epoch. */
export type SignalView<T> =
  | {
      readonly kind: 'known';
      readonly value: T;
      readonly source: string;
      readonly at: number;
      readonly confidence: 'measured' | 'reported' | 'guessed';
    }
  | {
      readonly kind: 'missing';
      readonly source: string;
      readonly reason: 'not-supported' | 'refused' | 'waiting' | 'failed';
    };

export interface PowerSignalsView {
  readonly battery: SignalView<{ readonly level: number; readonly charging: boolean }>;
  readonly pressure: SignalView<'nominal' | 'fair' | 'serious' | 'critical'>;
  readonly page: SignalView<'visible' | 'hidden' | 'frozen'>;
  readonly saving: SignalView<{ readonly saving: boolean; readonly connection: string | null }>;
  readonly deviceMemory: SignalView<number>;
  readonly memory: SignalView<{ readonly neededBytes: number; readonly budgetBytes: number }>;
  /** Relative to what was usual; 1 is as always. */
  readonly speed: SignalView<number>;
}

export interface PowerView {
  readonly mode: PowerMode;
  readonly plan: PowerPlanView;
  /** The weightiest first; none: nothing speaks against the full plan. */
  readonly reasons: readonly PowerReasonView[];
  readonly signals: PowerSignalsView;
  /** Threads that compute when nothing holds them back. */
  readonly fullThreads: number;
  /** Whether the pressure that the browser reports is Hermit's own work and therefore none. */
  readonly ownPressure: boolean;
  /** Whether the model's file has one precision alone, so that none can be chosen. */
  readonly onePrecision: boolean;
}

/** A change of the plan, as it is kept for the timeline. */
export interface PlanChangeView {
  /** Milliseconds since the epoch. */
  readonly at: number;
  readonly from: PowerPlanView;
  readonly to: PowerPlanView;
  readonly reasons: readonly PowerReasonView[];
  readonly duringAnswer: boolean;
  readonly outcome: 'applied' | 'failed';
  readonly milliseconds: number;
}

/** What the parts of one token take. */
export interface StepProfileView {
  readonly backend: 'wasm' | 'webgpu';
  readonly precision: 8 | 4 | 'mixed';
  /** By the device's clock, else estimated. */
  readonly measured: boolean;
  /** Operators with the weights they read, alike in all layers; the longest first. */
  readonly parts: readonly { readonly label: string; readonly milliseconds: number }[];
}

export interface PowerService {
  readonly power: Observable<PowerView>;
  /** The newest first. */
  readonly changes: Observable<readonly PlanChangeView[]>;
  /** Watches a few tokens of the loaded model, in its turn. @throws AppError `engine/*` */
  profile(): Promise<StepProfileView>;
  /** What was measured on this device, to be handed on by whoever wants to; null before anything was. */
  speedsFile(): Blob | null;
}

// The application itself

export interface StorageView {
  /** The browser's own estimates, in bytes; null where it does not say. */
  readonly usageBytes: number | null;
  readonly quotaBytes: number | null;
  /** What models have read of chats, in bytes; null where it cannot be read. */
  readonly readingBytes: number | null;
  /** Databases (chats and lists), and the app itself; null where the browser does not tell them apart. */
  readonly recordBytes: number | null;
  readonly appBytes: number | null;
  /** Whether the browser promised not to evict; null where it does not say. */
  readonly persisted: boolean | null;
  /** False in private windows and where storage is blocked: nothing will be kept. */
  readonly kept: boolean;
}

export interface DeviceView {
  readonly sharedMemory: boolean;
  readonly cores: number;
  readonly simd: 'relaxed' | 'plain' | 'none';
  readonly webgpu: boolean;
}

/** Something about the whole application that a person should know. */
export type AppNoticeView =
  /** What was stored is gone: so many chats, so many models; 0 of what is still there. */
  | { readonly kind: 'data-lost'; readonly chats: number; readonly models: number }
  /** All data of this site was cleared while it was open. */
  | { readonly kind: 'data-cleared' }
  /** Another tab brought a newer version, so that this one can store nothing any more. */
  | { readonly kind: 'superseded' }
  /** Memory was too little for the context of the settings, in tokens. */
  | { readonly kind: 'shorter-context'; readonly wanted: number; readonly taken: number }
  /** Memory was too little for more than 4 bits of each weight. */
  | { readonly kind: 'four-bits' }
  /** The tab before ended in the middle of this work with this model. */
  | {
      readonly kind: 'crashed';
      readonly modelId: string;
      readonly modelName: string;
      readonly work: 'loading' | 'answering';
      readonly times: number;
    };

export interface AppService {
  readonly notices: Observable<readonly AppNoticeView[]>;
  dismissNotice(kind: AppNoticeView['kind']): void;
  /** Loads the page anew. */
  reload(): void;
  readonly version: string;
  readonly online: Observable<boolean>;
  readonly storage: Observable<StorageView>;
  readonly device: Observable<DeviceView | null>;
  /** `ready`: an update may be applied; `waiting`: it will be offered when the work under way ends. */
  readonly update: Observable<'none' | 'ready' | 'waiting'>;
  applyUpdate(): Promise<void>;
  /** `manual`: the browser installs only from its own menu (Safari). */
  readonly install: Observable<'unavailable' | 'available' | 'manual' | 'installed'>;
  promptInstall(): Promise<void>;
  requestPersistence(): Promise<boolean>;
  refreshStorage(): Promise<void>;
  /** Deletes what models have read of chats; the chats stay. */
  clearReading(): Promise<void>;
}

export interface Services {
  readonly models: ModelsService;
  readonly chats: ChatsService;
  readonly settings: SettingsService;
  readonly app: AppService;
  readonly power: PowerService;
}
