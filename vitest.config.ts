import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    // One a core: files of all projects share these two, so that a browser that waits leaves its core to others.
    maxWorkers: 2,
    projects: [
      {
        test: {
          name: 'unit',
          environment: 'node',
          include: [
            'src/**/*.test.ts',
            'wasm/test/**/*.test.ts',
            'test/*.test.ts',
            'test/contract/**/*.test.ts',
            'test/integration/**/*.test.ts',
          ],
          testTimeout: 60_000,
        },
      },
      {
        test: {
          name: 'browser',
          environment: 'node',
          include: ['test/browser/**/*.test.ts'],
          globalSetup: ['test/browser/global-setup.ts'],
          testTimeout: 120_000,
          hookTimeout: 120_000,
          // Real browsers on shared cores: a click may lose a race with an animation once, a bug twice.
          retry: 2,
        },
      },
      {
        test: {
          name: 'faults',
          environment: 'node',
          include: ['test/faults/**/*.test.ts'],
          globalSetup: ['test/browser/global-setup.ts'],
          testTimeout: 120_000,
          hookTimeout: 120_000,
        },
      },
    ],
  },
});
