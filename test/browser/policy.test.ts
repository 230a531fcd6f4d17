/**
 * A running answer on a device whose battery, pressure and page change under it: precision and threads
 * follow between two tokens, the conversation is kept, nothing is read from the store again.
 *
 * Chromium reads its battery from a UPower that the test plays (`fake-upower.ts`); where that is not
 * installed, an object with the event shapes of the Battery Status API is put in before the page's
 * scripts run. Pressure comes from Chromium's own Compute Pressure, by its protocol for tests.
 */
import type { CDPSession, Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, describe, expect, inject, it, vi } from 'vitest';
import type { ExecutionStatus } from '../../src/engine/execution-plan.ts';
import type { StepReport } from '../../src/engine/models/language-model.ts';
import { startModelServer, type ModelServer } from '../fixtures/model-server.ts';
import { syntheticLlama } from '../fixtures/synthetic-llama.ts';
import { startFakeUPower, type FakeUPower } from './fake-upower.ts';
import { launchBrowser, type PageLog, type TestBrowser } from './browser-harness.ts';
import { modelShape } from './page-api-harness.ts';

/**
 * About 50 million parameters and room for a conversation that outlasts the waiting of the policy on
 * a fast machine too; its memory of a position is small.
 */
const shape = {
  ...modelShape,
  width: 1024,
  heads: 16,
  kvHeads: 2,
  feedForward: 4096,
  contextLength: 16_384,
};

/** Discharging, between the limit and where it is left behind. */
const firstLevel = 0.21;

interface Battery {
  level: number;
  charging: boolean;
}

/** What a test leaves in the page. */
interface Planted {
  /** Plays the battery where the browser has none of the test's. */
  battery: Battery & EventTarget;
  /** Tokens of the answer so far. */
  written: number;
  /** Ends the answer. */
  stop(): void;
  /** How it ended. */
  ended: Promise<string>;
}

declare global {
  var planted: Planted;
}

