import { ObservableValue } from '../common/observable.ts';
import type {
  AppNoticeView,
  ActiveModelView,
  ChatView,
  MakingView,
  InspectionView,
  ModelView,
  ModelViewState,
  PlanChangeView,
  PowerService,
  PowerView,
  Services,
  Settings,
  SmallerModelView,
  StorageView,
} from './services.ts';

/** Small services in memory for component tests: values to set, and a list of the calls made. */
export interface TestServices {
  readonly services: Services;
  readonly calls: string[];
  readonly models: ObservableValue<readonly ModelView[]>;
  readonly active: ObservableValue<ActiveModelView>;
  readonly making: ObservableValue<MakingView | null>;
  /** What `estimateSmaller` answers. */
  readonly smaller: SmallerModelView[];
  readonly chat: ObservableValue<ChatView>;
  readonly settings: ObservableValue<Settings>;
  readonly storage: ObservableValue<StorageView>;
  readonly power: ObservableValue<PowerView>;
  readonly changes: ObservableValue<readonly PlanChangeView[]>;
  profile: PowerService['profile'];
}

export const emptyChat: ChatView = {
  id: null,
  title: '',
  messages: [],
  activity: { kind: 'idle' },
};

const defaults: Settings = {
  theme: 'system',
  language: 'en',
  systemPrompt: '',
  temperature: 0.7,
  topK: 40,
  topP: 0.95,
  minP: 0.05,
  repetitionPenalty: 1,
  seed: null,
  maxAnswerTokens: 512,
  contextLength: 4096,
  precision: 'auto',
  powerMode: 'balanced',
  threads: 'auto',
  batteryLow: 20,
  batteryRecovered: 25,
  calmSeconds: 30,
  memoryLimit: 0,
  thinking: true,
  backend: 'auto',
  keepReading: true,
  hubUrl: 'https://hub.example',
  keepAwake: false,
};

export function modelIn(state: ModelViewState, change: Partial<ModelView> = {}): ModelView {
  return {
    id: 'm',
    name: 'Small Model',
    fileName: 'small.gguf',
    bytesTotal: 2e9,
    sourceLabel: 'example.com/small',
    sourceUrl: 'https://example.com/small',
    madeFrom: null,
    licence: 'MIT',
    sha256: null,
    files: [],
    builtIn: false,
    verified: 'computed',
    addedAt: 0,
    lastUsedAt: null,
    purpose: 'chat',
    fit: null,
    state,
    ...change,
  };
}

/** What is told of a small model that fits. */
export function makeInspection(change: Partial<InspectionView> = {}): InspectionView {
  return {
    name: 'Tiny',
    architecture: 'llama',
    parameters: 1_000_000,
    quantization: 'Q8_0',
    contextLength: 4096,
    sizeBytes: 2e6,
    headerBytes: 1000,
    parts: 1,
    version: 3,
    licence: 'mit',
    mix: [{ type: 'Q8_0', tensors: 2, elements: 1_000_000, bytes: 1_062_500 }],
    tensors: [
      { name: 'output.weight', type: 'Q8_0', shape: [64, 32], elements: 2048, bytes: 2176 },
    ],
    metadata: [{ key: 'general.architecture', type: 'string', text: 'llama' }],
    hyperParameters: [{ key: 'block_count', type: 'u32', text: '2' }],
    tokenizer: {
      family: 'gpt2',
      preTokenizer: 'qwen2',
      size: 100,
      merges: 50,
      special: [{ role: 'eos', id: 2, text: '</s>' }],
    },
    chatTemplates: [{ name: '', source: '{{ messages }}' }],
    memory: [
      { precision: 8, weightBytes: 2e6, workBytes: 1e6, bytesPerPosition: 1000 },
      { precision: 4, weightBytes: 2e6, workBytes: 1e6, bytesPerPosition: 1000 },
    ],
    problems: [],
    files: [],
    budgetBytes: 4e9,
    ...change,
  };
}

const untold = { kind: 'missing', source: 'a test', reason: 'not-supported' } as const;

/** The full plan on a device that tells nothing. */
export const fullPower: PowerView = {
  mode: 'balanced',
  plan: {
    precision: 8,
    threads: 'auto',
    pauseMs: 0,
    contextTokens: 'unchanged',
    lowPlanes: 'keep',
    kvType: 'unchanged',
    backend: { decode: 'auto' },
    batchTokens: 'auto',
    submitMs: 'auto',
    speculation: 'auto',
  },
  reasons: [],
  signals: {
    battery: untold,
    pressure: untold,
    page: untold,
    saving: untold,
    deviceMemory: untold,
    memory: untold,
    speed: untold,
  },
  fullThreads: 4,
  ownPressure: false,
  onePrecision: false,
};

