import plainSharedUrl from '../build/wasm/hermit-simd-shared.wasm?url';
import plainUrl from '../build/wasm/hermit-simd.wasm?url';
import relaxedSharedUrl from '../build/wasm/hermit-relaxed-shared.wasm?url';
import relaxedUrl from '../build/wasm/hermit-relaxed.wasm?url';
import { AppError } from '../src/common/errors.ts';
import type { KernelVariant, MemoryKind } from '../src/engine/backend/wasm/create-wasm-backend.ts';

const urls: Record<KernelVariant, Record<MemoryKind, string>> = {
  plain: { private: plainUrl, shared: plainSharedUrl },
  relaxed: { private: relaxedUrl, shared: relaxedSharedUrl },
};

/** The bytes of a kernel build: an asset of this very version of the application. */
export async function fetchKernels(
  variant: KernelVariant,
  memory: MemoryKind,
): Promise<Uint8Array<ArrayBuffer>> {
  const response = await fetch(urls[variant][memory]);
  if (!response.ok) {
    throw new AppError(
      'engine/asset-mismatch',
      'A part of the application is missing, probably because an update is under way. Reload the page.',
      { details: { status: response.status } },
    );
  }
  return new Uint8Array(await response.arrayBuffer());
}
