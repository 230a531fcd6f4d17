import { describe, expect, it } from 'vitest';
import { BufferByteSource, type ByteSource } from '../common/byte-source.ts';
import { MEBIBYTE } from '../common/bytes.ts';
import { AppError } from '../common/errors.ts';
import { PatientByteSource } from './patient-byte-source.ts';
import type { Clock } from './retry.ts';

const bytes = new Uint8Array(40 * MEBIBYTE).map((_, index) => index % 251);
const { signal } = new AbortController();

interface Remote {
  readonly source: PatientByteSource;
  readonly requests: { readonly offset: number; readonly length: number }[];
  readonly waits: number[];
}

/** @param failures codes that the first requests fail with */
function remote(...failures: readonly ('download/network' | 'download/not-found')[]): Remote {
  const [requests, waits]: [Remote['requests'], number[]] = [[], []];
  const whole = new BufferByteSource(bytes);
  const source: ByteSource = {
    size: whole.size,
    read: (offset, length) => {
      const code = failures[requests.length];
      requests.push({ offset, length });
      if (code !== undefined) return Promise.reject(new AppError(code, 'It failed.'));
      return whole.read(offset, length);
    },
  };
  const clock: Clock = {
    now: () => 0,
    random: () => 0.5,
    sleep: (milliseconds) => {
      waits.push(milliseconds);
      return Promise.resolve();
    },
  };
  return { source: new PatientByteSource(source, clock, signal), requests, waits };
}

describe('PatientByteSource', () => {
  it('fetches ahead what is read in order, at most 16 MiB more, and nothing twice', async () => {
    const { source, requests } = remote();
    for (let offset = 0; offset < bytes.length; offset += MEBIBYTE) {
      const piece = await source.read(offset, MEBIBYTE);
      expect(Buffer.compare(piece, bytes.subarray(offset, offset + MEBIBYTE))).toBe(0);
    }
    expect(requests.length).toBeLessThan(10);
    expect(Math.max(...requests.map(({ length }) => length))).toBeLessThanOrEqual(17 * MEBIBYTE);
    expect(requests.reduce((sum, { length }) => sum + length, 0)).toBe(bytes.length);
  });

  it('fetches what was asked for where reads jump', async () => {
    const { source, requests } = remote();
    for (const offset of [5e6, 1e6, 9e6, 0]) {
      const piece = await source.read(offset, 1000);
      expect(Buffer.compare(piece, bytes.subarray(offset, offset + 1000))).toBe(0);
    }
    expect(requests.map(({ length }) => length)).toEqual([1000, 1000, 1000, 1000]);
  });

  it('tries again when the network fails, and not when the file is gone', async () => {
    const patient = remote('download/network', 'download/network');
    expect((await patient.source.read(7, 3)).length).toBe(3);
    expect(patient.waits).toHaveLength(2);
    const gone = remote('download/not-found');
    await expect(gone.source.read(7, 3)).rejects.toMatchObject({ code: 'download/not-found' });
    expect(gone.waits).toEqual([]);
  });
});
