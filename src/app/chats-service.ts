/**
 * Chats as the user interface shows them: the open conversation, the answer being written into it,
 * and the list of earlier ones. An answer goes on when another chat is opened; what it wrote is
 * saved at least every second and a half, so that a crash loses at most that.
 */
import { untilAborted } from '../common/abort.ts';
import { AppError, hasCode, isAbortError, toAppError } from '../common/errors.ts';
import { ObservableValue, type Observable } from '../common/observable.ts';
import { titleFromText } from '../conversation/auto-title.ts';
import type { ConversationStore } from '../conversation/conversation-store.ts';
import {
  activePath,
  addMessage,
  createConversation,
  getMessage,
  pathTo,
  promptMessages,
  showSibling,
  siblingsOf,
  updateMessage,
  type MessageChange,
} from '../conversation/conversation-tree.ts';
import type { Conversation, Message, MessageCall } from '../conversation/conversation-types.ts';
import type {
  ActivityView,
  ChatSummaryView,
  ChatsService,
  ChatView,
  ErrorView,
  ImportedChatsView,
  MessageView,
  NoticeCode,
  Settings,
} from '../ui/services.ts';
import { AnswerDraft } from './answer-draft.ts';
import { type Answer, type AnswerRequest, writeAnswer } from './answer.ts';
import { type ChatTabs, inUseElsewhere } from './chat-tabs.ts';
import type { CrashJournal } from './crash-journal.ts';
import { errorView } from './error-view.ts';
import type { AnsweringModel, RuntimeState } from './model-runtime.ts';
import { messageStats } from './power/answer-cost.ts';
import type { PromptRenderer } from './prompt-renderer.ts';
import { MOST_CALLS_A_TURN, runCalls, type ChatTools } from './tool-calls.ts';

export interface ChatsServiceOptions {
  readonly store: ConversationStore;
  readonly runtime: AnsweringModel;
  readonly prompts: PromptRenderer;
  readonly settings: Observable<Settings>;
  /** Other tabs with the same chats; without them everything is as if there was one tab. */
  readonly tabs?: ChatTabs;
  /** Writes down that a model answers, for as long as it does. */
  readonly journal?: Pick<CrashJournal, 'during'>;
  /** Makes a model ready to answer: the loaded one, else the one used last. */
  readonly ensureModel: (onProgress: (fraction: number) => void) => Promise<void>;
  /** Why what is written now is less exact than it could be; null where it is not. */
  readonly reduction?: () => NoticeCode | null;
  /** Mean power of this device while a model computes; null while that is not known. */
  readonly watts?: () => number | null;
  /** What models have read of chats, kept where the settings say so; nothing is without. */
  readonly reading?: { forget(conversation: string): Promise<void> };
  /** Tools that answers may call; none without. */
  readonly tools?: ChatTools | undefined;
}

const idle: ActivityView = { kind: 'idle' };
const elsewhere: ActivityView = { kind: 'elsewhere' };
const newChat: ChatView = { id: null, title: '', messages: [], activity: idle };

/** Text of an answer reaches the disk at least this often. */
const SAVE_EVERY_MS = 1500;

type ReadyModel = Extract<RuntimeState, { kind: 'ready' }>;

/** An answer in the making. */
interface Begun {
  readonly messageId: string;
  readonly parentId: string;
  /** As it was cut off; undefined for a new one. */
  readonly begun: Message | undefined;
  /** Its token ids so far. */
  readonly written: number[];
  readonly draft: AnswerDraft;
}

interface Running {
  readonly conversationId: string;
  readonly controller: AbortController;
}

export class StoredChatsService implements ChatsService {
  readonly #options: ChatsServiceOptions;
  readonly #summaries = new ObservableValue<readonly ChatSummaryView[]>([]);
  readonly #current = new ObservableValue<ChatView>(newChat);
  readonly #busy = new ObservableValue(false);
  /** The open conversation and the one being answered: at most two. */
  readonly #conversations = new Map<string, Conversation>();
  /** What the disk has of them; one that could not be stored stays in memory until it is. */
  readonly #saved = new Map<string, Conversation>();
  /** Errors with their details, which are not stored with the messages. */
  readonly #errors = new Map<string, ErrorView>();
  /** Conversations whose newest state could not be stored, and why. */
  readonly #unsaved = new Map<string, ErrorView>();
  #saving: Promise<void> = Promise.resolve();
  #openId: string | null = null;
  /** Counts the chats that were chosen, so that one that is read late does not push in. */
  #choice = 0;
  #running: Running | null = null;
  /** Settles when what was written last is stored, or could not be. */
  #written: Promise<void> = Promise.resolve();
  /** True while a chat is made ready to be written into. */
  #starting = false;
  /** Chats that another tab is writing into now. */
  readonly #elsewhere = new Set<string>();
  #activity: ActivityView = idle;

