/** Servers that misbehave, networks that break, files that change: no wrong byte is ever used, and none is lost. */
import { createHash } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, expect, inject } from 'vitest';
import { launchBrowser, type PageLog, type TestBrowser } from '../browser/browser-harness.ts';
import {
  BLOCK_BYTES,
  MEGABYTE,
  Person,
  problem,
  sentence,
  shape,
  slowShape,
  soundModel,
} from '../browser/person.ts';
import { startModelServer, type Behaviour, type ModelServer } from '../fixtures/model-server.ts';
import { syntheticLlama } from '../fixtures/synthetic-llama.ts';
import { networkOf } from './emulated-network.ts';
import { faultTest } from './fault-test.ts';

/** Some 23 MB, three blocks. */
const large = syntheticLlama(slowShape);
const normal: Behaviour = { kind: 'normal' };
/** Breaks off in the second block. */
const cut: Behaviour = {
  kind: 'cut',
  afterBytes: BLOCK_BYTES + 3 * MEGABYTE,
  bytesPerSecond: 40 * MEGABYTE,
};
const baseUrl = inject('baseUrl');
let browser: TestBrowser;
let server: ModelServer;
let page: Page;
let log: PageLog;
let person: Person;

beforeAll(async () => {
  server = await startModelServer();
  browser = await launchBrowser();
  ({ page, log } = await browser.openPage(baseUrl));
  person = new Person(page, server, baseUrl);
  await person.settleIn();
});
afterAll(async () => {
  await browser.close();
  await server.close();
  expect(log.uncaught).toEqual([]);
  expect(log.policyViolations).toEqual([]);
});
afterEach(async (test) => {
  if (test.task.result?.state === 'fail') {
    console.log(await page.locator('hermit-model-row article').allInnerTexts());
  }
  await person.expectNothingLost();
});

const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');

/** Waits until the model can be used and compares the hash of what is stored with `bytes`. */
async function expectComplete(name: string, bytes: Uint8Array): Promise<void> {
  await person.row(name).getByRole('button', { name: 'Use', exact: true }).waitFor();
  const stored = await page.evaluate(
    async (wanted) => (await hermit.models.list()).find((entry) => entry.name === wanted)?.sha256,
    name,
  );
  expect(stored).toBe(sha256(bytes));
}

faultTest('F19', async () => {
  const bytes = syntheticLlama({ ...shape, vocabularySize: 30_000 });
  const added = await person.addModel('/whole.gguf', {
    bytes,
    script: () => ({ kind: 'no-ranges', bytesPerSecond: 2 * MEGABYTE }),
  });
  await added.getByText(/left$/).waitFor();
  await added.getByRole('button', { name: 'Pause' }).click();
  const question = page.getByRole('alertdialog', { name: 'Pause this download?' });
  await question
    .getByText(
      'This server cannot continue a download from the middle. After a pause it will start from the beginning.',
    )
    .waitFor();
  await question.getByRole('button', { name: 'Cancel' }).click();
  await expectComplete('whole', bytes);
  expect(server.bytesServed('/whole.gguf')).toBe(bytes.length);
  await person.removeModel('whole');
});

const wrongRanges: readonly (readonly [name: string, behaviour: Behaviour])[] = [
  ['shifted', { kind: 'wrong-content-range', shiftBytes: 100 }],
  ['short', { kind: 'short-body', bytes: 0.5 * MEGABYTE }],
];
for (const [variant, wrong] of wrongRanges) {
  faultTest(
    'F20',
    async () => {
      await person.addModel(`/${variant}.gguf`, {
        bytes: large,
        script: ({ start, count }) => (start > 0 && count < 3 ? wrong : normal),
      });
      await expectComplete(variant, large);
      await person.removeModel(variant);
    },
    { variant },
  );
}

faultTest(
  'F20',
  async () => {
    const added = await person.addModel('/always.gguf', {
      bytes: large,
      script: () => ({ kind: 'wrong-content-range', shiftBytes: 100 }),
    });
    const { host } = new URL(server.origin);
    await added.getByText('Paused after a problem').waitFor();
    expect(await sentence(problem(added))).toBe(
      `The server ${host} keeps sending another part of the file than the one asked for, so nothing more was taken from it. Continue later, or add the model from another address.`,
    );
    await person.cancelDownload('always');
  },
  { variant: 'for ever' },
);

