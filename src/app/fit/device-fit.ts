/** What is to be expected of models on this device: its class, its own measurements and the list. */
import type { Capabilities } from '../../platform/capabilities.ts';
import type { KeyValueStorage } from '../settings.ts';
import { DeviceList, type DeviceEntry } from './device-list.ts';
import { ModelFit } from './model-fit.ts';
import { OwnSpeeds } from './own-speeds.ts';

export interface DeviceFitOptions {
  readonly storage: KeyValueStorage | null;
  /** Of Hermit. */
  readonly build: string;
  readonly budgetBytes: () => number;
  readonly contextLength: () => number;
  readonly capabilities: Promise<Pick<Capabilities, 'deviceClass'>>;
  /** The list of devices; same origin, precached. */
  readonly readDevices: () => Promise<unknown>;
}

export class DeviceFit {
  readonly own: OwnSpeeds;
  readonly models: ModelFit;
  readonly #options: DeviceFitOptions;
  #expected: DeviceEntry | null = null;

  constructor(options: DeviceFitOptions) {
    this.#options = options;
    this.own = new OwnSpeeds(options.storage, options.build);
    this.models = new ModelFit({
      budgetBytes: options.budgetBytes,
      contextLength: options.contextLength,
      own: this.own,
      expected: () => this.#expected,
    });
  }

  /** Learns the class of this device; without the list only what it measures itself is told. */
  async start(): Promise<void> {
    const { capabilities, readDevices } = this.#options;
    const { deviceClass } = await capabilities;
    this.own.useClass(deviceClass);
    const list = new DeviceList(await readDevices().catch(() => null));
    this.#expected = list.find(deviceClass);
  }
}