  constructor(options: ChatsServiceOptions) {
    this.#options = options;
    options.tabs?.listen((id) => {
      // What cannot be read now is read when it is needed.
      this.#follow(id).catch(() => undefined);
    });
  }

  get summaries(): Observable<readonly ChatSummaryView[]> {
    return this.#summaries;
  }
  get current(): Observable<ChatView> {
    return this.#current;
  }
  /** True while an answer is written: an update must wait. */
  get busy(): Observable<boolean> {
    return this.#busy;
  }

  /** Reads the list of chats. */
  async start(): Promise<void> {
    await this.#refreshSummaries();
  }

  startNew(): void {
    this.#show(null);
  }

  async open(id: string): Promise<void> {
    const choice = ++this.#choice;
    if (!this.#conversations.has(id)) {
      const conversation = await this.#read(id);
      // Somebody in a hurry has gone on to another chat.
      if (choice !== this.#choice) return;
      this.#conversations.set(id, conversation);
      this.#saved.set(id, conversation);
    }
    this.#show(id);
  }

  async send(text: string): Promise<void> {
    const id = this.#openConversation()?.id ?? crypto.randomUUID();
    await this.#writing(id, async () => {
      const conversation = this.#conversations.get(id) ?? begin(id, text);
      const question = {
        id: crypto.randomUUID(),
        parentId: conversation.activeLeafId,
        role: 'user' as const,
        text,
        createdAt: Date.now(),
      };
      this.#set(addMessage(conversation, question));
      this.#show(id);
      await this.#answer(id, question.id);
    });
  }

  stop(): void {
    this.#running?.controller.abort();
  }

  async regenerate(messageId: string): Promise<void> {
    const { id } = this.#needOpen();
    await this.#writing(id, async () => {
      const { parentId } = getMessage(this.#need(id), messageId);
      if (parentId !== null) await this.#answer(id, parentId);
    });
  }

  async continueAnswer(messageId: string): Promise<void> {
    const { id } = this.#needOpen();
    await this.#writing(id, async () => {
      const message = getMessage(this.#need(id), messageId);
      if (message.parentId === null || !isContinuable(message)) return;
      await this.#answer(id, message.parentId, message);
    });
  }

  async edit(messageId: string, text: string): Promise<void> {
    const { id } = this.#needOpen();
    await this.#writing(id, async () => {
      const conversation = this.#need(id);
      const { parentId } = getMessage(conversation, messageId);
      const question = {
        id: crypto.randomUUID(),
        parentId,
        role: 'user' as const,
        text,
        createdAt: Date.now(),
      };
      this.#set(addMessage(conversation, question));
      await this.#answer(id, question.id);
    });
  }

  async showVersion(messageId: string, index: number): Promise<void> {
    const { id } = this.#needOpen();
    await this.#writing(id, async () => {
      this.#set(showSibling(this.#need(id), messageId, index));
      await this.#save(id);
    });
  }

  async rename(id: string, title: string): Promise<void> {
    const conversation = this.#conversations.get(id);
    if (conversation !== undefined && !this.#saved.has(id)) {
      this.#set({ ...conversation, title });
      await this.#save(id);
    } else {
      // Another tab may be writing into it: only the name is changed.
      await this.#options.store.rename(id, title);
      if (conversation !== undefined) this.#change(id, (now) => ({ ...now, title }));
      this.#options.tabs?.announce(id);
    }
    await this.#refreshSummaries();
  }

  /** @throws AppError `store/in-use` while another tab writes into it */
  async remove(id: string): Promise<void> {
    if ((await this.#options.tabs?.isHeldElsewhere(id)) === true) throw inUseElsewhere(id);
    if (this.#running?.conversationId === id) this.#running.controller.abort();
    this.#forget(id);
    await this.#saving;
    await this.#options.store.remove(id);
    await this.#options.reading?.forget(id);
    this.#options.tabs?.announce(id);
    await this.#refreshSummaries();
  }

  async importChats(file: Blob): Promise<ImportedChatsView> {
    const { ids, lostConversations, lostMessages } = await this.#options.store.importJson(
      await file.text(),
    );
    for (const id of ids) this.#options.tabs?.announce(id);
    await this.#refreshSummaries();
    return { added: ids.length, lostChats: lostConversations, lostMessages };
  }

  /** All that was stored is gone: what is here is stored again. */
  async storeAgain(): Promise<void> {
    this.#saved.clear();
    for (const id of this.#conversations.keys()) await this.#save(id);
    await this.#refreshSummaries();
  }

  async exportChats(id?: string): Promise<Blob> {
    await this.#saving;
    const unsaved = [...this.#conversations].filter(([each]) => this.#unsaved.has(each));
    const json = await this.#options.store.exportJson(id, new Map(unsaved));
    return new Blob([json], { type: 'application/json' });
  }

  /**
   * Does work that writes into a chat, while nothing else does, here or in another tab, and on top of
   * what other tabs wrote.
   * @throws AppError `engine/busy`, `store/in-use`
   */
  async #writing(id: string, work: () => Promise<void>): Promise<void> {
    this.#refuseWhileRunning();
    const { tabs } = this.#options;
    if (tabs === undefined) {
      await work();
      return;
    }
    this.#starting = true;
    // An answer that is complete may still be on its way to the disk.
    const before = this.#written;
    const written = before.then(() => this.#hold(tabs, id, work));
    this.#written = written.catch(() => undefined);
    await written;
  }

  async #hold(tabs: ChatTabs, id: string, work: () => Promise<void>): Promise<void> {
    try {
      await tabs.hold(id, async () => {
        // Where the disk cannot be read, what is here is what there is.
        const stored = this.#saved.has(id) && !this.#unsaved.has(id);
        if (stored) await this.#readAgain(id).catch(() => undefined);
        this.#starting = false;
        await work();
      });
    } finally {
      this.#starting = false;
    }
  }

  /** Reads a chat; one that another tab writes into is read again when that tab is done. */
  async #read(id: string): Promise<Conversation> {
    const { store, tabs } = this.#options;
    const beingWritten = (await tabs?.isHeldElsewhere(id)) ?? false;
    const { conversation } = await store.load(id, { beingWritten });
    if (beingWritten && !this.#elsewhere.has(id)) {
      this.#elsewhere.add(id);
      void tabs?.untilFree(id).then(() => {
        this.#elsewhere.delete(id);
        return this.#follow(id);
      });
    }
    return conversation;
  }

  async #readAgain(id: string): Promise<void> {
    try {
      const conversation = await this.#read(id);
      // It may have been closed meanwhile, and then nobody looks at it.
      if (!this.#conversations.has(id)) return;
      this.#saved.set(id, conversation);
      this.#set(conversation);
    } catch (error) {
      if (!hasCode(error, 'store/not-found')) throw error;
      this.#forget(id);
    }
  }

  /** Another tab changed a chat. */
  async #follow(id: string): Promise<void> {
    if (this.#running?.conversationId === id) {
      const { conversation } = await this.#options.store.load(id, { beingWritten: true });
      this.#change(id, (now) => ({ ...now, title: conversation.title }));
    } else if (this.#conversations.has(id) && !this.#unsaved.has(id)) {
      await this.#readAgain(id);
    }
    await this.#refreshSummaries();
  }

  #forget(id: string): void {
    this.#conversations.delete(id);
    this.#saved.delete(id);
    this.#unsaved.delete(id);
    if (this.#openId === id) this.#show(null);
  }

  /**
   * Writes an answer below `parentId`, or goes on with one that was `begun`, and writes as many more as
   * there are results of tools to answer to.
   */
  async #answer(conversationId: string, parentId: string, begun?: Message): Promise<void> {
    const running: Running = { conversationId, controller: new AbortController() };
    this.#running = running;
    this.#busy.set(true);
    let parent: string | null = parentId;
    for (let calls = 0; parent !== null;) {
      const answerId: string = await this.#answerTo(
        running,
        parent,
        calls === 0 ? begun : undefined,
      );
      const made = this.#callsOf(conversationId, answerId);
      calls += made.length;
      parent = calls > MOST_CALLS_A_TURN ? null : await this.#runTools(running, answerId, made);
    }
    this.#running = null;
    this.#activity = idle;
    this.#busy.set(false);
    this.#refreshView();
    await this.#save(conversationId);
    this.#forgetUnused();
    await this.#refreshSummaries();
  }

  /** One answer, with its id; failures become part of its message. */
  async #answerTo(running: Running, parentId: string, begun?: Message): Promise<string> {
    const { conversationId } = running;
    const messageId = begun?.id ?? crypto.randomUUID();
    if (begun === undefined) {
      this.#change(conversationId, (conversation) =>
        addMessage(conversation, {
          id: messageId,
          parentId,
          role: 'assistant',
          text: '',
          createdAt: Date.now(),
          status: 'streaming',
        }),
      );
    } else {
      this.#errors.delete(messageId);
      const notices = begun.notices.filter((notice) => notice !== 'interrupted');
      const change = { status: 'streaming', finishReason: null, error: null, notices } as const;
      this.#changeMessage(conversationId, messageId, change);
    }
    await this.#save(conversationId);
    // The list is read again at the end; what it cannot do here must not cost the answer.
    this.#refreshSummaries().catch(() => undefined);
    const written: number[] = [];
    const draft = new AnswerDraft((content) => {
      // While what was written before is told again, the message has more of it.
      if (written.length < (begun?.written?.length ?? 0)) return;
      this.#changeMessage(conversationId, messageId, content);
    });
    const savingTimer = setInterval(() => {
      if (written.length > (begun?.written?.length ?? 0)) {
        this.#changeMessage(conversationId, messageId, { written: [...written] });
      }
      void this.#save(conversationId);
    }, SAVE_EVERY_MS);
    let change: MessageChange;
    try {
      change = await this.#write(running, { messageId, parentId, begun, written, draft });
    } catch (thrown) {
      change = this.#failure(messageId, thrown);
    } finally {
      clearInterval(savingTimer);
      draft.finish();
    }
    const cutOff = change.status !== 'complete' || change.finishReason === 'length';
    this.#changeMessage(conversationId, messageId, {
      ...change,
      written: cutOff ? longer(written, begun?.written ?? []) : [],
    });
    return messageId;
  }

  /** The calls of a complete answer that there are tools for. */
  #callsOf(conversationId: string, answerId: string): readonly MessageCall[] {
    const answer = this.#conversations.get(conversationId)?.messages.get(answerId);
    const known = this.#options.tools?.definitions().map((tool) => tool.function.name) ?? [];
    if (answer?.status !== 'complete') return [];
    return answer.calls.every(({ name }) => known.includes(name)) ? answer.calls : [];
  }

  /** Adds the results below the answer; resolves with the last one, or null where nothing was run. */
  async #runTools(
    { conversationId, controller }: Running,
    answerId: string,
    calls: readonly MessageCall[],
  ): Promise<string | null> {
    const { tools } = this.#options;
    if (tools === undefined || calls.length === 0) return null;
    try {
      const results = await runCalls(tools, calls, controller.signal);
      let parentId = answerId;
      for (const { callId, text } of results) {
        const message = { id: crypto.randomUUID(), parentId, role: 'tool' as const, callId, text };
        this.#change(conversationId, (conversation) =>
          addMessage(conversation, { ...message, createdAt: Date.now() }),
        );
        parentId = message.id;
      }
      return parentId;
    } catch (thrown) {
      this.#changeMessage(conversationId, answerId, this.#failure(answerId, thrown));
      return null;
    }
  }

  /** Where another model is chosen before the answer has begun, that one writes it. */
  async #write(running: Running, answer: Begun): Promise<MessageChange> {
    let tried: string | null = null;
    for (;;) {
      try {
        const ready = await this.#readyModel(running.controller.signal);
        tried = ready.id;
        return await this.#writeWith(ready, running, answer);
      } catch (error) {
        const now = this.#options.runtime.state.value;
        const replaced = (now.kind === 'loading' || now.kind === 'ready') && now.id !== tried;
        const goOn =
          replaced &&
          !answer.draft.begun &&
          !running.controller.signal.aborted &&
          hasCode(error, 'aborted', 'engine/not-loaded');
        if (!goOn) throw error;
      }
    }
  }

  async #writeWith(
    { id: modelId, name: modelName, model }: ReadyModel,
    { conversationId, controller }: Running,
    { messageId, parentId, begun, written, draft }: Begun,
  ): Promise<MessageChange> {
    if (begun !== undefined && begun.modelId !== modelId) throw begunByAnother(begun.modelName);
    this.#changeMessage(conversationId, messageId, { modelId, modelName });
    const conversation = this.#conversations.get(conversationId);
    if (conversation === undefined) throw new AppError('aborted', 'The chat was removed.');
    const path = pathTo(conversation, parentId);
    const { runtime, prompts, journal } = this.#options;
    const request: AnswerRequest = {
      modelId,
      model,
      messages: promptMessages(path),
      settings: this.#options.settings.value,
      conversation: this.#keepsReading ? conversationId : undefined,
      tools: this.#options.tools?.definitions() ?? [],
      signal: controller.signal,
      written: begun?.written ?? [],
      onToken: (token) => {
        written.push(token);
      },
      reduction: this.#options.reduction ?? (() => null),
      onActivity: (activity) => {
        this.#setActivity(activity);
      },
      onPart: (part) => {
        draft.append(part);
      },
    };
    const write = (): Promise<Answer> => writeAnswer(runtime, prompts, request);
    const { end, notices } = await (journal?.during(modelId, 'answering', write) ?? write());
    return {
      status: end.reason === 'aborted' ? 'stopped' : 'complete',
      finishReason: end.reason,
      stats: messageStats(end.stats, this.#options.watts?.() ?? null),
      notices: withoutRepeated(notices, path),
    };
  }

  /** Stopping the answer does not stop the load: the next question will want the model too. */
  async #readyModel(signal: AbortSignal): Promise<ReadyModel> {
    const ready = this.#options.ensureModel((fraction) => {
      if (!signal.aborted) this.#setActivity({ kind: 'loading-model', fraction });
    });
    await untilAborted(ready, signal);
    const state = this.#options.runtime.state.value;
    if (state.kind === 'ready') return state;
    throw new AppError('engine/not-loaded', 'No model is loaded. Choose one first.');
  }

  #failure(messageId: string, thrown: unknown): MessageChange {
    if (isAbortError(thrown)) return { status: 'stopped', finishReason: 'aborted' };
    const { code, message } = toAppError(thrown);
    this.#errors.set(messageId, errorView(thrown));
    return { status: 'failed', error: { code, message } };
  }

  get #keepsReading(): boolean {
    const { reading, settings } = this.#options;
    return reading !== undefined && settings.value.keepReading;
  }

  #refuseWhileRunning(): void {
    if (this.#running === null && !this.#starting) return;
    throw new AppError(
      'engine/busy',
      'An answer is still being written. Wait for it, or stop it first.',
    );
  }

  #openConversation(): Conversation | undefined {
    return this.#openId === null ? undefined : this.#conversations.get(this.#openId);
  }

  #needOpen(): Conversation {
    return this.#need(this.#openId ?? '');
  }

  #need(id: string): Conversation {
    const conversation = this.#conversations.get(id);
    if (conversation === undefined) {
      throw new AppError('store/not-found', 'This chat does not exist any more.');
    }
    return conversation;
  }

  #set(conversation: Conversation): void {
    this.#conversations.set(conversation.id, conversation);
    this.#refreshView();
  }

  #change(id: string, change: (conversation: Conversation) => Conversation): void {
    const conversation = this.#conversations.get(id);
    // A chat that was removed while it was being answered is gone.
    if (conversation !== undefined) this.#set(change(conversation));
  }

  #changeMessage(id: string, messageId: string, change: MessageChange): void {
    this.#change(id, (conversation) => updateMessage(conversation, messageId, change));
  }

  #setActivity(activity: ActivityView): void {
    const same = activity.kind === 'answering' && this.#activity.kind === 'answering';
    this.#activity = activity;
    if (!same) this.#refreshView();
  }

  #show(id: string | null): void {
    this.#choice += 1;
    this.#openId = id;
    this.#forgetUnused();
    this.#refreshView();
  }

  /** Conversations that are neither open nor being answered are on disk, unless it was full. */
  #forgetUnused(): void {
    for (const id of this.#conversations.keys()) {
      if (this.#unsaved.has(id)) continue;
      if (id === this.#openId || id === this.#running?.conversationId) continue;
      this.#conversations.delete(id);
      this.#saved.delete(id);
    }
  }

  #refreshView(): void {
    const conversation = this.#openConversation();
    if (conversation === undefined) {
      this.#current.set(newChat);
      return;
    }
    const here = this.#running?.conversationId === conversation.id;
    const path = activePath(conversation);
    const results = new Map(path.map(({ callId, text }) => [callId, text]));
    this.#current.set({
      id: conversation.id,
      title: conversation.title,
      messages: path
        .filter(({ role }) => role === 'user' || role === 'assistant')
        .map((message) => this.#messageView(conversation, message, results)),
      activity: here ? this.#activity : this.#elsewhere.has(conversation.id) ? elsewhere : idle,
    });
  }

  #messageView(
    conversation: Conversation,
    message: Message,
    results: ReadonlyMap<string | null, string>,
  ): MessageView {
    const { messages, index } = siblingsOf(conversation, message.id);
    const error =
      this.#errors.get(message.id) ??
      (message.error === null ? null : { ...message.error, details: {} });
    const last = message.id === conversation.activeLeafId;
    return {
      id: message.id,
      role: message.role === 'user' ? 'user' : 'assistant',
      text: message.text,
      reasoning: message.reasoning,
      calls: message.calls.map((call) => ({ ...call, result: results.get(call.id) ?? null })),
      status: message.status,
      error: error ?? (last ? (this.#unsaved.get(conversation.id) ?? null) : null),
      notices: message.notices as readonly NoticeCode[],
      stats: message.stats,
      modelName: message.modelName,
      continuable: last && isContinuable(message),
      version: { index, count: messages.length },
    };
  }

  /** Saves in the order of the calls; what could not be stored before is tried again with it. */
  #save(id: string): Promise<void> {
    this.#saving = this.#saving.then(async () => {
      for (const each of new Set([id, ...this.#unsaved.keys()])) await this.#saveNow(each);
    });
    return this.#saving;
  }

  async #saveNow(id: string): Promise<void> {
    const conversation = this.#conversations.get(id);
    const saved = this.#saved.get(id) ?? null;
    if (conversation === undefined || conversation === saved) return;
    try {
      await this.#options.store.save(conversation, saved);
      this.#saved.set(id, conversation);
      this.#options.tabs?.announce(id);
      if (this.#unsaved.delete(id)) this.#refreshView();
    } catch (error) {
      // The text stays on the screen and in memory; its last message says that it could not be kept.
      this.#unsaved.set(id, errorView(error));
      this.#refreshView();
    }
  }

  async #refreshSummaries(): Promise<void> {
    const { summaries } = await this.#options.store.list();
    const stored = new Set(summaries.map(({ id }) => id));
    const waiting = [...this.#conversations.values()].filter(
      ({ id }) => this.#unsaved.has(id) && !stored.has(id),
    );
    this.#summaries.set(
      [...waiting, ...summaries].map(({ id, title, updatedAt }) => ({ id, title, updatedAt })),
    );
  }
}

function begin(id: string, text: string): Conversation {
  return createConversation(id, titleFromText(text) ?? '', Date.now());
}

/** A notice about the model is told once in a chat; one about an answer each time. */
function withoutRepeated(notices: readonly NoticeCode[], path: readonly Message[]): NoticeCode[] {
  const told = new Set(path.flatMap((message) => message.notices));
  const once: ReadonlySet<NoticeCode> = new Set(['default-template', 'template-refused-system']);
  return notices.filter((notice) => !once.has(notice) || !told.has(notice));
}

/** An answer that was cut off, and of which is known where. */
function isContinuable({ status, finishReason, written = [] }: Message): boolean {
  if (written.length === 0) return false;
  return status === 'stopped' || status === 'failed' || finishReason === 'length';
}

function longer(a: readonly number[], b: readonly number[]): readonly number[] {
  return a.length >= b.length ? a : b;
}

function begunByAnother(modelName: string | null): AppError {
  return new AppError(
    'engine/other-model',
    `This answer was begun by ${modelName ?? 'another model'}. Choose that model to go on with it, or have it written again.`,
  );
}
