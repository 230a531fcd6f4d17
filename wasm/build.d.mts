/** One compiled module in `build/wasm/`. */
export interface BuiltWasm {
  readonly name: 'simd' | 'relaxed';
  /** Whether it takes a memory that threads share. */
  readonly shared: boolean;
  readonly file: string;
  readonly bytes: number;
  readonly sha256: string;
  readonly abi: number;
}

export interface WasmManifest {
  readonly key: string;
  readonly abi: number;
  readonly compiler: string;
  readonly flags: Readonly<Record<'simd' | 'relaxed', string>>;
  readonly files: readonly BuiltWasm[];
}

/** Builds what is not built yet into `build/wasm/`. */
export function buildWasm(): Promise<WasmManifest>;

/** Absolute path of a file that `buildWasm` wrote, for example `hermit-simd.wasm`. */
export function builtFile(file: string): string;

/** Compiles C files (path to text) to one module with the given flags. */
export function compileC(
  files: Readonly<Record<string, string>>,
  flags: readonly string[],
): Promise<Uint8Array<ArrayBuffer>>;
