import { afterEach, describe, expect, it, vi } from 'vitest';
import { onOpenedFiles, sharedText } from './launch.ts';

afterEach(() => {
  vi.unstubAllGlobals();
});

describe('a shared text', () => {
  it('is title, text and link, each once, and leaves the address clean', () => {
    const address =
      'https://h.example/?title=A%20page&text=Read%20this&url=https%3A%2F%2Fa.example#/';
    expect(sharedText(address)).toEqual({
      text: 'A page\nRead this\nhttps://a.example',
      rest: '/#/',
    });
    expect(sharedText('https://h.example/?title=Same&text=Same')?.text).toBe('Same');
  });

  it('is none where nothing was shared', () => {
    expect(sharedText('https://h.example/')).toBeNull();
    expect(sharedText('https://h.example/?text=%20&utm=x#/models')).toBeNull();
  });

  it('has a limit', () => {
    expect(sharedText(`https://h.example/?text=${'x'.repeat(40_000)}`)?.text).toHaveLength(32_768);
  });
});

describe('opened files', () => {
  it('arrive with the launch', async () => {
    let launch: (launch: object) => void = () => undefined;
    vi.stubGlobal('launchQueue', { setConsumer: (consumer: typeof launch) => (launch = consumer) });
    const opened: string[] = [];
    onOpenedFiles((files) => {
      opened.push(...files.map(({ name }) => name));
      return Promise.resolve();
    });
    launch({});
    launch({ files: [{ getFile: () => Promise.resolve(new File(['x'], 'model.gguf')) }] });
    await expect.poll(() => opened).toEqual(['model.gguf']);
  });

  it('never arrive where the browser has no such thing', () => {
    expect(() => {
      onOpenedFiles(() => Promise.resolve());
    }).not.toThrow();
  });
});
