/**
 * What each worker offers, as seen from the page. Types only: this file has no code.
 *
 * Every method rejects with `AppError`. Things that cannot cross a worker boundary are replaced:
 * streams travel over a MessagePort (`stream-channel.ts`), cancellation is a message on that port.
 */
import type { ChatTemplateRequest } from '../conversation/chat-template.ts';
import type {
  EngineLoadOptions,
  EnginePrompt,
  GenerationRequest,
  LoadedModel,
  TokenReport,
} from '../engine/engine.ts';
import type { ExecutionPlan, ExecutionStatus } from '../engine/execution-plan.ts';
import type { StepProfile } from '../engine/step-profile.ts';
import type { EmbedderLoadOptions, EmbeddingRequest, LoadedEmbedder } from '../engine/embedder.ts';
import type { GgufHeaderMessage } from '../engine/formats/gguf/header-message.ts';
import type { HeaderFacts, ModelUse } from '../engine/inspection/inspect-model.ts';
import type { ModelInspection } from '../engine/inspection/model-inspection.ts';
import type { HubRepository, HubSearchResult } from '../download/hub-api.ts';
import type { HubFile } from '../download/hub-source.ts';
import type { LibraryEntry } from '../download/library-entry.ts';
import type { AddModelRequest, MadeModel } from '../download/model-request.ts';
import type { ConversionPlan } from '../engine/conversion/conversion-plan.ts';
import type { Recipe } from '../engine/quantise/recipe.ts';
import type { QuantiseJobEvent } from '../engine/quantise/quantise-job.ts';
import type { QuantiseReport } from '../engine/quantise/quantise-model.ts';
import type { RecipeEstimate } from '../engine/quantise/estimate.ts';

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

export interface EmbedderLoadRequest {
  readonly model: ModelReference;
  readonly options: EmbedderLoadOptions;
}

/** Values on the port of `load` and `loadEmbedder`. */
export type LoadEvent<M = LoadedModel> =
  | { readonly kind: 'progress'; readonly bytesDone: number; readonly bytesTotal: number }
  | { readonly kind: 'loaded'; readonly model: M };

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
  /** How to compute from the next token on, in the middle of an answer too. */
  applyPlan(plan: ExecutionPlan): void;
  execution(): ExecutionStatus;
  /** Watches a few tokens of the loaded model part by part. */
  profile(): Promise<StepProfile>;
  tokenize(
    text: string,
    options: { readonly special: boolean; readonly boundary: boolean },
  ): number[];
  detokenize(tokens: readonly number[], options: { readonly special: boolean }): string;
}

/**
 * `workers/engine.worker.ts` too, in a second worker: an embedding model beside the one that answers.
 */
export interface EmbedderApi {
  /** As `EngineApi.load`; `events` carries a stream of `LoadEvent<LoadedEmbedder>`. */
  loadEmbedder(
    request: EmbedderLoadRequest,
    header: MessagePort,
    events: MessagePort,
  ): Promise<void>;
  /** `events` carries a stream of `EmbeddingEvent`. */
  embed(request: EmbeddingRequest, events: MessagePort): Promise<void>;
  tokenizeInput(
    text: string,
    options: { readonly special: boolean; readonly boundary: boolean },
  ): number[];
  detokenizeInput(tokens: readonly number[], options: { readonly special: boolean }): string;
}

export type { GgufHeaderMessage, LoadedEmbedder };

/** A model that is not on this device, as far as its place tells. */
export interface RemoteModelInfo extends ServedBytes {
  readonly name: string;
  readonly files: readonly { readonly fileName: string; readonly bytes: number | null }[];
  readonly licence: string | null;
}

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
  /** Calls back when another tab brings a newer database, after which this one can do nothing. */
  onSuperseded(listener: () => void): Promise<void>;
  /** Lists a model that another worker makes and stores what comes on the port (`bytes-channel.ts`). */
  addMade(made: MadeModel, bytes: MessagePort): Promise<string>;
  /** The files of a ready model; their bytes stay where they are stored. */
  exportFiles(id: string): Promise<readonly File[]>;
  /**
   * Whom to ask whether a model can be used, as soon as its header is here: `read` parses it in the
   * sandbox through the port, and rejects with why not.
   */
  readHeadersWith(read: (bytes: ServedBytes, port: MessagePort) => Promise<HeaderFacts>): void;
  /** Another server that speaks the hub's protocol, from now on. */
  useHub(url: string): Promise<void>;
  searchHub(query: string): Promise<readonly HubSearchResult[]>;
  openHubRepository(repository: string): Promise<HubRepository>;
  /** Opens a model elsewhere and answers reads of it on the port, until that is closed. */
  serveRemote(request: AddModelRequest, port: MessagePort): Promise<RemoteModelInfo>;
  /** The same for one file of a repository that is read to its end: with patience, and ahead. */
  serveHubFile(file: HubFile, port: MessagePort): Promise<{ readonly size: number }>;
  /** Answers reads of a ready model on the port. */
  serveBytes(id: string, port: MessagePort): Promise<ServedBytes>;
}

