import plainUrl from '../build/wasm/hermit-simd.wasm?url';
import relaxedUrl from '../build/wasm/hermit-relaxed.wasm?url';
import { AppError } from '../src/common/errors.ts';

/** The bytes of a kernel build: an asset of this very version of the application. */
export async function fetchKernels(variant: 'plain' | 'relaxed'): Promise<Uint8Array<ArrayBuffer>> {
  const response = await fetch(variant === 'relaxed' ? relaxedUrl : plainUrl);
  if (!response.ok) {
    throw new AppError(
      'engine/asset-mismatch',
      'A part of the application is missing, probably because an update is under way. Reload the page.',
      { details: { status: response.status } },
    );
  }
  return new Uint8Array(await response.arrayBuffer());
}
