import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { expect, it } from 'vitest';
import { guideModel } from './guide.ts';

it('names the file that is served', async () => {
  const file = await readFile(new URL(`../../public${guideModel.path}`, import.meta.url));
  expect(file.length).toBe(guideModel.bytes);
  expect(createHash('sha256').update(file).digest('hex')).toBe(guideModel.sha256);
});
