/**
 * Takes the pictures of README.md and of the install dialog (`vite.config.ts`) from the build in
 * `dist/`, with a model file of one's own. Run it when the looks change; its output is committed.
 *
 *     npm run build && node scripts/make-screenshots.mjs MODEL.gguf
 */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { chromium } from 'playwright-core';
import { ensureChromium } from './find-chromium.mjs';
import { createStaticServer } from './serve.mjs';

const DIST = fileURLToPath(new URL('../dist', import.meta.url));
const SCREENSHOTS = fileURLToPath(new URL('../public/screenshots', import.meta.url));

/** Sizes in CSS pixels; the manifest in vite.config.ts states the sizes of the files. */
const PICTURES = /** @type {const} */ ([
  { name: 'desktop', width: 1280, height: 800, scale: 1, colorScheme: 'light' },
  { name: 'phone', width: 390, height: 844, scale: 1.5, colorScheme: 'dark' },
]);

/** A fixed seed, so that the same build and model make the same picture, speeds excepted. */
const SETTINGS = { seed: 7, temperature: 0.6, maxAnswerTokens: 126 };
const QUESTION = 'Tell me a story about a dog and a ball.';

/**
 * @param {string} url
 * @param {string} model Path of a GGUF file.
 * @param {(typeof PICTURES)[number]} picture
 */
async function take(url, model, { name, width, height, scale, colorScheme }) {
  const browser = await chromium.launch({
    executablePath: await ensureChromium(),
    args: ['--no-sandbox', '--disable-quic', '--no-first-run', '--disable-background-networking'],
  });
  try {
    const page = await browser.newPage({
      viewport: { width, height },
      deviceScaleFactor: scale,
      colorScheme,
      locale: 'en-US',
      reducedMotion: 'reduce',
    });
    await page.addInitScript((text) => {
      localStorage.setItem('hermit.settings', text);
    }, JSON.stringify(SETTINGS));
    await page.goto(url);
    const chooser = page.waitForEvent('filechooser');
    await page.getByText('Open a file').click();
    await (await chooser).setFiles(model);
    const field = page.getByRole('textbox', { name: 'Message' });
    await field.fill(QUESTION);
    await page.getByRole('button', { name: 'Send' }).click();
    await page
      .getByText(/tokens\/s/)
      .first()
      .waitFor();
    await field.blur();
    await page.mouse.move(0, 0);
    await page.screenshot({ path: join(SCREENSHOTS, `${name}.png`) });
  } finally {
    await browser.close();
  }
}

const model = process.argv[2];
if (model === undefined) throw new Error('Give the path of a GGUF file.');
mkdirSync(SCREENSHOTS, { recursive: true });
const server = createStaticServer(DIST);
await new Promise((resolve) => {
  server.listen(0, '127.0.0.1', () => {
    resolve(undefined);
  });
});
try {
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('no port');
  for (const picture of PICTURES) {
    await take(`http://localhost:${address.port}`, model, picture);
  }
} finally {
  server.close();
  server.closeAllConnections();
}
