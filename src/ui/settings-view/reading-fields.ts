import { msg, str } from '@lit/localize';
import { html, nothing } from 'lit';
import { formatBytes } from '../format.ts';
import type { Services } from '../services.ts';
import { segments } from './segments.ts';

/** Whether what models have read of chats is kept, how much of it there is, and its deletion. */
export function readingFields(
  { settings }: Pick<Services, 'settings'>,
  readingBytes: number | null,
  clear: () => void,
): unknown {
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
          : html`${msg(str`${formatBytes(readingBytes)} in use.`, { id: 'settings.readingBytes' })}
              <button type="button" class="button small" @click=${clear}>
                ${msg('Delete it', { id: 'settings.readingClear' })}
              </button>`
      }
    </p>
  </fieldset>`;
}
