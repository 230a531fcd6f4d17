import { describe, expect, it } from 'vitest';
import type { ErrorCode } from '../../common/errors.ts';
import type { ActiveModelView, ModelView, ModelViewState } from '../services.ts';
import { readinessOf } from './readiness.ts';

function model(id: string, state: ModelViewState, lastUsedAt: number | null = null): ModelView {
  return {
    id,
    name: id,
    fileName: `${id}.gguf`,
    bytesTotal: 1,
    sourceLabel: '',
    sourceUrl: null,
    madeFrom: null,
    licence: null,
    sha256: null,
    files: [],
    builtIn: false,
    verified: 'no',
    addedAt: 1,
    lastUsedAt,
    purpose: 'chat',
    fit: null,
    state,
  };
}

describe('readinessOf', () => {
  it('asks for a model where there is none, not even one being deleted', () => {
    expect(readinessOf([], { kind: 'none' }).kind).toBe('no-model');
    expect(readinessOf([model('a', { kind: 'deleting' })], { kind: 'none' }).kind).toBe('no-model');
  });

  it('never proposes a model that makes vectors, nor waits for it', () => {
    const search: ModelView = { ...model('a', { kind: 'ready' }), purpose: 'embedding' };
    expect(readinessOf([search], { kind: 'none' }).kind).toBe('no-model');
    const both = readinessOf([search, model('b', { kind: 'ready' })], { kind: 'none' });
    expect(both).toMatchObject({ kind: 'choose', model: { id: 'b' } });
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
    expect(
      readinessOf([], { kind: 'loading', id: 'a', name: 'a', fraction: 0, repairBytes: 0 }).kind,
    ).toBe('ready');
  });

  const failed = (id: string, code: ErrorCode): ActiveModelView => ({
    kind: 'failed',
    id,
    name: id,
    error: { code, message: '', details: {} },
  });

  it('proposes another model than the one that could not be loaded, while there is one', () => {
    const sound = model('sound', { kind: 'ready' }, 5);
    const broken = model('broken', { kind: 'ready' }, 9);
    const active = failed('broken', 'model-file/malformed');
    expect(readinessOf([sound, broken], active)).toEqual({ kind: 'choose', model: sound });
    expect(readinessOf([broken], active)).toEqual({ kind: 'choose', model: broken });
  });

  it('lets the next message bring back a model that was lost with its worker', () => {
    const models = [model('a', { kind: 'ready' })];
    expect(readinessOf(models, failed('a', 'engine/worker-died')).kind).toBe('ready');
    expect(readinessOf(models, failed('a', 'engine/worker-silent')).kind).toBe('ready');
  });
});
