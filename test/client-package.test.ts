/** The npm package for embedding pages, as somebody who installs it meets it. */
import { spawnSync } from 'node:child_process';
import { mkdir, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { packClient } from '../scripts/pack-client.mjs';

const packages = fileURLToPath(new URL('../node_modules', import.meta.url));
let folder: string;

function run(command: string, ...parameters: readonly string[]): string {
  const { status, stdout, stderr } = spawnSync(command, parameters, {
    cwd: folder,
    encoding: 'utf8',
  });
  expect(stderr + (status === 0 ? '' : stdout)).toBe('');
  return stdout;
}

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'hermit-client-'));
  const archive = await packClient(folder);
  await mkdir(join(folder, 'node_modules', 'hermit-client'), { recursive: true });
  run('tar', '-xzf', archive, '-C', 'node_modules/hermit-client', '--strip-components', '1');
  await symlink(join(packages, 'openai'), join(folder, 'node_modules', 'openai'));
  await writeFile(join(folder, 'package.json'), '{ "type": "module" }');
});
afterAll(() => rm(folder, { recursive: true }));

const use = `import OpenAI from 'openai';
import { connect, type HermitWidget } from 'hermit-client';
import { languageModel } from 'hermit-client/language-model';
import { openAiFetch } from 'hermit-client/openai';

export async function use(iframe: HTMLIFrameElement): Promise<string> {
  const hermit: HermitWidget = await connect(iframe, { onAttention: () => iframe.scrollIntoView() });
  const messages = [{ role: 'user' as const, content: 'Hello' }];
  const stream = await hermit.chat.completions.create({ messages, stream: true });
  let text = '';
  for await (const { choices } of stream) text += choices[0]?.delta.content ?? '';
  // @ts-expect-error -- a role that does not exist must not pass
  await hermit.chat.completions.create({ messages: [{ role: 'nobody', content: 'x' }] });
  const client = new OpenAI({ apiKey: 'none', fetch: openAiFetch(hermit) });
  const session = await languageModel(hermit).create();
  return text + client.baseURL + (await session.prompt('Hi'));
}
`;

describe('the package hermit-client', () => {
  it('has types that hold for strict programs, and no other dependency', async () => {
    await writeFile(join(folder, 'use.ts'), use);
    const tsc = join(packages, 'typescript', 'bin', 'tsc');
    const strict = ['--strict', '--noEmit', '--module', 'nodenext', '--target', 'es2023'];
    run(process.execPath, tsc, ...strict, '--types', '', '--skipLibCheck', 'use.ts');
    const text = await readFile(join(folder, 'node_modules/hermit-client/package.json'), 'utf8');
    expect(JSON.parse(text)).not.toHaveProperty('dependencies');
  });

  it('answers the official client in a program that knows nothing but packages', async () => {
    const program = `
      import OpenAI from 'openai';
      import { openAiFetch } from 'hermit-client/openai';
      const create = async ({ messages }) => ({ choices: [{ message: { content: messages[0].content.toUpperCase() } }] });
      const hermit = { chat: { completions: { create } }, models: { list: async () => [] } };
      const client = new OpenAI({ apiKey: 'none', fetch: openAiFetch(hermit) });
      const { choices } = await client.chat.completions.create({ model: 'm', messages: [{ role: 'user', content: 'hello' }] });
      console.log(choices[0].message.content);`;
    await writeFile(join(folder, 'program.mjs'), program);
    expect(run(process.execPath, 'program.mjs')).toBe('HELLO\n');
  });
});