export interface QuantiseRequest {
  readonly model: ModelReference;
  readonly recipe: Recipe;
  readonly calibration: QuantiseCalibration | null;
}

/**
 * A file of a model's folder by its path in it: one of the person's, or one elsewhere behind a port to
 * the store worker.
 */
export type FolderFile = { readonly path: string } & (
  | { readonly kind: 'local'; readonly content: Blob }
  | { readonly kind: 'remote'; readonly port: MessagePort; readonly size: number }
);

/** What the sandbox says of a folder: how to convert it, and the header of what comes out. */
export interface ConversionMessage {
  readonly plan: ConversionPlan;
  readonly header: GgufHeaderMessage;
}

/** The weights of a folder in safetensors; without a recipe its tensors keep their types. */
export interface ConversionRequest {
  readonly files: readonly FolderFile[];
  readonly recipe: Recipe | null;
}

/** A text to run through the model, or a text or importance file of the person's. */
export interface QuantiseCalibration {
  readonly name: string;
  readonly from: string | Uint8Array;
  /** Memory the model may use while it reads the text. */
  readonly budgetBytes: number;
}

/** Values on the port of `quantise`; once it is planned, bytes can be taken. */
export type QuantiseEvent =
  QuantiseJobEvent | { readonly kind: 'done'; readonly report: QuantiseReport };

/** Values on the port of `estimate`. */
export type EstimateEvent =
  | { readonly kind: 'progress'; readonly fraction: number }
  | { readonly kind: 'done'; readonly recipes: readonly RecipeEstimate[] };

/** `workers/quantise.worker.ts`: made for one model, ended after it. `header` as for `EngineApi.load`. */
export interface QuantiseApi {
  /** What each recipe that makes the model smaller would give; `events` carries `EstimateEvent`. */
  estimate(model: ModelReference, header: MessagePort, events: MessagePort): Promise<void>;
  /** `bytes` carries the new file (`bytes-channel.ts`), `events` a stream of `QuantiseEvent`. */
  quantise(
    request: QuantiseRequest,
    header: MessagePort,
    bytes: MessagePort,
    events: MessagePort,
  ): Promise<void>;
  /** The same from a folder that is no GGUF file yet; `plan` delivers one `ConversionMessage`. */
  convert(
    request: ConversionRequest,
    plan: MessagePort,
    bytes: MessagePort,
    events: MessagePort,
  ): Promise<void>;
}

/** `workers/sandbox.worker.ts`: made for one call, ended after it, cannot connect anywhere. */
export interface SandboxApi {
  /** Parses the header of a stored model and posts one `GgufHeaderMessage` on `header`. */
  readHeader(model: ModelReference, header: MessagePort): Promise<void>;
  /** Reads the files of a model's folder and posts one `ConversionMessage` on `plan`. */
  planConversion(name: string, files: readonly FolderFile[], plan: MessagePort): Promise<void>;
  /** Resolves when the header that was read has been received, until when the worker must live. */
  headerReceived(): Promise<void>;
  /** What the header of a stored model says it is for, and the memory it will take. */
  readUse(model: ModelReference): Promise<ModelUse>;
  /** Everything a header tells. */
  inspect(model: ModelReference): Promise<ModelInspection>;
  /** Rejects with why a model cannot be used with this much memory, in bytes. */
  refuseUnusable(model: ModelReference, budgetBytes: number): Promise<HeaderFacts>;
  renderTemplate(request: ChatTemplateRequest): Promise<{ readonly text: string }>;
}