faultTest('F21', async () => {
  const next = syntheticLlama({ ...slowShape, vocabularySize: 600 });
  const added = await person.addModel('/moved.gguf', {
    bytes: large,
    script: ({ count }) => {
      if (count === 0) return cut;
      server.serve('/moved.gguf', { bytes: next });
      // This request still belongs to the old file; what it breaks off the next one continues.
      return { kind: 'reset' };
    },
  });
  expect(await sentence(problem(added))).toBe(
    'The file changed on the server during the download, so the parts do not fit together. Start the download again.',
  );
  await added.getByRole('button', { name: 'Try again' }).click();
  await expectComplete('moved', next);
  await person.removeModel('moved');
});

faultTest('F22', async () => {
  const half = soundModel.slice(0, soundModel.length >> 1);
  const added = await person.addModel('/half.gguf', {
    bytes: half,
    script: () => ({ kind: 'no-ranges', length: false }),
  });
  expect(await sentence(problem(added))).toBe(
    'The model file ends too early; part of it is missing. Get the whole file and add it again.',
  );
  await person.removeModel('half');
});

faultTest('F23', async () => {
  const added = await person.addModel('/packed.gguf', {
    bytes: soundModel,
    script: ({ count }) => (count < 2 ? { kind: 'half-gzip' } : normal),
  });
  await added.waitFor();
  await expectComplete('packed', soundModel);
  await person.removeModel('packed');
});

faultTest('F24', async () => {
  const added = await person.addModel('/page.gguf', {
    bytes: soundModel,
    script: () => ({ kind: 'html' }),
  });
  expect(await sentence(problem(added))).toBe(
    'The address leads to a web page or another kind of file, not to a model. Copy the address of the download button itself; it ends in .gguf.',
  );
  await person.removeModel('page');
});

faultTest(
  'F25',
  async () => {
    const failures: readonly Behaviour[] = [
      { kind: 'status', status: 429, retryAfter: '1' },
      cut,
      { kind: 'status', status: 503 },
      { kind: 'reset' },
      { kind: 'cut', afterBytes: 2 * MEGABYTE },
    ];
    const added = await person.addModel('/flaky.gguf', {
      bytes: large,
      script: ({ count }) => failures[count] ?? normal,
    });
    await added.getByText(/Trying again in/).waitFor();
    await expectComplete('flaky', large);
    // What was under way when a connection broke, and no more.
    const wasted = server.bytesServed('/flaky.gguf') - large.length;
    expect(wasted).toBeLessThanOrEqual(failures.length * BLOCK_BYTES);
    await person.removeModel('flaky');
  },
  { timeoutMs: 180_000 },
);

faultTest('F26', async () => {
  const commit = 'a'.repeat(40);
  server.serveJson('/api/models', [{ id: 'maker/model', downloads: 7 }]);
  const described = {
    sha: commit,
    siblings: [{ rfilename: 'signed.gguf', size: large.length, lfs: { sha256: sha256(large) } }],
  };
  server.serveJson('/api/models/maker/model/revision/main', described);
  server.serveJson(`/api/models/maker/model/revision/${commit}`, described);
  server.serveJson(`/api/models/maker/model/tree/${commit}`, [
    { type: 'file', path: 'signed.gguf', size: large.length, lfs: { oid: sha256(large) } },
  ]);
  let address = 0;
  server.serve(`/maker/model/resolve/${commit}/signed.gguf`, {
    bytes: large,
    script: () => {
      const to = `/signed-${++address}`;
      server.serve(to, {
        bytes: large,
        // The first address expires after its first answer.
        script: ({ count }) => {
          if (address > 1) return normal;
          return count === 0 ? cut : { kind: 'status', status: 403 };
        },
      });
      return { kind: 'redirect', to };
    },
  });
  await page.evaluate((hubUrl) => {
    const settings: unknown = JSON.parse(localStorage.getItem('hermit.settings') ?? '{}');
    localStorage.setItem('hermit.settings', JSON.stringify({ ...(settings as object), hubUrl }));
  }, server.origin);
  await page.goto(`${baseUrl}/#/models`);
  await page.reload();
  await page.waitForFunction(() => 'hermit' in globalThis);
  await person.addFromHub('maker/model');
  await expectComplete('signed', large);
  expect(address).toBeGreaterThan(1);
  await person.row('signed').getByText('Verified: equals the publisher’s checksum').waitFor();
  await person.removeModel('signed');
});

faultTest('F27', async () => {
  const added = await person.addModel('/silent.gguf', {
    bytes: large,
    script: ({ count }) =>
      count === 0 ? { kind: 'stall', afterBytes: BLOCK_BYTES + MEGABYTE } : normal,
  });
  // The watchdog bites after half a minute; what had come by then is not asked for again.
  await added.getByText(/Trying again in/).waitFor({ timeout: 60_000 });
  await expectComplete('silent', large);
  const [, again] = server.requests.filter(({ path }) => path === '/silent.gguf');
  expect(again?.start).toBeGreaterThan(BLOCK_BYTES);
  await person.removeModel('silent');
});

