// @vitest-environment happy-dom
import { afterEach, describe, expect, it } from 'vitest';
import {
  formatBytes,
  formatDuration,
  formatLanguage,
  formatSpeed,
  formatTokens,
} from './format.ts';
import { applyLanguage, resolveLocale } from './localization.ts';

afterEach(() => applyLanguage('en'));

describe('formats', () => {
  it.each([
    [0, '0 bytes'],
    [1, '1 byte'],
    [999, '999 bytes'],
    [1000, '1 kB'],
    [999_499, '999 kB'],
    [999_500, '1 MB'],
    [386_404_992, '386 MB'],
    [1_320_000_000, '1.3 GB'],
    [4e15, '4,000 TB'],
  ])('shows %d bytes as %s', (bytes, text) => {
    expect(formatBytes(bytes)).toBe(text);
  });

  it.each([
    [-3, '0 sec'],
    [59.4, '59 sec'],
    [60, '1 min'],
    [3599, '1 hr'],
    [5400, '1 hr 30 min'],
  ])('shows %d seconds as %s', (seconds, text) => {
    expect(formatDuration(seconds)).toBe(text);
  });

  it('shows round context lengths in K', () => {
    expect(formatTokens(8192)).toBe('8K');
    expect(formatTokens(5000)).toBe('5,000');
  });

  it('follows the language', async () => {
    expect(formatLanguage('zh-Hans')).toBe('Simplified Chinese');
    await applyLanguage('zh-Hans');
    expect(formatLanguage('en')).toBe('英语');
    expect(formatDuration(90)).toContain('分钟');
    expect(formatSpeed(11_400_000)).toBe('11 MB/s');
    expect(formatLanguage('not a tag')).toBe('not a tag');
  });
});

describe('resolveLocale', () => {
  it('takes the first language of the browser that exists here', () => {
    expect(resolveLocale('system', ['fr-FR', 'zh-TW', 'en'])).toBe('zh-Hans');
    expect(resolveLocale('system', ['de', 'en-GB', 'zh'])).toBe('en');
    expect(resolveLocale('system', ['de'])).toBe('en');
    expect(resolveLocale('zh-Hans', ['en'])).toBe('zh-Hans');
  });
});
