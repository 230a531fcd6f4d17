import { msg, str } from '@lit/localize';
import { html, nothing } from 'lit';
import { formatBytes } from '../format.ts';
import { trashIcon } from '../icons.ts';
import type { SettingsService } from '../services.ts';
import { segments } from './segments.ts';

/** Whether what models have read of chats is kept, and how much of it there is. */
export function readingFields(settings: SettingsService, readingBytes: number | null): unknown {
  const choices: readonly (readonly ['keep' | 'forget', string])[] = [
    ['keep', msg('Keep', { id: 'settings.readingKeep' })],
    ['forget', msg('Do not keep', { id: 'settings.readingForget' })],
  ];
  const { keepReading } = settings.settings.value;
  return html`<fieldset class="setting" aria-describedby="reading-hint">
    <legend class="label">
      ${msg('What the model has read of chats', { id: 'settings.reading' })}
    </legend>
    ${segments('reading', choices, keepReading ? 'keep' : 'forget', (choice) => {
      settings.update({ keepReading: choice === 'keep' });
    })}
    <p class="hint" id="reading-hint">
      ${msg(
        'Lets a chat go on at once after a restart, without being read again. It stays on this device and is deleted with its chat or model.',
        { id: 'settings.readingHint' },
      )}
      ${
        readingBytes === null || readingBytes === 0
          ? nothing
          : msg(str`${formatBytes(readingBytes)} in use.`, { id: 'settings.readingBytes' })
      }
    </p>
  </fieldset>`;
}

/** Deletes it; the chats stay. Nothing where there is none. */
export function readingButton(readingBytes: number | null, clear: () => void): unknown {
  if (readingBytes === null || readingBytes === 0) return nothing;
  return html`<button type="button" class="button small" @click=${clear}>
    ${trashIcon}${msg('Delete what was read', { id: 'settings.readingClear' })}
  </button>`;
}
