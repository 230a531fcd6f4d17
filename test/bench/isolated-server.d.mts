import type { Page } from 'playwright-core';

export interface IsolatedSite {
  readonly url: string;
  close(): void;
}

/** In memory or on disk. */
export type ServedFile =
  | { readonly type: string; readonly body: string | Uint8Array<ArrayBuffer> }
  | { readonly type: string; readonly file: string };

/**
 * A page with the kernels and one worker, a module given by its path.
 * @param isolated false: without the headers, as a host that cannot set any; true unless given
 */
export function serveIsolated(
  worker: string,
  more?: Readonly<Record<string, ServedFile>>,
  isolated?: boolean,
): Promise<IsolatedSite>;

/** Starts the page's worker, sends it `data` and waits for its one answer. */
export function runInWorker(page: Page, data: unknown): Promise<unknown>;

/** Starts the page's worker, which answers each message. */
export function startWorker(
  page: Page,
): Promise<{ ask(data: unknown): Promise<unknown>; end(): Promise<void> }>;
