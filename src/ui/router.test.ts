import { describe, expect, it } from 'vitest';
import { formatRoute, parseRoute } from './router.ts';
import type { Route } from './router.ts';

describe('routes', () => {
  it.each<Route>([
    { page: 'chat', id: null },
    { page: 'chat', id: 'a/b c%' },
    { page: 'models' },
    { page: 'settings' },
  ])('come back from the address as they went', (route) => {
    expect(parseRoute(formatRoute(route))).toEqual(route);
  });

  it.each(['', '#', '#/', '#/chat', '#/chat/', '#/nowhere', '#/chat/%E0%A4%A'])(
    'lead from %j to a new chat',
    (hash) => {
      expect(parseRoute(hash)).toEqual({ page: 'chat', id: null });
    },
  );
});
