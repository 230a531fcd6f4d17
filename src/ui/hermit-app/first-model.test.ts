import { describe, expect, it } from 'vitest';
import { ObservableValue } from '../../common/observable.ts';
import type { ActiveModelView, ModelsService, ModelView } from '../services.ts';
import { FirstModel } from './first-model.ts';

function setUp() {
  const models = new ObservableValue<readonly ModelView[]>([]);
  const active = new ObservableValue<ActiveModelView>({ kind: 'none' });
  const selected: string[] = [];
  const service = {
    models,
    active,
    select: (id: string) => {
      selected.push(id);
      return Promise.resolve();
    },
  } as unknown as ModelsService;
  const first = new FirstModel(service, (error) => {
    throw error;
  });
  const list = (
    id: string,
    kind: 'ready' | 'verifying',
    purpose: ModelView['purpose'] = 'chat',
  ) => {
    models.set([{ id, purpose, state: { kind, bytesDone: 0 } } as unknown as ModelView]);
  };
  return { active, first, list, selected };
}

describe('FirstModel', () => {
  it('chooses the expected model once, when it is complete', () => {
    const { first, list, selected } = setUp();
    first.expect('a');
    list('a', 'verifying');
    expect(selected).toEqual([]);
    list('a', 'ready');
    list('a', 'ready');
    expect(selected).toEqual(['a']);
  });

  it('waits until it is known that the model can answer', () => {
    const { first, list, selected } = setUp();
    first.expect('a');
    list('a', 'ready', null);
    list('a', 'ready', 'embedding');
    expect(selected).toEqual([]);
    list('a', 'ready', 'chat');
    expect(selected).toEqual(['a']);
  });

  it('leaves models alone that were there already, and people who have a model', () => {
    const { active, first, list, selected } = setUp();
    list('b', 'ready');
    active.set({ kind: 'loading', id: 'x', name: 'x', fraction: 0, repairBytes: 0 });
    first.expect('a');
    list('a', 'ready');
    expect(selected).toEqual([]);
  });
});