export function makeServices(): TestServices {
  const calls: string[] = [];
  const models = new ObservableValue<readonly ModelView[]>([]);
  const active = new ObservableValue<ActiveModelView>({ kind: 'none' });
  const making = new ObservableValue<MakingView | null>(null);
  const smaller: SmallerModelView[] = [];
  const chat = new ObservableValue<ChatView>(emptyChat);
  const settings = new ObservableValue<Settings>(defaults);
  const storage = new ObservableValue<StorageView>({
    usageBytes: 1e9,
    quotaBytes: 4e9,
    readingBytes: 24e6,
    persisted: false,
    recordBytes: null,
    appBytes: null,
    kept: true,
  });
  const power = new ObservableValue<PowerView>(fullPower);
  const changes = new ObservableValue<readonly PlanChangeView[]>([]);
  /** Records the call and resolves with `result`. */
  const does =
    <T>(name: string, result: T) =>
    (...values: readonly unknown[]): Promise<T> => {
      calls.push([name, ...values.map(String)].join(' '));
      return Promise.resolve(result);
    };
  const services: Services = {
    models: {
      models,
      active,
      catalog: new ObservableValue({ kind: 'ready' as const, models: [] }),
      addFromCatalog: does('addFromCatalog', 'm'),
      addFromUrl: does('addFromUrl', 'm'),
      addFromFile: does('addFromFile', 'm'),
      modelsIn: (files) => Promise.resolve(files.map((file) => [file])),
      addGuide: does('addGuide', 'm'),
      pause: does('pause', undefined),
      resume: does('resume', undefined),
      cancel: does('cancel', undefined),
      remove: does('remove', undefined),
      verify: does('verify', undefined),
      addFromHub: does('addFromHub', 'm'),
      searchHub: does('searchHub', []),
      openHubRepository: () => Promise.reject(new Error('There is no hub here')),
      inspect: () => Promise.resolve(makeInspection()),
      select: does('select', undefined),
      making,
      updateCatalog: () => Promise.resolve(),
      estimateSmaller: (id) => does('estimateSmaller', smaller)(id),
      makeSmaller: (id, recipe, calibration) =>
        does('makeSmaller', 'm2')(id, JSON.stringify(recipe), calibration),
      convertFolder: (files) =>
        does(
          'convertFolder',
          'm3',
        )(files.map((each) => ('path' in each ? each.path : each.name)).join()),
      convertRepository: does('convertRepository', 'm3'),
      stopMaking: () => calls.push('stopMaking'),
      exportFiles: does('exportFiles', [new File(['GGUF'], 'small.gguf')]),
    },
    chats: {
      summaries: new ObservableValue([{ id: 'c', title: 'A chat', updatedAt: 0 }]),
      current: chat,
      startNew: () => {
        calls.push('startNew');
        chat.set(emptyChat);
      },
      open: (id) => {
        chat.set({ ...emptyChat, id, title: `Chat ${id}` });
        return does('open', undefined)(id);
      },
      send: does('send', undefined),
      stop: () => calls.push('stop'),
      regenerate: does('regenerate', undefined),
      continueAnswer: does('continueAnswer', undefined),
      edit: does('edit', undefined),
      showVersion: does('showVersion', undefined),
      rename: does('rename', undefined),
      remove: does('removeChat', undefined),
      exportChats: does('exportChats', new Blob()),
      importChats: () => Promise.resolve({ added: 2, lostChats: 0, lostMessages: 0 }),
    },
    settings: {
      settings,
      defaults,
      update: (change) => {
        settings.set({ ...settings.value, ...change });
      },
      reset: () => {
        settings.set(defaults);
      },
    },
    app: {
      version: '1.2.3',
      online: new ObservableValue(true),
      storage,
      device: new ObservableValue(null),
      update: new ObservableValue<'none' | 'ready' | 'waiting'>('none'),
      applyUpdate: does('applyUpdate', undefined),
      install: new ObservableValue<'unavailable' | 'available' | 'manual' | 'installed'>(
        'unavailable',
      ),
      promptInstall: does('promptInstall', undefined),
      requestPersistence: does('requestPersistence', true),
      refreshStorage: does('refreshStorage', undefined),
      clearReading: does('clearReading', undefined),
      notices: new ObservableValue<readonly AppNoticeView[]>([]),
      dismissNotice: () => calls.push('dismissNotice'),
      reload: () => calls.push('reload'),
    },
    power: {
      power,
      changes,
      speedsFile: () => new Blob(['{}']),
      profile: () => made.profile(),
    },
  };
  const made: TestServices = {
    services,
    calls,
    models,
    active,
    making,
    smaller,
    chat,
    settings,
    storage,
    power,
    changes,
    profile: () => Promise.reject(new Error('nothing to measure')),
  };
  return made;
}