describe('the policy in Chromium', () => {
  let server: ModelServer;
  let upower: FakeUPower | null = null;
  let browser: TestBrowser;
  let page: Page;
  let log: PageLog;
  let control: CDPSession;

  beforeAll(async () => {
    server = await startModelServer();
    server.serve('/one.gguf', { bytes: syntheticLlama(shape) });
    upower = await startFakeUPower(firstLevel);
    if (upower === null) console.warn('No python3-dbusmock: an object plays the battery.');
    browser = await launchBrowser({
      pressure: true,
      environment: upower?.environment ?? {},
    });
    await browser.context.addInitScript((isReal) => {
      class FakeBattery extends EventTarget {
        level = 0.21;
        charging = false;
        chargingTime = Infinity;
        dischargingTime = 3600;
      }
      globalThis.planted = {
        battery: new FakeBattery(),
        written: 0,
        stop: () => undefined,
        ended: Promise.resolve(''),
      };
      const getBattery = (): Promise<EventTarget> => Promise.resolve(globalThis.planted.battery);
      if (!isReal) Object.defineProperty(navigator, 'getBattery', { value: getBattery });
      localStorage.setItem(
        'hermit.settings',
        JSON.stringify({ calmSeconds: 5, contextLength: 16_384, maxAnswerTokens: 40 }),
      );
    }, upower !== null);
    ({ page, log } = await browser.openPage(inject('baseUrl')));
    control = await browser.context.newCDPSession(page);
    await control.send('Emulation.setPressureSourceOverrideEnabled', {
      enabled: true,
      source: 'cpu',
      metadata: { available: true },
    });
    await page.reload();
    await page.waitForFunction(() => 'hermit' in globalThis);
    await press('nominal');
    await page.evaluate((url) => hermit.models.install(url), server.url('/one.gguf'));
  });

  afterAll(async () => {
    await browser.close();
    await server.close();
    upower?.close();
  });

  afterEach(() =>
    page.evaluate(async () => {
      planted.stop();
      await planted.ended;
    }),
  );

  const press = async (state: 'nominal' | 'serious' | 'critical'): Promise<void> => {
    await control.send('Emulation.setPressureStateOverride', { source: 'cpu', state });
    const told = async (): Promise<unknown> => {
      const { signals } = await page.evaluate(() => hermit.device.report());
      return signals.pressure.kind === 'known' ? signals.pressure.value : signals.pressure.reason;
    };
    await vi.waitFor(async () => expect(await told()).toBe(state), { timeout: 20_000 });
  };

  const charge = async (now: Battery, event: 'levelchange' | 'chargingchange'): Promise<void> => {
    if (upower !== null) return upower.charge(now.level, now.charging);
    await page.evaluate(
      ([battery, type]) => {
        Object.assign(planted.battery, battery);
        planted.battery.dispatchEvent(new Event(type));
      },
      [now, event] as const,
    );
  };

  const execution = async (): Promise<ExecutionStatus> => {
    const status = await page.evaluate(() => hermit.policy.execution());
    if (status === null) throw new Error('no model is loaded');
    return status;
  };

  /** Starts an answer that goes on until it is stopped. */
  const beginAnswer = (): Promise<void> =>
    page.evaluate(async () => {
      planted.written = 0;
      const controller = new AbortController();
      planted.stop = () => {
        controller.abort();
      };
      const stream = await hermit.completions.create(
        {
          model: 'one',
          prompt: [1, ...Array.from({ length: 60 }, (_, i) => 300 + i)],
          max_tokens: 16_000,
          temperature: 0,
          stream: true,
        },
        { signal: controller.signal },
      );
      const read = async (): Promise<string> => {
        try {
          for await (const chunk of stream) {
            if ((chunk.choices[0]?.text ?? '') !== '') planted.written++;
          }
          return 'done';
        } catch (error) {
          return (error as { code: string }).code;
        }
      };
      planted.ended = read();
    });

  /** Waits until a step after this moment was computed as expected, and gives what is counted then. */
  const stepWith = async (
    expected: Partial<Pick<StepReport, 'precision' | 'threads'>>,
  ): Promise<ExecutionStatus & { readonly lastStep: StepReport }> => {
    const before = (await execution()).counters.answerTokens;
    let status = await execution();
    const next = async (): Promise<unknown> => {
      status = await execution();
      // The first one may have been under way already.
      return status.counters.answerTokens > before + 1 ? status.lastStep : null;
    };
    await expect.poll(next, { timeout: 60_000, interval: 20 }).toMatchObject(expected);
    const { lastStep } = status;
    if (lastStep === null) throw new Error('nothing was computed');
    return { ...status, lastStep };
  };

  const reasons = (): Promise<string[]> =>
    page.evaluate(() => hermit.policy.current().reasons.map(({ code }) => code));

  it('has an answer under way follow battery and pressure, and forgets no word', async () => {
    await page.evaluate(() => hermit.models.load('one', { threads: 2 }));
    await beginAnswer();
    const full = await stepWith({ precision: 8, threads: 2 });
    const { signals } = await page.evaluate(() => hermit.device.report());
    expect(signals.battery).toMatchObject({ value: { level: firstLevel, charging: false } });
    expect(await reasons()).toEqual(['chosen-threads']);

    await charge({ level: 0.19, charging: false }, 'levelchange');
    const saving = await stepWith({ precision: 4, threads: 2 });
    expect(await reasons()).toContain('battery-low');
    const [eight, four] = [full.lastStep.weightBytes, saving.lastStep.weightBytes];
    expect(four / eight).toBeLessThanOrEqual(0.55);
    expect(four / eight).toBeGreaterThan(0.45);

    await charge({ level: 0.19, charging: true }, 'chargingchange');
    await stepWith({ precision: 8, threads: 2 });

    // Seconds after the answer began: this is no pressure of its own.
    await press('serious');
    await stepWith({ precision: 8, threads: 1 });
    expect(await reasons()).toContain('pressure');
    await press('nominal');
    const end = await stepWith({ precision: 8, threads: 2 });

    // The prompt was read once, at the beginning, and no weight since the model was loaded.
    expect(full.counters.promptTokens).toBe(61);
    expect(end.counters.promptTokens).toBe(61);
    expect(end.counters.storeBytes).toBe(0);
    expect(end.counters.answerTokens).toBeGreaterThan(saving.counters.answerTokens);
    expect(await page.evaluate(() => planted.written)).toBeGreaterThan(0);

    const { changes } = await page.evaluate(() => hermit.policy.current());
    const told = changes.map(({ from, to, duringAnswer, outcome }) => ({
      precision: [from.precision, to.precision],
      threads: [from.threads, to.threads],
      duringAnswer,
      outcome,
    }));
    const during = { duringAnswer: true, outcome: 'applied' };
    expect(told.slice(0, 4)).toEqual([
      { precision: [8, 8], threads: [1, 2], ...during },
      { precision: [8, 8], threads: [2, 1], ...during },
      { precision: [4, 8], threads: [2, 2], ...during },
      { precision: [8, 4], threads: [2, 2], ...during },
    ]);
    console.log(
      `taken over in ${changes.map(({ milliseconds }) => milliseconds.toFixed(1)).join(', ')} ms; ` +
        `bytes a token ${four} of ${eight}`,
    );
  });

  it('names the class of the device, and nothing that tells one from another of it', async () => {
    const { deviceClass } = await page.evaluate(() => hermit.device.report());
    expect(deviceClass).toMatch(/^desktop\/blink\/cores-\d+\/memory-\d+\/relaxed\/no-gpu$/);
  });

  it('finishes an answer with one thread where nobody sees the page', async () => {
    await page.evaluate(() => hermit.models.load('one', { threads: 2 }));
    await beginAnswer();
    await stepWith({ threads: 2 });
    const see = (state: 'visible' | 'hidden'): Promise<void> =>
      page.evaluate((visibility) => {
        Object.defineProperty(document, 'visibilityState', {
          value: visibility,
          configurable: true,
        });
        document.dispatchEvent(new Event('visibilitychange'));
      }, state);
    await see('hidden');
    await stepWith({ threads: 1 });
    expect(await reasons()).toContain('hidden');
    await see('visible');
    await stepWith({ threads: 2 });
  });

  it('gives up the low digits at once when memory is short, and reads them again afterwards', async () => {
    await page.evaluate(() => hermit.models.load('one', { threads: 2 }));
    const whole = await execution();
    expect(whole.lowPlanes.state).toBe('kept');
    const { neededBytes } = await page.evaluate(async () => {
      const { memory } = (await hermit.device.report()).signals;
      if (memory.kind === 'missing') throw new Error('nothing is known of memory');
      return memory.value as { readonly neededBytes: number };
    });
    const limit = (megabytes: number): Promise<unknown> =>
      page.evaluate((memoryLimit) => hermit.policy.set({ memoryLimit }), megabytes);
    await beginAnswer();
    await limit(Math.floor(neededBytes / 1e6));
    await stepWith({ precision: 4 });
    expect(await reasons()).toContain('memory');
    const short = await execution();
    const { bytes } = whole.lowPlanes;
    expect(short.lowPlanes).toEqual({ state: 'dropped', bytes: 0, droppedBytes: bytes });
    expect(short.memory.weightBytes).toBe(whole.memory.weightBytes - bytes);
    expect(short.counters.storeBytes).toBe(0);

    // Less than a short conversation takes: the next request is refused, with the numbers.
    await limit(1);
    await expect
      .poll(async () => (await execution()).contextTokens, { timeout: 30_000 })
      .toBeLessThan(whole.contextTokens);
    const refusal = await page.evaluate(() =>
      hermit.completions
        .create({ model: 'one', prompt: 'Hello', max_tokens: 1 })
        .then(() => null)
        .catch((error: unknown) => {
          const { code, details } = error as { code: string; details: unknown };
          return [code, details];
        }),
    );
    expect(refusal).toEqual(['engine/out-of-memory', { neededBytes, budgetBytes: 1e6 }]);

    await limit(0);
    const back = await stepWith({ precision: 8 });
    expect(back.lowPlanes).toEqual(whole.lowPlanes);
    expect(back.counters.storeBytes).toBeGreaterThan(0);
    expect(back.memory.weightBytes).toBe(whole.memory.weightBytes);
    expect(back.counters.promptTokens).toBe(short.counters.promptTokens);
  });

  it('says in the chat what was held back and why', async () => {
    await charge({ level: 0.15, charging: false }, 'levelchange');
    const chip = page.getByRole('button', { name: /^Energy: / });
    await page.getByRole('button', { name: 'Energy: 4 bits, 2 threads. Saving energy' }).waitFor();
    await page.getByRole('textbox', { name: 'Message' }).fill('Hello?');
    await page.getByRole('button', { name: 'Send' }).click();
    await page.getByText('Written with 4 bits, at least in part, to spare the battery.').waitFor();
    await chip.click();
    await page.getByText('Battery at 15%: 4 bits below 20%').waitFor();
    await page.getByRole('link', { name: 'Energy settings' }).click();
    await page.getByText('What has changed', { exact: true }).click();
    await page.locator('.changes').getByText('8 bits → 4 bits').first().waitFor();
    await page.getByRole('radio', { name: 'Performance' }).check();
    await page.getByRole('button', { name: /^Energy: 8 bits/ }).waitFor();
    expect(await page.evaluate(() => hermit.policy.current().mode)).toBe('performance');
  });

  it('logs nothing and breaks no policy of content', () => {
    expect(log.consoleErrors).toEqual([]);
    expect(log.uncaught).toEqual([]);
    expect(log.policyViolations).toEqual([]);
  });
});
