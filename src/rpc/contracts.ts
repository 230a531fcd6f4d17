/**
 * What each worker offers, as seen from the page. Types only: this file has no code.
 *
 * Every method rejects with `AppError`. Things that cannot cross a worker boundary are replaced:
 * streams travel over a MessagePort (`stream-channel.ts`), cancellation is a message on that port.
 */
import type { ChatTemplateRequest } from '../conversation/chat-template.ts';
import type { Precision } from '../engine/backend/backend.ts';
import type {
  EngineLoadOptions,
  EnginePrompt,
  GenerationRequest,
  LoadedModel,
  TokenReport,
} from '../engine/engine.ts';
import type { GgufHeaderMessage } from '../engine/formats/gguf/header-message.ts';
import type { LibraryEntry } from '../download/library-entry.ts';
import type { AddModelRequest } from '../download/model-request.ts';

/**
 * Where a worker finds a model's bytes: in the database every worker can open, or behind a port to
 * the store worker where this browser keeps nothing.
 */
export type ModelReference =
  | { readonly kind: 'stored'; readonly id: string }
  | ({ readonly kind: 'port'; readonly port: MessagePort } & ServedBytes);

/** Bytes that can be read through a port: how many, and of which files where there are several. */
export interface ServedBytes {
  readonly size: number;
  readonly partSizes: readonly number[];
}

export interface EngineLoadRequest {
  readonly model: ModelReference;
  readonly options: EngineLoadOptions;
}

/** Values on the port of `load`. */
export type LoadEvent =
  | { readonly kind: 'progress'; readonly bytesDone: number; readonly bytesTotal: number }
  | { readonly kind: 'loaded'; readonly model: LoadedModel };

/** `workers/engine.worker.ts` */
export interface EngineApi {
  /**
   * Loads a model, replacing the one before. `header` delivers one `GgufHeaderMessage` parsed in
   * the sandbox; `events` carries a stream of `LoadEvent`.
   */
  load(request: EngineLoadRequest, header: MessagePort, events: MessagePort): Promise<void>;
  /** `events` carries a stream of `EngineEvent`. */
  generate(request: GenerationRequest, events: MessagePort): Promise<void>;
  promptTokens(prompt: EnginePrompt): number[];
  score(tokens: readonly number[], topLogprobs: number): Promise<readonly TokenReport[]>;
  setPrecision(precision: Precision): void;
  tokenize(
    text: string,
    options: { readonly special: boolean; readonly boundary: boolean },
  ): number[];
  detokenize(tokens: readonly number[], options: { readonly special: boolean }): string;
}

export type { GgufHeaderMessage };

/** `workers/store.worker.ts`: the only worker that may connect elsewhere. */
export interface StoreApi {
  list(): Promise<readonly LibraryEntry[]>;
  /** Calls back with all entries at once and on every change, for as long as the worker lives. */
  observe(listener: (entries: readonly LibraryEntry[]) => void): Promise<void>;
  add(request: AddModelRequest): Promise<string>;
  pause(id: string): Promise<void>;
  resume(id: string): Promise<void>;
  cancel(id: string): Promise<void>;
  remove(id: string): Promise<void>;
  verify(id: string): Promise<void>;
  /** Whether storage outlives this window. */
  kept(): Promise<boolean>;
  /** Answers reads of a ready model on the port. */
  serveBytes(id: string, port: MessagePort): Promise<ServedBytes>;
}

/** `workers/sandbox.worker.ts`: made for one call, ended after it, cannot connect anywhere. */
export interface SandboxApi {
  /** Parses the header of a stored model and posts one `GgufHeaderMessage` on `header`. */
  readHeader(model: ModelReference, header: MessagePort): Promise<void>;
  renderTemplate(request: ChatTemplateRequest): Promise<{ readonly text: string }>;
}
