// @vitest-environment happy-dom
import { afterEach, describe, expect, it } from 'vitest';
import { errorCodes } from '../common/errors.ts';
import type { ErrorCode } from '../common/errors.ts';
import { errorText } from './error-text.ts';
import { applyLanguage } from './localization.ts';

const view = (code: ErrorCode, details = {}) => ({ code, message: 'The details.', details });

afterEach(() => applyLanguage('en'));

describe('errorText', () => {
  it.each(errorCodes)('has a whole sentence for %s in both languages', async (code) => {
    const english = errorText(view(code));
    expect(english).toMatch(/^[A-Z].{15,}[.)]?$/s);
    expect(english).not.toContain('undefined');
    await applyLanguage('zh-Hans');
    const chinese = errorText(view(code));
    expect(chinese).toMatch(/\p{Script=Han}.*[。！]|：/su);
    expect(chinese).not.toBe(english);
  });

  it('puts details into the sentence, in the form of the language', async () => {
    const quota = view('store/quota', { bytesStored: 1.3e9, bytesNeeded: 2e9 });
    expect(errorText(quota)).toContain('1.3 GB of 2 GB');
    expect(
      errorText(view('model-file/unsupported-architecture', { architecture: 'mamba' })),
    ).toContain('“mamba”');
    await applyLanguage('zh-Hans');
    expect(errorText(quota)).toContain('已保存 1.3 GB，共需 2 GB');
    expect(document.documentElement.lang).toBe('zh-Hans');
  });

  it('does without the details where they are missing', () => {
    expect(errorText(view('store/quota'))).toMatch(/^Not enough storage\. /);
    expect(errorText(view('model-file/malformed'))).toContain('(at: —)');
  });
});
