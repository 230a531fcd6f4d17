import manifest from '../build/wasm/manifest.json?raw';
import plainSharedUrl from '../build/wasm/hermit-simd-shared.wasm?url';
import plainUrl from '../build/wasm/hermit-simd.wasm?url';
import relaxedSharedUrl from '../build/wasm/hermit-relaxed-shared.wasm?url';
import relaxedUrl from '../build/wasm/hermit-relaxed.wasm?url';
import { toHex } from '../src/common/bytes.ts';
import { AppError } from '../src/common/errors.ts';
import type { KernelVariant, MemoryKind } from '../src/engine/backend/wasm/create-wasm-backend.ts';

const urls: Record<KernelVariant, Record<MemoryKind, string>> = {
  plain: { private: plainUrl, shared: plainSharedUrl },
  relaxed: { private: relaxedUrl, shared: relaxedSharedUrl },
};

interface KernelBuild {
  readonly name: 'simd' | 'relaxed';
  readonly shared: boolean;
  readonly sha256: string;
}

const { files } = JSON.parse(manifest) as { readonly files: readonly KernelBuild[] };

/**
 * The bytes of a kernel build: an asset of this very version of the application, which its hash tells
 * from that of another one.
 */
export async function fetchKernels(
  variant: KernelVariant,
  memory: MemoryKind,
): Promise<Uint8Array<ArrayBuffer>> {
  const response = await fetch(urls[variant][memory]);
  if (!response.ok) throw mismatch({ status: response.status });
  const bytes = new Uint8Array(await response.arrayBuffer());
  const name = variant === 'plain' ? 'simd' : variant;
  const build = files.find((file) => file.name === name && file.shared === (memory === 'shared'));
  // Pages served without TLS have no Web Crypto; there the number of the interface must do.
  const checkable = typeof crypto.subtle !== 'undefined';
  if (checkable && build?.sha256 !== (await sha256(bytes))) throw mismatch({ variant, memory });
  return bytes;
}

async function sha256(bytes: Uint8Array<ArrayBuffer>): Promise<string> {
  return toHex(new Uint8Array(await crypto.subtle.digest('SHA-256', bytes)));
}

function mismatch(details: Readonly<Record<string, string | number>>): AppError {
  return new AppError(
    'engine/asset-mismatch',
    'A part of the application is missing or of another version, probably because an update is under way. Reload the page.',
    { details },
  );
}
