import { describe, expect, it } from 'vitest';
import { hasCode } from '../../../common/errors.ts';
import { WasmHeap } from './wasm-heap.ts';

const PAGE = 65536;

function makeHeap(pages: number): { heap: WasmHeap; memory: WebAssembly.Memory } {
  const memory = new WebAssembly.Memory({ initial: 1, maximum: pages });
  return { heap: new WasmHeap(memory, 1000, pages * PAGE), memory };
}

describe('WasmHeap', () => {
  it('hands out aligned blocks that do not overlap', () => {
    const { heap } = makeHeap(64);
    const blocks = Array.from({ length: 50 }, (_, i) => ({
      at: heap.allocate(i * 37),
      size: i * 37,
    }));
    for (const { at } of blocks) expect(at % 64).toBe(0);
    blocks.slice(1).forEach((block, i) => {
      const before = blocks[i] as { at: number; size: number };
      expect(block.at).toBeGreaterThanOrEqual(before.at + before.size);
    });
    expect((blocks[0] as { at: number }).at).toBeGreaterThanOrEqual(1000);
  });

  it('reuses freed bytes and merges neighbours in any order of freeing', () => {
    const { heap } = makeHeap(64);
    const blocks = [0, 1, 2, 3, 4].map(() => heap.allocate(64 * 1024));
    const end = heap.allocate(64);
    for (const index of [1, 3, 0, 4, 2]) heap.free(blocks[index] as number);
    const before = heap.totalBytes;
    expect(heap.allocate(5 * 64 * 1024)).toBe(blocks[0]);
    expect(heap.totalBytes).toBe(before);
    heap.free(end);
    heap.free(blocks[0] as number);
    expect(heap.usedBytes).toBe(0);
    expect(heap.allocate(6 * 64 * 1024)).toBe(blocks[0]);
  });

  it('refuses with numbers when the memory cannot grow, and stays usable', () => {
    const { heap } = makeHeap(4);
    const first = heap.allocate(PAGE);
    const attempt = (): number => heap.allocate(4 * PAGE);
    expect(attempt).toThrow(/MiB/);
    try {
      attempt();
      expect.unreachable();
    } catch (error) {
      expect(hasCode(error, 'engine/out-of-memory')).toBe(true);
      expect((error as { details: unknown }).details).toMatchObject({ requestedBytes: 4 * PAGE });
    }
    heap.free(first);
    expect(heap.allocate(2 * PAGE)).toBe(first);
  });

  it('shows the grown memory in its views', () => {
    const { heap, memory } = makeHeap(64);
    const before = heap.bytes();
    const at = heap.allocate(10 * PAGE);
    expect(before.byteLength).toBe(0);
    heap.bytes()[at] = 7;
    expect(new Uint8Array(memory.buffer)[at]).toBe(7);
  });

  it('refuses sizes that are no sizes and blocks that are not in use', () => {
    const { heap } = makeHeap(4);
    for (const bytes of [-1, 0.5, NaN, Infinity])
      expect(() => heap.allocate(bytes)).toThrow(/whole number/);
    const at = heap.allocate(8);
    heap.free(at);
    expect(() => {
      heap.free(at);
    }).toThrow(/not in use/);
  });
});
