/** The application as a whole, for the user interface: network, storage, device, updates, installing. */
import { ObservableValue, type Observable } from '../common/observable.ts';
import type { Capabilities } from '../platform/capabilities.ts';
import { observeOnline } from '../platform/network.ts';
import { estimateStorage, requestPersistence } from '../platform/storage-estimate.ts';
import type { InstallPrompt } from '../pwa/install-prompt.ts';
import type { UpdateController } from '../pwa/update-controller.ts';
import type { AppNoticeView, AppService, DeviceView, StorageView } from '../ui/services.ts';
import type { AppNotices } from './notices.ts';

export interface AppServiceOptions {
  readonly version: string;
  readonly capabilities: Promise<Capabilities>;
  readonly updates: UpdateController;
  readonly installing: InstallPrompt;
  readonly notices: AppNotices;
  /** Whether models and chats outlive this window. */
  readonly kept: () => Promise<boolean>;
  /** What models have read of chats. */
  readonly reading: { usage(): Promise<number>; clear(): Promise<void> };
}

export class BrowserAppService implements AppService {
  readonly version: string;
  readonly online = observeOnline();
  readonly #options: AppServiceOptions;
  readonly #device = new ObservableValue<DeviceView | null>(null);
  readonly #storage = new ObservableValue<StorageView>({
    usageBytes: null,
    quotaBytes: null,
    persisted: null,
    readingBytes: null,
    recordBytes: null,
    appBytes: null,
    kept: true,
  });

  constructor(options: AppServiceOptions) {
    this.#options = options;
    this.version = options.version;
    void options.capabilities.then((capabilities) => {
      this.#device.set(capabilities);
    });
  }

  get notices(): AppService['notices'] {
    return this.#options.notices.shown;
  }
  get storage(): Observable<StorageView> {
    return this.#storage;
  }
  get device(): Observable<DeviceView | null> {
    return this.#device;
  }
  get update(): AppService['update'] {
    return this.#options.updates.state;
  }
  get install(): AppService['install'] {
    return this.#options.installing.state;
  }

  dismissNotice(kind: AppNoticeView['kind']): void {
    this.#options.notices.dismiss(kind);
  }

  reload(): void {
    location.reload();
  }

  capabilities(): Promise<Capabilities> {
    return this.#options.capabilities;
  }

  applyUpdate(): Promise<void> {
    this.#options.updates.apply();
    return Promise.resolve();
  }

  async promptInstall(): Promise<void> {
    await this.#options.installing.prompt();
  }

  async requestPersistence(): Promise<boolean> {
    const granted = await requestPersistence();
    await this.refreshStorage();
    return granted;
  }

  async refreshStorage(): Promise<void> {
    const [estimate, kept, readingBytes] = await Promise.all([
      estimateStorage(),
      this.#options.kept(),
      // Where the browser keeps nothing there is nothing of it either.
      this.#options.reading.usage().catch(() => null),
    ]);
    this.#storage.set({ ...estimate, kept, readingBytes });
  }

  async clearReading(): Promise<void> {
    await this.#options.reading.clear();
    await this.refreshStorage();
  }
}
