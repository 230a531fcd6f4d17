import type { Page } from 'playwright-core';

export interface IsolatedSite {
  readonly url: string;
  close(): void;
}

/** A cross-origin isolated page with the kernels and one worker, a module given by its path. */
export function serveIsolated(
  worker: string,
  more?: Readonly<
    Record<string, { readonly type: string; readonly body: string | Uint8Array<ArrayBuffer> }>
  >,
): Promise<IsolatedSite>;

/** Starts the page's worker, sends it `data` and waits for its one answer. */
export function runInWorker(page: Page, data: unknown): Promise<unknown>;
