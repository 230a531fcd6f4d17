/** The browser's view of this site's storage. Estimates overstate; they are shown as "about". */

export interface StorageEstimateView {
  readonly usageBytes: number | null;
  readonly quotaBytes: number | null;
  readonly persisted: boolean | null;
  /** Of databases, and of caches and the service worker; null where the browser does not tell. */
  readonly recordBytes: number | null;
  readonly appBytes: number | null;
}

/** What Chromium adds to an estimate, in bytes by kind of storage. */
interface DetailedEstimate extends StorageEstimate {
  readonly usageDetails?: Readonly<Partial<Record<UsageKind, number>>>;
}

type UsageKind = 'indexedDB' | 'caches' | 'serviceWorkerRegistrations' | 'fileSystem';

const unknownEstimate: StorageEstimateView = {
  usageBytes: null,
  quotaBytes: null,
  persisted: null,
  recordBytes: null,
  appBytes: null,
};

/** What `navigator.storage` says, null where it says nothing (insecure origin, private window). */
export async function estimateStorage(): Promise<StorageEstimateView> {
  // Absent outside secure contexts, whatever the type library says.
  const storage = navigator.storage as StorageManager | undefined;
  if (storage === undefined) return unknownEstimate;
  try {
    const [estimate, persisted]: [DetailedEstimate, boolean] = await Promise.all([
      storage.estimate(),
      storage.persisted(),
    ]);
    const details = estimate.usageDetails;
    return {
      recordBytes: details === undefined ? null : (details.indexedDB ?? 0),
      appBytes:
        details === undefined
          ? null
          : (details.caches ?? 0) + (details.serviceWorkerRegistrations ?? 0),
      usageBytes: estimate.usage ?? null,
      quotaBytes: estimate.quota ?? null,
      persisted,
    };
  } catch {
    // Private windows of some browsers reject both calls: the honest answer is "unknown".
    return unknownEstimate;
  }
}

/** How long a browser may take to answer: Firefox asks the user and may never settle. */
const PERSIST_ANSWER_MS = 30_000;

/** Asks the browser not to evict this site's data. Call it in a user gesture. */
export async function requestPersistence(): Promise<boolean> {
  const storage = navigator.storage as StorageManager | undefined;
  if (storage === undefined) return false;
  const late = new Promise<boolean>((resolve) => {
    setTimeout(() => {
      resolve(false);
    }, PERSIST_ANSWER_MS);
  });
  return Promise.race([storage.persist().catch(() => false), late]);
}
