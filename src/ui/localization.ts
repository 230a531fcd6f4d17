import { configureLocalization } from '@lit/localize';
import type { Settings } from './services.ts';

/** The languages of the interface, as BCP 47 tags. English is the one in the sources. */
export type Locale = 'en' | 'zh-Hans';

const { getLocale, setLocale } = configureLocalization({
  sourceLocale: 'en',
  targetLocales: ['zh-Hans'],
  loadLocale: () => import('./locales/zh-Hans.ts'),
});

/** The language shown now. */
export function currentLocale(): Locale {
  return getLocale() === 'zh-Hans' ? 'zh-Hans' : 'en';
}

/**
 * The language for a setting; `system` takes the first of the browser's languages that exists here.
 * Every kind of Chinese gets the simplified one, as nearer than English.
 */
export function resolveLocale(setting: Settings['language'], preferred: readonly string[]): Locale {
  if (setting !== 'system') return setting;
  for (const tag of preferred) {
    const language = tag.toLowerCase().split('-')[0];
    if (language === 'zh') return 'zh-Hans';
    if (language === 'en') return 'en';
  }
  return 'en';
}

/** Switches the interface and the document's `lang`; resolves when the texts are there. */
export async function applyLanguage(setting: Settings['language']): Promise<void> {
  const locale = resolveLocale(setting, navigator.languages);
  await setLocale(locale);
  document.documentElement.lang = currentLocale();
}
