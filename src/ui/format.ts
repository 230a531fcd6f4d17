import { currentLocale } from './localization.ts';
import type { Locale } from './localization.ts';

/** Numbers, sizes, times and dates in the language of the interface. All through `Intl`. */

const byteUnits = ['byte', 'kilobyte', 'megabyte', 'gigabyte', 'terabyte'] as const;

const numberFormats = new Map<string, Intl.NumberFormat>();

function numberFormat(options: Intl.NumberFormatOptions): Intl.NumberFormat {
  const key = currentLocale() + JSON.stringify(options);
  let format = numberFormats.get(key);
  if (format === undefined) {
    format = new Intl.NumberFormat(currentLocale(), options);
    numberFormats.set(key, format);
  }
  return format;
}

/** At most `digits` decimals. */
export function formatNumber(value: number, digits = 0): string {
  return numberFormat({ maximumFractionDigits: digits }).format(value);
}

/** `0.42` as "42%". */
export function formatPercent(fraction: number): string {
  return numberFormat({ style: 'percent' }).format(fraction);
}

/** Decimal units (1 GB = 10^9 bytes), as browsers and file managers of today show them. */
export function formatBytes(bytes: number): string {
  let step = 0;
  let value = bytes;
  while (value >= 999.5 && step < byteUnits.length - 1) {
    value /= 1000;
    step++;
  }
  return numberFormat({
    style: 'unit',
    unit: byteUnits[step] ?? 'byte',
    unitDisplay: step === 0 ? 'long' : 'short',
    maximumFractionDigits: step >= 3 || (step > 0 && value < 10) ? 1 : 0,
  }).format(value);
}

/** Bytes a second, for example "12 MB/s". */
export function formatSpeed(bytesPerSecond: number): string {
  return `${formatBytes(bytesPerSecond)}/s`;
}

function unit(value: number, name: 'second' | 'minute' | 'hour'): string {
  return numberFormat({
    style: 'unit',
    unit: name,
    unitDisplay: currentLocale() === 'en' ? 'short' : 'long',
    maximumFractionDigits: 0,
  }).format(value);
}

/** A rough length of time: seconds below a minute, else minutes, else hours and minutes. */
export function formatDuration(seconds: number): string {
  const whole = Math.max(0, Math.round(seconds));
  if (whole < 60) return unit(whole, 'second');
  const minutes = Math.round(whole / 60);
  if (minutes < 60) return unit(minutes, 'minute');
  const rest = minutes % 60;
  const hours = unit(Math.floor(minutes / 60), 'hour');
  return rest === 0 ? hours : `${hours} ${unit(rest, 'minute')}`;
}

/** A length of time with a tenth of a second, or milliseconds when short. */
export function formatMilliseconds(milliseconds: number): string {
  if (milliseconds < 1000) {
    return numberFormat({ style: 'unit', unit: 'millisecond', maximumFractionDigits: 0 }).format(
      milliseconds,
    );
  }
  return numberFormat({ style: 'unit', unit: 'second', maximumFractionDigits: 1 }).format(
    milliseconds / 1000,
  );
}

/** The time of day with seconds, such as "14:03:22". */
export function formatTime(time: number): string {
  return new Intl.DateTimeFormat(currentLocale(), {
    hour: '2-digit',
    minute: '2-digit',
    second: '2-digit',
    hour12: false,
  }).format(time);
}

/** A calendar date such as "21 Nov 2026". */
export function formatDate(time: number): string {
  return new Intl.DateTimeFormat(currentLocale(), { dateStyle: 'medium' }).format(time);
}

/** Tokens as people say context lengths: "8K", or the number itself when it is no round one. */
export function formatTokens(count: number): string {
  return count >= 1024 && count % 1024 === 0
    ? `${formatNumber(count / 1024)}K`
    : formatNumber(count);
}

/** The name of a language in the language of the interface; the tag itself where unknown. */
export function formatLanguage(tag: string): string {
  try {
    return new Intl.DisplayNames([currentLocale()], { type: 'language' }).of(tag) ?? tag;
  } catch {
    // An invalid tag in the catalogue: showing it beats showing nothing.
    return tag;
  }
}

/** A list as prose: "English, French, and German". */
export function formatList(items: readonly string[]): string {
  const locale: Locale = currentLocale();
  return new Intl.ListFormat(locale, { type: 'unit', style: 'short' }).format(items);
}
