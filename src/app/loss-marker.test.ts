import { expect, it } from 'vitest';
import { memoryStorage } from '../../test/fixtures/memory-storage.ts';
import { LossMarker } from './loss-marker.ts';

it('an empty list is a loss only where there was something', () => {
  const storage = memoryStorage();
  expect(new LossMarker(storage).compare({ chats: 0, models: 0 })).toBeNull();
  new LossMarker(storage).note({ chats: 3 });
  new LossMarker(storage).note({ models: 2 });
  expect(new LossMarker(storage).compare({ chats: 3, models: 1 })).toBeNull();
  expect(new LossMarker(storage).compare({ chats: 0, models: 1 })).toEqual({ chats: 3, models: 0 });
  // It is told once.
  expect(new LossMarker(storage).compare({ chats: 0, models: 1 })).toBeNull();
});

it('what a person deletes is no loss', () => {
  const storage = memoryStorage();
  new LossMarker(storage).note({ chats: 1, models: 1 });
  new LossMarker(storage).note({ chats: 0, models: 0 });
  expect(new LossMarker(storage).compare({ chats: 0, models: 0 })).toBeNull();
});
