/**
 * The globals that every place Hermit's code runs in has: page, worker and Node.
 *
 * `src/common` and `src/engine` are compiled against the ECMAScript library and this file alone, so
 * that the DOM, storage and the network do not even have names there.
 */

interface AbortSignal {
  readonly aborted: boolean;
  readonly reason: unknown;
  addEventListener(type: 'abort', listener: () => void, options?: { once?: boolean }): void;
  removeEventListener(type: 'abort', listener: () => void): void;
  throwIfAborted(): void;
}

declare class AbortController {
  readonly signal: AbortSignal;
  abort(reason?: unknown): void;
}

declare class TextEncoder {
  encode(text?: string): Uint8Array<ArrayBuffer>;
  encodeInto(text: string, target: Uint8Array): { read: number; written: number };
}

declare class TextDecoder {
  constructor(label?: string, options?: { fatal?: boolean; ignoreBOM?: boolean });
  decode(bytes?: ArrayBufferView | ArrayBuffer, options?: { stream?: boolean }): string;
}

declare const performance: {
  now(): number;
  measure(
    name: string,
    options: { readonly start: number; readonly duration: number; readonly detail?: unknown },
  ): unknown;
  clearMeasures(name: string): void;
};
declare function setTimeout(callback: () => void, milliseconds?: number): number;
declare function clearTimeout(timer: number | undefined): void;
/** Bytes of a base64 text, as characters. */
declare function atob(encoded: string): string;
declare function queueMicrotask(callback: () => void): void;

declare const console: Record<'debug' | 'info' | 'warn' | 'error', (...values: unknown[]) => void>;

interface MessagePort {
  onmessage: ((event: { readonly data: unknown }) => void) | null;
  postMessage(value: unknown): void;
  close(): void;
}

declare class MessageChannel {
  readonly port1: MessagePort;
  readonly port2: MessagePort;
}

declare namespace WebAssembly {
  class Memory {
    constructor(descriptor: { initial: number; maximum?: number; shared?: boolean });
    readonly buffer: ArrayBuffer | SharedArrayBuffer;
    grow(pages: number): number;
  }
  class Module {
    constructor(bytes: BufferSource);
  }
  class Instance {
    constructor(module: Module, imports?: Record<string, Record<string, unknown>>);
    readonly exports: Record<string, unknown>;
  }
  type BufferSource = ArrayBuffer | ArrayBufferView;
  function validate(bytes: BufferSource): boolean;
  function compile(bytes: BufferSource): Promise<Module>;
}
