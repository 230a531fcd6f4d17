import { toAppError } from '../common/errors.ts';
import type { ErrorView, InspectionTarget, ModelView } from './services.ts';

/**
 * What a component may ask of the shell around it, as composed events: say something to a screen
 * reader, show a problem, ask a question, open the dialog for URLs, go somewhere.
 */

export interface ConfirmationOptions {
  readonly heading: string;
  readonly body: string;
  readonly confirmLabel: string;
  readonly danger: boolean;
}

export interface ConfirmationRequest extends ConfirmationOptions {
  /** Called once with the answer. */
  readonly answer: (confirmed: boolean) => void;
}

/** A model to look into, and what to call it while it is being read. */
export interface InspectionRequest {
  readonly target: InspectionTarget;
  readonly name: string;
}

export interface RequestEventMap {
  'hermit-announce': CustomEvent<string>;
  'hermit-problem': CustomEvent<ErrorView>;
  'hermit-confirm': CustomEvent<ConfirmationRequest>;
  'hermit-add-url': CustomEvent<null>;
  'hermit-add-file': CustomEvent<null>;
  'hermit-add-folder': CustomEvent<null>;
  'hermit-model-added': CustomEvent<string>;
  'hermit-hint': CustomEvent<string>;
  'hermit-make-smaller': CustomEvent<ModelView>;
  'hermit-inspect': CustomEvent<InspectionRequest>;
}

declare global {
  // eslint-disable-next-line typescript/no-empty-object-type
  interface HTMLElementEventMap extends RequestEventMap {}
}

function request<K extends keyof RequestEventMap>(
  host: EventTarget,
  type: K,
  detail: RequestEventMap[K]['detail'],
): void {
  host.dispatchEvent(new CustomEvent(type, { detail, bubbles: true, composed: true }));
}

/** Says `text` in the polite live region. */
export function announce(host: EventTarget, text: string): void {
  request(host, 'hermit-announce', text);
}

/** Shows what went wrong until the person dismisses it. A stop the person asked for is no problem. */
export function reportProblem(host: EventTarget, thrown: unknown): void {
  const error = toErrorView(thrown);
  if (error.code !== 'aborted') request(host, 'hermit-problem', error);
}

/** What was thrown, as components show it. */
export function toErrorView(thrown: unknown): ErrorView {
  const { code, message, details } = toAppError(thrown);
  return { code, message, details };
}

/** Awaits an action of the services and shows its failure. Resolves `undefined` when it failed. */
export async function perform<T>(host: EventTarget, action: Promise<T>): Promise<T | undefined> {
  try {
    return await action;
  } catch (thrown) {
    reportProblem(host, thrown);
    return undefined;
  }
}

/** Asks in a modal dialog; resolves false when dismissed. */
export function askConfirmation(host: EventTarget, options: ConfirmationOptions): Promise<boolean> {
  return new Promise((resolve) => {
    request(host, 'hermit-confirm', { ...options, answer: resolve });
  });
}

/** Opens the dialog that adds a model by URL. */
export function requestAddUrl(host: EventTarget): void {
  request(host, 'hermit-add-url', null);
}

/** Opens the inspector for a model, here or elsewhere. */
export function requestInspection(host: EventTarget, inspection: InspectionRequest): void {
  request(host, 'hermit-inspect', inspection);
}

/** Opens the picker for a model file on this device. */
export function requestAddFile(host: EventTarget): void {
  request(host, 'hermit-add-file', null);
}

/** Opens the picker for a model's folder on this device. */
export function requestAddFolder(host: EventTarget): void {
  request(host, 'hermit-add-folder', null);
}

/** Opens the dialog that makes a smaller version of a model. */
export function requestSmaller(host: EventTarget, model: ModelView): void {
  request(host, 'hermit-make-smaller', model);
}

/** Tells the shell that the person added a model, so that it can be made ready to answer. */
export function modelAdded(host: EventTarget, id: string): void {
  request(host, 'hermit-model-added', id);
}

/** Shows a sentence that needs no decision, until it is dismissed. */
export function showHint(host: EventTarget, text: string): void {
  request(host, 'hermit-hint', text);
}
