/**
 * What the person allowed to which site, kept in localStorage. In a frame of another site that is the
 * storage of Hermit inside that site, so that no site's choice is seen in another one.
 */
const STORAGE_KEY = 'hermit.sites';

/** `connected`: was shown and accepted; `api`: may use the models. */
export interface SiteChoice {
  readonly connected: boolean;
  readonly api: boolean;
}

const nothing: SiteChoice = { connected: false, api: false };

export class SiteMemory {
  readonly #storage: Pick<Storage, 'getItem' | 'setItem'> | null;
  /** Where nothing can be kept, choices hold until the page is left. */
  #choices: Record<string, SiteChoice>;

  constructor(storage: Pick<Storage, 'getItem' | 'setItem'> | null) {
    this.#storage = storage;
    this.#choices = this.#read();
  }

  of(origin: string): SiteChoice {
    return Object.hasOwn(this.#choices, origin) ? (this.#choices[origin] ?? nothing) : nothing;
  }

  change(origin: string, change: Partial<SiteChoice>): void {
    this.#choices = { ...this.#read(), [origin]: { ...this.of(origin), ...change } };
    try {
      this.#storage?.setItem(STORAGE_KEY, JSON.stringify(this.#choices));
    } catch {
      // A full or blocked localStorage costs only that the person is asked again.
    }
  }

  #read(): Record<string, SiteChoice> {
    try {
      const value: unknown = JSON.parse(this.#storage?.getItem(STORAGE_KEY) ?? '{}');
      if (typeof value !== 'object' || value === null) return {};
      return Object.fromEntries(
        Object.entries(value).map(([origin, choice]: [string, unknown]) => {
          const { connected, api } = (choice ?? {}) as Partial<Record<keyof SiteChoice, unknown>>;
          return [origin, { connected: connected === true, api: api === true }];
        }),
      );
    } catch {
      // Blocked or damaged: the person is asked again, which is the safe side.
      return {};
    }
  }
}
