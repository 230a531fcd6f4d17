import { ContextConsumer } from '@lit/context';
import { updateWhenLocaleChanges } from '@lit/localize';
import { LitElement } from 'lit';
import type { ReactiveController } from 'lit';
import type { Observable } from '../common/observable.ts';
import { servicesContext } from './context.ts';
import type { Services } from './services.ts';

/** A component that speaks the chosen language and may use the services. */
export abstract class HermitElement extends LitElement {
  readonly #services = new ContextConsumer(this, { context: servicesContext, subscribe: true });

  constructor() {
    super();
    updateWhenLocaleChanges(this);
  }

  /** The services; only while connected below an element that provides them. */
  get services(): Services {
    const services = this.#services.value;
    if (services === undefined) throw new Error(`<${this.localName}> found no services above it.`);
    return services;
  }
}

/**
 * Keeps a component up to date with one observable of the services while it is connected.
 *
 * `onChange` is for effects; it is not called for the value at connection.
 */
export class Observed<T> implements ReactiveController {
  readonly #host: HermitElement;
  readonly #select: (services: Services) => Observable<T>;
  readonly #onChange: ((value: T) => void) | undefined;
  #observable: Observable<T> | undefined;
  #stop: (() => void) | undefined;

  constructor(
    host: HermitElement,
    select: (services: Services) => Observable<T>,
    onChange?: (value: T) => void,
  ) {
    this.#host = host;
    this.#select = select;
    this.#onChange = onChange;
    host.addController(this);
  }

  get value(): T {
    this.#observable ??= this.#select(this.#host.services);
    return this.#observable.value;
  }

  hostConnected(): void {
    this.#observable = this.#select(this.#host.services);
    this.#stop = this.#observable.subscribe((value) => {
      this.#host.requestUpdate();
      this.#onChange?.(value);
    });
  }

  hostDisconnected(): void {
    this.#stop?.();
    this.#stop = undefined;
    this.#observable = undefined;
  }
}
