/**
 * Draws the Hermit mark, a hermit crab's shell seen from the side with a light at home, and writes
 * the icons into `public/`. Run it when the mark changes; its output is committed.
 *
 *     node scripts/make-icons.mjs
 */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { chromium } from 'playwright-core';
import { ensureChromium } from './find-chromium.mjs';

const PUBLIC = fileURLToPath(new URL('../public', import.meta.url));

const TURNS = 2.3;
/** The shell's radius shrinks to this part with every full turn. */
const SHRINK_PER_TURN = 0.4;
/** Width of the band as part of its outer radius: the rest is the gap that draws the spiral. */
const BAND = 0.5;
const OUTER_RADIUS = 176;
/** The opening points down and to the right, where a crab would look out. */
const START_ANGLE = 0.62;

/** Middle of the drawn shell, which is not the middle of its spiral. */
const CENTRE = [286, 251];

const DECAY = Math.log(SHRINK_PER_TURN) / (2 * Math.PI);

/**
 * A logarithmic spiral as cubic Bezier segments of an eighth turn, exact in position and tangent.
 *
 * @param {number} radius Where the angle is `START_ANGLE`.
 * @param {boolean} inward Drawn from the opening to the middle, or back.
 */
function spiral(radius, inward) {
  const steps = Math.round(TURNS * 8);
  const total = TURNS * 2 * Math.PI;
  const step = total / steps;
  const at = (/** @type {number} */ turn) => {
    const size = radius * Math.exp(DECAY * turn);
    const angle = START_ANGLE - turn;
    const [cos, sin] = [Math.cos(angle), Math.sin(angle)];
    return {
      point: [size * cos, size * sin],
      slope: [size * (DECAY * cos + sin), size * (DECAY * sin - cos)],
    };
  };
  const parts = [];
  for (let index = 0; index < steps; index++) {
    const from = at(inward ? index * step : total - index * step);
    const to = at(inward ? (index + 1) * step : total - (index + 1) * step);
    const handle = ((inward ? 1 : -1) * step) / 3;
    const move = (/** @type {number[]} */ p, /** @type {number[]} */ s, /** @type {number} */ by) =>
      p.map((value, axis) => value + (s[axis] ?? 0) * by);
    const points = [
      move(from.point, from.slope, handle),
      move(to.point, to.slope, -handle),
      to.point,
    ];
    parts.push(`C${points.map(pair).join(' ')}`);
  }
  const first = at(inward ? 0 : total).point;
  return { start: pair(first), path: parts.join('') };
}

/** @param {number[]} point */
function pair(point) {
  return point.map((value) => (value + 256).toFixed(1)).join(' ');
}

/**
 * @param {{ cornerRadius: number; scale: number }} options Scale of the mark within the square:
 *   maskable icons keep it inside the circle of 80 %.
 */
function mark({ cornerRadius, scale }) {
  const outer = spiral(OUTER_RADIUS, true);
  const inner = spiral(OUTER_RADIUS * BAND, false);
  const lip = ((OUTER_RADIUS * (1 - BAND)) / 2).toFixed(1);
  const tip = (Number(lip) * Math.exp(DECAY * TURNS * 2 * Math.PI)).toFixed(1);
  const light = [Math.cos(START_ANGLE), Math.sin(START_ANGLE)].map(
    (value) => value * OUTER_RADIUS * ((1 + BAND) / 2),
  );
  const [lightX, lightY] = pair(light).split(' ');
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 512 512">
  <title>Hermit</title>
  <defs>
    <linearGradient id="shell" x1="0.15" y1="0.05" x2="0.85" y2="0.95">
      <stop offset="0" stop-color="#f8c98c" />
      <stop offset="0.55" stop-color="#e58a4e" />
      <stop offset="1" stop-color="#c75a36" />
    </linearGradient>
    <linearGradient id="night" x1="0" y1="0" x2="0" y2="1">
      <stop offset="0" stop-color="#38302b" />
      <stop offset="1" stop-color="#1d1815" />
    </linearGradient>
  </defs>
  <rect width="512" height="512" rx="${cornerRadius}" fill="url(#night)" />
  <g transform="translate(256 256) scale(${scale}) translate(-${CENTRE.join(' -')})">
    <path fill="url(#shell)" d="M${outer.start}${outer.path}A${tip} ${tip} 0 0 0 ${inner.start}${inner.path}A${lip} ${lip} 0 0 0 ${outer.start}Z" />
    <circle cx="${lightX}" cy="${lightY}" r="25" fill="#fff3d9" />
  </g>
</svg>
`;
}

const rounded = mark({ cornerRadius: 116, scale: 1.22 });
const square = mark({ cornerRadius: 0, scale: 1.1 });
writeFileSync(join(PUBLIC, 'icon.svg'), rounded);

const images = [
  { file: 'icon-192.png', svg: rounded, size: 192 },
  { file: 'icon-512.png', svg: rounded, size: 512 },
  { file: 'icon-maskable-512.png', svg: square, size: 512 },
  { file: 'apple-touch-icon.png', svg: square, size: 180 },
];
const browser = await chromium.launch({
  executablePath: await ensureChromium(),
  args: ['--no-sandbox'],
});
try {
  for (const { file, svg, size } of images) {
    const page = await browser.newPage({ viewport: { width: size, height: size } });
    await page.setContent(
      `<style>body{margin:0}svg{display:block;width:${size}px;height:${size}px}</style>${svg}`,
    );
    await page.screenshot({ path: join(PUBLIC, file), omitBackground: true });
    await page.close();
  }
} finally {
  await browser.close();
}