faultTest('F28', async () => {
  const network = await networkOf(page);
  const added = await person.addModel('/offline.gguf', {
    bytes: large,
    script: async ({ count }) => {
      // The network goes first, then the connection that was open breaks.
      if (count === 0) await network.set('offline');
      return count === 0 ? cut : normal;
    },
  });
  await added.getByText('Paused: offline').waitFor();
  expect(await sentence(problem(added))).toBe(
    'You are offline. What was downloaded is kept, and the models that are ready go on working. Continue when you are online.',
  );
  const before = server.requests.length;
  await network.set('online');
  // By itself, from where it was.
  await expectComplete('offline', large);
  const later = server.requests.slice(before).filter(({ path }) => path === '/offline.gguf');
  expect(Math.min(...later.map(({ start }) => start))).toBeGreaterThanOrEqual(BLOCK_BYTES);
  await person.removeModel('offline');
});

/** Holds back in the store worker what is read of files, behind the first block, until released. */
async function holdBackFiles(): Promise<() => Promise<void>> {
  const store = page.workers().find((worker) => worker.url().includes('store.worker'));
  if (store === undefined) throw new Error('no store worker');
  await store.evaluate((freeBytes) => {
    const stream = Reflect.get<Blob, 'stream'>(Blob.prototype, 'stream');
    let goOn = (): void => undefined;
    const released = new Promise<void>((resolve) => {
      goOn = resolve;
    });
    Object.assign(globalThis, { releaseFiles: goOn });
    Blob.prototype.stream = function () {
      let bytes = 0;
      const gate = new TransformStream<Uint8Array<ArrayBuffer>, Uint8Array<ArrayBuffer>>({
        transform: async (chunk, controller) => {
          bytes += chunk.length;
          if (bytes > freeBytes) await released;
          controller.enqueue(chunk);
        },
      });
      return stream.call(this).pipeThrough(gate);
    };
  }, BLOCK_BYTES + MEGABYTE);
  return () =>
    store.evaluate(() => {
      (globalThis as unknown as { releaseFiles: () => void }).releaseFiles();
    });
}

faultTest('F30', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'hermit-import-'));
  try {
    const path = join(folder, 'rewritten.gguf');
    await writeFile(path, large);
    const release = await holdBackFiles();
    await page.goto(`${baseUrl}/#/models`);
    await person.dismissMessages();
    const chooser = page.waitForEvent('filechooser');
    await page.getByRole('button', { name: 'From this device' }).click();
    await (await chooser).setFiles(path);
    const added = person.row('rewritten');
    const bytesDone = (): Promise<number> =>
      page.evaluate(async () => {
        const entry = (await hermit.models.list()).find(({ name }) => name === 'rewritten');
        return entry !== undefined && 'bytesDone' in entry.state ? entry.state.bytesDone : 0;
      });
    await expect.poll(bytesDone, { timeout: 20_000 }).toBeGreaterThanOrEqual(BLOCK_BYTES);
    await writeFile(path, large.subarray(0, large.length - 1));
    await release();
    await expect
      .poll(() => sentence(problem(added)), { timeout: 20_000 })
      .toBe('The file on this device changed or was moved while it was read. Add it again.');
    await person.expectNothingLost();
    await person.removeModel('rewritten');
  } finally {
    await rm(folder, { recursive: true });
  }
});

faultTest('F29', async () => {
  const right = syntheticLlama({ ...shape, vocabularySize: 600 });
  server.serve('/flipped.gguf', {
    bytes: right,
    script: ({ count }) => (count === 0 ? { kind: 'flip-bit', offset: right.length - 5 } : normal),
  });
  await page.goto(`${baseUrl}/#/models`);
  const code = await page.evaluate(
    (source) =>
      hermit.models.install(source).then(
        () => 'installed',
        (error: unknown) => (error as { code: string }).code,
      ),
    { url: server.url('/flipped.gguf'), sha256: sha256(right) },
  );
  expect(code).toBe('download/hash-mismatch');
  const row = person.row('flipped');
  expect(await sentence(problem(row))).toBe(
    'The file differs from what its publisher signed off (the checksum does not match), so it is not used. Download it again.',
  );
  await expect(row.getByRole('button', { name: 'Use', exact: true }).count()).resolves.toBe(0);
  await row.getByRole('button', { name: 'Try again' }).click();
  await expectComplete('flipped', right);
  await person.removeModel('flipped');
});
