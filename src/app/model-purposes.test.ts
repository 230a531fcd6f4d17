import { describe, expect, it } from 'vitest';
import type { ModelUse } from '../engine/inspection/inspect-model.ts';
import { ModelPurposes, type ModelPurpose } from './model-purposes.ts';

function memory() {
  const values = new Map<string, string>();
  return {
    values,
    getItem: (key: string) => values.get(key) ?? null,
    setItem: (key: string, value: string) => void values.set(key, value),
    removeItem: (key: string) => void values.delete(key),
  };
}

const plan = { weightBytes: 80, workBytes: 10, bytesPerPosition: 1 };
const needs = {
  eight: { precision: 8, ...plan },
  four: { precision: 4, ...plan, weightBytes: 40 },
  trainedContext: 512,
} as const;

type Kind = 'ready' | 'deleting';

const entry = (id: string, sha256: string | null = `hash of ${id}`, kind: Kind = 'ready') =>
  ({ id, sha256, addedAt: 5, state: { kind } }) as const;

function setUp(purposes: Readonly<Record<string, ModelPurpose>>, storage = memory()) {
  const reads: string[] = [];
  const read = async (id: string): Promise<ModelUse> => {
    reads.push(id);
    const purpose = await Promise.resolve(purposes[id]);
    if (purpose === undefined) throw new Error('cannot be read');
    return { purpose, memory: needs };
  };
  return { reads, storage, made: new ModelPurposes({ storage, read }) };
}

describe('ModelPurposes', () => {
  it('reads each header once and remembers it for the next visit', async () => {
    const { made, reads, storage } = setUp({ a: 'chat', b: 'embedding' });
    expect(made.find(entry('b'))).toBeNull();
    await Promise.all([made.of(entry('b')), made.of(entry('b'))]);
    await made.follow([entry('a'), entry('b')]);
    expect(made.find(entry('a'))).toBe('chat');
    expect(made.find(entry('b'))).toBe('embedding');
    expect(reads).toEqual(['b', 'a']);
    const later = setUp({}, storage);
    expect(later.made.find(entry('b'))).toBe('embedding');
    expect(later.made.memory(entry('b'))).toEqual(needs);
    expect(await later.made.of(entry('a'))).toBe('chat');
    expect(later.reads).toEqual([]);
  });

  it('reads only what is ready, and knows another file under the same id', async () => {
    const { made, reads } = setUp({ a: 'embedding', b: 'chat' });
    await made.follow([entry('a', 'one'), entry('b', 'x', 'deleting')]);
    expect(reads).toEqual(['a']);
    expect(made.find(entry('a', 'two'))).toBeNull();
    expect(made.find(entry('a', null))).toBeNull();
  });

  it('forgets models that are gone', async () => {
    const { made, storage } = setUp({ a: 'embedding' });
    await made.follow([entry('a')]);
    await made.follow([]);
    expect(made.find(entry('a'))).toBeNull();
    expect([...storage.values.values()]).toEqual(['[]']);
  });

  it('takes a model whose header cannot be read for one to chat with, for this visit', async () => {
    const { made, storage } = setUp({ b: 'embedding' });
    expect(await made.of(entry('a'))).toBe('chat');
    await made.of(entry('b'));
    expect(setUp({}, storage).made.find(entry('a'))).toBeNull();
  });

  it('does without what was stored wrongly', () => {
    for (const stored of [
      '{',
      '5',
      '{"a":1}',
      '[1, ["a"], ["b", "chat"], [3, {"purpose":"chat","memory":null}], ["c", {"purpose":"chat","memory":{}}]]',
    ]) {
      const storage = memory();
      storage.setItem('hermit.model-purposes', stored);
      expect(setUp({}, storage).made.known.value.size).toBe(0);
    }
  });
});
