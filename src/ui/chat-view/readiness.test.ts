import { describe, expect, it } from 'vitest';
import type { ModelView, ModelViewState } from '../services.ts';
import { readinessOf } from './readiness.ts';

function model(id: string, state: ModelViewState, lastUsedAt: number | null = null): ModelView {
  return {
    id,
    name: id,
    fileName: `${id}.gguf`,
    bytesTotal: 1,
    sourceLabel: '',
    sourceUrl: null,
    licence: null,
    sha256: null,
    verified: 'no',
    addedAt: 1,
    lastUsedAt,
    state,
  };
}

describe('readinessOf', () => {
  it('asks for a model where there is none, not even one being deleted', () => {
    expect(readinessOf([], { kind: 'none' }).kind).toBe('no-model');
    expect(readinessOf([model('a', { kind: 'deleting' })], { kind: 'none' }).kind).toBe('no-model');
  });

  it('proposes the ready model used last', () => {
    const models = [
      model('a', { kind: 'ready' }, 5),
      model('b', { kind: 'ready' }, 9),
      model('c', { kind: 'verifying', bytesDone: 0 }, 99),
    ];
    expect(readinessOf(models, { kind: 'none' })).toMatchObject({
      kind: 'choose',
      model: { id: 'b' },
    });
  });

  it('shows what is arriving', () => {
    const arriving = model('a', { kind: 'paused', bytesDone: 0, reason: 'user', error: null });
    expect(readinessOf([arriving], { kind: 'none' })).toEqual({
      kind: 'arriving',
      model: arriving,
    });
  });

  it('lets a message wait for a model that is loading', () => {
    expect(readinessOf([], { kind: 'loading', id: 'a', name: 'a', fraction: 0 }).kind).toBe(
      'ready',
    );
  });
});
