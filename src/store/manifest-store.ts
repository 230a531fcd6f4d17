import type { ManifestTables } from './manifest.ts';

/**
 * Where the manifest lives. One contract suite (`test/contract/store`) holds for every
 * implementation.
 *
 * The tables are small (some kilobytes a model), so a change reads them all, edits them in one
 * synchronous step and writes back the records that were replaced: one atomic transaction.
 */
export interface ManifestStore {
  /** A snapshot; changing it changes nothing stored. */
  read(): Promise<ManifestTables>;
  /**
   * Resolves with what `edit` returned after everything it changed is durably on disk; when `edit`
   * throws, nothing was changed. `edit` may run again after a lost connection.
   * @throws AppError `store/unavailable`, `store/quota`, `store/closed`
   */
  change<T>(edit: (tables: ManifestTables) => T): Promise<T>;
  close(): void;
}
