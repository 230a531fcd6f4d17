/** The widget's dealings with the page around it, for the components: status, questions, grants. */
import { ObservableValue } from '../../common/observable.ts';
import type { Consent, HostSession } from '../../embed/frame/host-session.ts';
import type { WidgetConfiguration } from '../../embed/protocol.ts';
import type {
  PermissionAnswer,
  PermissionQuestion,
  WidgetGrants,
  WidgetLook,
  WidgetService,
  WidgetStatus,
} from '../../ui/widget-app/widget-service.ts';
import type { ConfirmInstall } from './api-methods.ts';
import { fetchCopy, giveCopy } from './fetch-copy.ts';

/** `Omit` would join the members of the union. */
type Question<T = PermissionQuestion> = T extends PermissionQuestion ? Omit<T, 'id'> : never;

interface Waiting {
  readonly question: PermissionQuestion;
  readonly answer: (answer: PermissionAnswer) => void;
}

export class FrameWidgetService implements WidgetService {
  readonly status = new ObservableValue<WidgetStatus>({ kind: 'connecting' });
  readonly look: ObservableValue<WidgetLook>;
  readonly question = new ObservableValue<PermissionQuestion | null>(null);
  readonly grants = new ObservableValue<WidgetGrants>({ api: false, tools: [] });
  readonly preset = new ObservableValue<string | null>(null);
  session: HostSession | null = null;
  /** One question at a time is shown, the oldest first. */
  readonly #waiting: Waiting[] = [];
  #nextId = 1;

  constructor(look: WidgetLook) {
    this.look = new ObservableValue(look);
  }

  readonly consent: Consent = {
    connect: async (origin) => {
      const connected = (await this.#ask({ kind: 'connect', origin })) !== 'no';
      if (!connected) this.status.set({ kind: 'refused', origin, reason: 'declined' });
      return connected;
    },
    api: async (origin) => (await this.#ask({ kind: 'api', origin })) !== 'no',
    tool: (origin, { name, title, description }, argumentsText, signal) =>
      this.#ask({ kind: 'tool', origin, title: title ?? name, description, argumentsText }, signal),
  };

  readonly confirmInstall: ConfirmInstall = async (model) => {
    const origin = this.session?.origin ?? '';
    const apart = origin !== location.origin;
    this.session?.callAttention();
    return (await this.#ask({ kind: 'install', origin, apart, ...model })) !== 'no';
  };

  configure(configuration: WidgetConfiguration): void {
    this.look.set({
      theme: configuration.theme ?? 'system',
      locale: configuration.locale ?? null,
      placeholder: configuration.placeholder ?? null,
      model: configuration.model ?? null,
      closable: configuration.closable ?? true,
    });
  }

  fill(text: string): void {
    // The same question again is one too.
    this.preset.set(null);
    this.preset.set(text);
  }

  refreshGrants(): void {
    const { session } = this;
    if (session === null) return;
    const tools = session.tools.list.map(({ name, title }) => title ?? name);
    this.grants.set({ api: session.apiGranted, tools });
  }

  answer(id: number, answer: PermissionAnswer): void {
    const index = this.#waiting.findIndex(({ question }) => question.id === id);
    const [answered] = index < 0 ? [] : this.#waiting.splice(index, 1);
    this.question.set(this.#waiting[0]?.question ?? null);
    answered?.answer(answer);
  }

  revoke(): void {
    this.session?.tools.clear();
    this.session?.revoke();
  }

  close(): void {
    this.session?.close();
  }

  fetchFromHermit(): Promise<readonly File[] | null> {
    return fetchCopy();
  }

  giveCopy(files: readonly File[]): void {
    giveCopy(files);
  }

  #ask(asked: Question, signal?: AbortSignal): Promise<PermissionAnswer> {
    return new Promise((resolve) => {
      const id = this.#nextId++;
      const question: PermissionQuestion = { ...asked, id };
      this.#waiting.push({ question, answer: resolve });
      this.question.set(this.#waiting[0]?.question ?? null);
      signal?.addEventListener('abort', () => {
        this.answer(id, 'no');
      });
    });
  }
}
