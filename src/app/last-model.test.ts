import { expect, it } from 'vitest';
import { memoryStorage } from '../../test/fixtures/memory-storage.ts';
import { LastModel } from './last-model.ts';

it('the model that answered last is known at the next visit', () => {
  const storage = memoryStorage();
  new LastModel(storage).remember('a');
  expect(new LastModel(storage).id).toBe('a');
  new LastModel(storage).remember(null);
  expect(new LastModel(storage).id).toBeNull();
});
