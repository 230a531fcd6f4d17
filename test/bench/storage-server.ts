/**
 * Serves GGUF models of any size that exist nowhere: the header is made at start, the tensors are cut
 * out of one small buffer of random blocks as they are asked for. So a server of many gigabytes costs
 * neither disk nor memory, and its bytes do not compress.
 */
import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { MEBIBYTE } from '../../src/common/bytes.ts';
import { encodeGgufHeader } from '../../src/engine/formats/gguf/writer.ts';
import { quantType } from '../../src/engine/formats/quants/registry.ts';
import {
  randomBlocks,
  type SyntheticLlamaOptions,
  syntheticLlamaPlan,
  type SyntheticType,
} from '../fixtures/synthetic-llama.ts';

/** One run of bytes of the file: `pattern` again and again. */
interface Segment {
  readonly start: number;
  readonly end: number;
  readonly pattern: Uint8Array;
}

export interface SyntheticFile {
  readonly sizeBytes: number;
  readonly segments: readonly Segment[];
}

/** A llama of this type whose file has at least `bytes` bytes, and less than one layer more. */
export function syntheticFile(type: SyntheticType, bytes: number): SyntheticFile {
  for (let layers = 1; ; layers++) {
    const file = fileOf({ ...shape, type, layers });
    if (file.sizeBytes >= bytes) return file;
  }
}

/** Layers of about 13 million weights and a vocabulary that does not dominate. */
const shape = {
  width: 1024,
  heads: 16,
  kvHeads: 16,
  feedForward: 2816,
  vocabularySize: 4096,
  contextLength: 2048,
} as const;

/** About this much is really random; large against what a compressor looks back to. */
const patternBytes = 8 * MEBIBYTE;

function fileOf(options: SyntheticLlamaOptions & { type: SyntheticType }): SyntheticFile {
  const plan = syntheticLlamaPlan(options);
  const { header, places, sizeBytes } = encodeGgufHeader(plan);
  const { blockBytes } = quantType(options.type);
  const ones = new Uint8Array(new Float32Array(options.width).fill(1).buffer);
  const blocks = randomBlocksOnce(options.type, Math.floor(patternBytes / blockBytes) * blockBytes);
  const tensors = places.map(({ offsetBytes, sizeBytes: length }, index) => ({
    start: offsetBytes,
    end: offsetBytes + length,
    pattern: plan.tensors[index]?.type === 'F32' ? ones : blocks,
  }));
  return { sizeBytes, segments: [{ start: 0, end: header.length, pattern: header }, ...tensors] };
}

const made = new Map<string, Uint8Array>();

function randomBlocksOnce(type: SyntheticType, length: number): Uint8Array {
  const blocks = made.get(type) ?? randomBlocks(type, length, 1);
  made.set(type, blocks);
  return blocks;
}

/** Of one write to the socket. */
const longestPiece = MEBIBYTE;

/** The bytes from `start` to `end`, in pieces that are views: nothing is copied. */
function* piecesOf(file: SyntheticFile, start: number, end: number): Generator<Uint8Array> {
  let position = start;
  for (const segment of file.segments) {
    if (segment.end <= position) continue;
    if (position >= end) return;
    if (segment.start > position) {
      yield new Uint8Array(Math.min(segment.start, end) - position);
      position = segment.start;
    }
    while (position < Math.min(segment.end, end)) {
      const { pattern } = segment;
      const from = (position - segment.start) % pattern.length;
      const count = Math.min(
        pattern.length - from,
        longestPiece,
        segment.end - position,
        end - position,
      );
      yield pattern.subarray(from, from + count);
      position += count;
    }
  }
  if (position < end) yield new Uint8Array(end - position);
}

export interface StorageServer {
  /** Where `files[name]` is. */
  url(name: string): string;
  close(): Promise<void>;
}

export async function startStorageServer(
  files: Readonly<Record<string, SyntheticFile>>,
): Promise<StorageServer> {
  const server = createServer((request, response) => {
    const file = files[new URL(request.url ?? '/', 'http://localhost').pathname.slice(1)];
    answer(request, response, file).catch(() => {
      response.destroy();
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  return {
    url: (name) => `http://localhost:${port}/${name}`,
    close: async () => {
      server.close();
      server.closeAllConnections();
      await once(server, 'close');
    },
  };
}

async function answer(
  request: IncomingMessage,
  response: ServerResponse,
  file: SyntheticFile | undefined,
): Promise<void> {
  response.setHeader('Access-Control-Allow-Origin', '*');
  response.setHeader('Access-Control-Allow-Headers', 'Range');
  response.setHeader('Access-Control-Expose-Headers', 'Content-Range, ETag');
  if (file === undefined || request.method === 'OPTIONS') {
    response.writeHead(file === undefined ? 404 : 204).end();
    return;
  }
  const match = /^bytes=(\d+)-(\d+)$/u.exec(request.headers.range ?? '');
  const start = Number(match?.[1] ?? 0);
  const end = Math.min(Number(match?.[2] ?? file.sizeBytes - 1) + 1, file.sizeBytes);
  response.writeHead(match === null ? 200 : 206, {
    'Content-Type': 'application/octet-stream',
    'Content-Length': end - start,
    ETag: `"${file.sizeBytes}"`,
    ...(match === null ? {} : { 'Content-Range': `bytes ${start}-${end - 1}/${file.sizeBytes}` }),
  });
  await pipeline(Readable.from(piecesOf(file, start, end)), response);
}
