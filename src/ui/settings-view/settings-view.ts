import { msg, str } from '@lit/localize';
import { html, nothing } from 'lit';
import { offerFile } from '../file-download.ts';
import { HermitElement, Observed } from '../hermit-element.ts';
import { downloadIcon, retryIcon } from '../icons.ts';
import { pageStyles } from '../page.styles.ts';
import { noticeText } from '../notice-text.ts';
import { askConfirmation, perform, showHint } from '../requests.ts';
import type { Settings } from '../services.ts';
import { baseStyles, buttonStyles, fieldStyles } from '../shared.styles.ts';
import '../power-settings/power-settings.ts';
import '../storage-meter/storage-meter.ts';
import { aboutSection } from './about-section.ts';
import { answerFields } from './answer-fields.ts';
import type { NumberField } from './answer-fields.ts';
import { privacySection } from './privacy-section.ts';
import { readingButton, readingFields } from './reading-fields.ts';
import { segments } from './segments.ts';
import { settingsViewStyles } from './settings-view.styles.ts';

/**
 * `<hermit-settings-view>`: the page of settings. Every change applies at once.
 *
 * Properties, slots, parts: none. Events: `hermit-confirm`, `hermit-problem`, `hermit-hint`.
 */
export class SettingsView extends HermitElement {
  static override readonly styles = [
    baseStyles,
    buttonStyles,
    fieldStyles,
    pageStyles,
    settingsViewStyles,
  ];

  readonly #settings = new Observed(this, (services) => services.settings.settings);
  readonly #active = new Observed(this, (services) => services.models.active);
  readonly #storage = new Observed(this, (services) => services.app.storage);
  readonly #device = new Observed(this, (services) => services.app.device);
  readonly #update = new Observed(this, (services) => services.app.update);

  protected override render(): unknown {
    const settings = this.#settings.value;
    return html`<div class="page">
      <h1 tabindex="-1">${msg('Settings', { id: 'sidebar.settings' })}</h1>
      ${this.#appearance(settings)} ${this.#answers(settings)}
      <hermit-power-settings></hermit-power-settings>
      ${privacySection(this.services.settings)} ${this.#storageSection()} ${keyboardSection()}
      ${aboutSection(this.services.app.version, this.#device.value, this.#update.value)}
    </div>`;
  }

  #appearance(settings: Settings): unknown {
    const themes: readonly (readonly [Settings['theme'], string])[] = [
      ['system', msg('System', { id: 'settings.themeSystem' })],
      ['light', msg('Light', { id: 'settings.light' })],
      ['dark', msg('Dark', { id: 'settings.dark' })],
    ];
    return html`<section aria-labelledby="appearance">
      <h2 id="appearance">${msg('Appearance', { id: 'settings.appearance' })}</h2>
      <div class="card">
        <fieldset class="setting">
          <legend class="label">${msg('Theme', { id: 'settings.theme' })}</legend>
          ${segments('theme', themes, settings.theme, (theme) => {
            this.services.settings.update({ theme });
          })}
        </fieldset>
        <div class="setting">
          <label for="language">${msg('Language', { id: 'settings.language' })}</label>
          <select
            id="language"
            @change=${(event: Event) => {
              const language = (event.target as HTMLSelectElement).value as Settings['language'];
              this.services.settings.update({ language });
            }}
          >
            ${(
              [
                ['system', msg('Like the system', { id: 'settings.system' })],
                ['en', 'English'],
                ['zh-Hans', '简体中文'],
              ] as const
            ).map(
              ([value, label]) =>
                html`<option
                  value=${value}
                  lang=${value === 'system' ? nothing : value}
                  ?selected=${settings.language === value}
                >
                  ${label}
                </option>`,
            )}
          </select>
        </div>
      </div>
    </section>`;
  }

  #answers(settings: Settings): unknown {
    return html`<section aria-labelledby="answers">
      <h2 id="answers">${msg('Answers', { id: 'settings.answers' })}</h2>
      <div class="card">
        <div class="setting tall">
          <label for="system-prompt"
            >${msg('System prompt', { id: 'settings.systemPrompt' })}</label
          >
          <p class="hint" id="system-prompt-hint">
            ${msg(
              'What the model should keep in mind in every new chat: who you are, how it should answer.',
              {
                id: 'settings.systemPromptHint',
              },
            )}
          </p>
          <textarea
            id="system-prompt"
            class="field"
            rows="3"
            aria-describedby="system-prompt-hint"
            .value=${settings.systemPrompt}
            @change=${(event: Event) => {
              const systemPrompt = (event.target as HTMLTextAreaElement).value;
              this.services.settings.update({ systemPrompt });
            }}
          ></textarea>
        </div>
        ${this.#precision(settings)} ${this.#backend(settings)}
        ${answerFields().main.map((field) => this.#number(field, settings))}
        <details>
          <summary>${msg('More about how words are chosen', { id: 'settings.more' })}</summary>
          ${answerFields().more.map((field) => this.#number(field, settings))}
        </details>
        <div class="setting">
          <span></span>
          <button type="button" class="button small" @click=${this.#reset}>
            ${retryIcon}${msg('Reset all settings', { id: 'settings.reset' })}
          </button>
        </div>
      </div>
    </section>`;
  }

  #backend(settings: Settings): unknown {
    const choices: readonly (readonly [Settings['backend'], string])[] = [
      ['auto', msg('Automatic', { id: 'settings.backendAuto' })],
      ['wasm', msg('Processor', { id: 'settings.backendWasm' })],
      ['webgpu', msg('Graphics card', { id: 'settings.backendWebgpu' })],
    ];
    return html`<fieldset class="setting" aria-describedby="backend-hint">
      <legend class="label">${msg('Compute on', { id: 'settings.backend' })}</legend>
      ${segments('backend', choices, settings.backend, (backend) => {
        this.services.settings.update({ backend });
      })}
      <p class="hint" id="backend-hint">
        ${msg(
          'Automatic measures each model on both and takes the faster. Changes with the next answer.',
          { id: 'settings.backendHint' },
        )}
      </p>
    </fieldset>`;
  }

  #precision(settings: Settings): unknown {
    const choices: readonly (readonly [Settings['precision'], string])[] = [
      ['auto', msg('Automatic', { id: 'settings.precisionAuto' })],
      [8, msg('8 bits', { id: 'settings.precision8' })],
      [4, msg('4 bits', { id: 'settings.precision4' })],
    ];
    const explained = {
      auto: msg('As exact as the device can well afford at the moment.', {
        id: 'settings.precisionAutoHint',
      }),
      8: msg('The most exact. Takes more time and energy for each word.', {
        id: 'settings.precision8Hint',
      }),
      4: msg('Faster and easier on the battery, at the price of a little exactness.', {
        id: 'settings.precision4Hint',
      }),
    }[settings.precision];
    return html`<fieldset class="setting" aria-describedby="precision-hint">
      <legend class="label">${msg('Precision', { id: 'settings.precision' })}</legend>
      ${segments('precision', choices, settings.precision, (precision) => {
        this.services.settings.update({ precision });
      })}
      <p class="hint" id="precision-hint">
        ${explained}${this.#losesWithFourBits ? html` ${noticeText('four-bit-loss')}` : nothing}
      </p>
    </fieldset>`;
  }

  /** Whether the model in memory is one that 4 bits harm. */
  get #losesWithFourBits(): boolean {
    const active = this.#active.value;
    return active.kind === 'ready' && active.notices.includes('four-bit-loss');
  }

  #number(field: NumberField, settings: Settings): unknown {
    const value = settings[field.name];
    const hintId = `${field.name}-hint`;
    return html`<div class="setting">
      <label for=${field.name}>${field.label}</label>
      <input
        id=${field.name}
        type="number"
        inputmode="decimal"
        min=${field.min}
        max=${field.max}
        step=${field.step}
        placeholder=${field.placeholder ?? nothing}
        aria-describedby=${hintId}
        .value=${value === null ? '' : String(value)}
        @change=${(event: Event) => {
          this.#onNumber(field, event.target as HTMLInputElement);
        }}
      />
      <p class="hint" id=${hintId}>${field.hint}</p>
    </div>`;
  }

  #onNumber(field: NumberField, input: HTMLInputElement): void {
    const { settings } = this.services;
    if (input.value.trim() === '' || Number.isNaN(input.valueAsNumber)) {
      settings.update({ [field.name]: settings.defaults[field.name] });
    } else {
      const limited = Math.min(field.max, Math.max(field.min, input.valueAsNumber));
      settings.update({ [field.name]: field.whole ? Math.round(limited) : limited });
    }
    // Where the value kept is the old one nothing is rendered, but the field must not lie.
    const kept = settings.settings.value[field.name];
    input.value = kept === null ? '' : String(kept);
  }

  #storageSection(): unknown {
    const storage = this.#storage.value;
    return html`<section aria-labelledby="storage">
      <h2 id="storage">${msg('Storage', { id: 'settings.storage' })}</h2>
      <div class="card">
        <div class="setting tall">
          <hermit-storage-meter></hermit-storage-meter>
          <p class="hint">${keptText(storage.kept, storage.persisted)}</p>
        </div>
        ${readingFields(this.services.settings, storage.readingBytes)}
        <div class="setting">
          <label for="keep-awake"
            >${msg('Keep the screen on during downloads', { id: 'settings.keepAwake' })}</label
          >
          <input
            id="keep-awake"
            type="checkbox"
            aria-describedby="keep-awake-hint"
            .checked=${this.#settings.value.keepAwake}
            @change=${(event: Event) => {
              const keepAwake = (event.target as HTMLInputElement).checked;
              this.services.settings.update({ keepAwake });
            }}
          />
          <p class="hint" id="keep-awake-hint">
            ${msg('A phone that goes to sleep interrupts them. Uses the battery.', {
              id: 'settings.keepAwakeHint',
            })}
          </p>
        </div>
        <div class="setting buttons">
          ${
            storage.kept && storage.persisted === false
              ? html`<button type="button" class="button small" @click=${this.#persist}>
                  ${msg('Ask the browser to keep it', { id: 'settings.persist' })}
                </button>`
              : nothing
          }
          <a class="button small" href="#/storage"
            >${msg('What is stored, and for how long', { id: 'settings.storageMore' })}</a
          >
          <button type="button" class="button small" @click=${this.#export}>
            ${downloadIcon}${msg('Export all chats', { id: 'settings.export' })}
          </button>
          ${readingButton(storage.readingBytes, () => {
            void perform(this, this.services.app.clearReading());
          })}
        </div>
      </div>
    </section>`;
  }

  readonly #persist = async (): Promise<void> => {
    const granted = await perform(this, this.services.app.requestPersistence());
    if (granted === undefined) return;
    showHint(
      this,
      granted
        ? msg('The browser will keep your models and chats.', { id: 'settings.persistGranted' })
        : msg('The browser did not agree. Installing Hermit as an app usually helps.', {
            id: 'settings.persistRefused',
          }),
    );
  };

  readonly #export = async (): Promise<void> => {
    const blob = await perform(this, this.services.chats.exportChats());
    if (blob === undefined) return;
    offerFile(blob, `hermit-chats-${new Date().toISOString().slice(0, 10)}.json`);
  };

  readonly #reset = async (): Promise<void> => {
    const confirmed = await askConfirmation(this, {
      heading: msg('Reset all settings?', { id: 'settings.resetHeading' }),
      body: msg(
        'Every setting returns to what it was at first, the system prompt too. Chats and models stay.',
        {
          id: 'settings.resetBody',
        },
      ),
      confirmLabel: msg('Reset', { id: 'settings.resetConfirm' }),
      danger: true,
    });
    if (confirmed) this.services.settings.reset();
  };
}

function keptText(kept: boolean, persisted: boolean | null): string {
  if (!kept) {
    return msg('This window keeps nothing: models and chats are gone when it is closed.', {
      id: 'settings.notKept',
    });
  }
  if (persisted === true) {
    return msg('The browser has promised to keep your models and chats until you delete them.', {
      id: 'settings.persisted',
    });
  }
  return msg(
    'When space runs short the browser may clear models and chats. Safari does so after seven days without a visit, unless Hermit is on the home screen.',
    { id: 'settings.evictable' },
  );
}

function keyboardSection(): unknown {
  const command = /mac|iphone|ipad/i.test(navigator.platform) ? '⌘' : 'Ctrl';
  const shortcuts: readonly (readonly [readonly string[], string])[] = [
    [[command, 'Shift', 'O'], msg('New chat', { id: 'sidebar.newChat' })],
    [['Enter'], msg('Send the message', { id: 'keys.send' })],
    [['Shift', 'Enter'], msg('New line', { id: 'keys.newLine' })],
    [['↑'], msg('Edit your last message (in an empty field)', { id: 'keys.editLast' })],
    [['Esc'], msg('Stop the answer, close a dialog', { id: 'keys.stop' })],
  ];
  return html`<section aria-labelledby="keyboard">
    <h2 id="keyboard">${msg('Keyboard', { id: 'settings.keyboard' })}</h2>
    <dl class="card keys">
      ${shortcuts.map(
        ([keys, meaning]) =>
          html`<div class="setting">
            <dt>${meaning}</dt>
            <dd aria-label=${msg(str`Keys: ${keys.join(' + ')}`, { id: 'keys.label' })}>
              ${keys.map((key) => html`<kbd>${key}</kbd>`)}
            </dd>
          </div>`,
      )}
    </dl>
  </section>`;
}

customElements.define('hermit-settings-view', SettingsView);

declare global {
  interface HTMLElementTagNameMap {
    'hermit-settings-view': SettingsView;
  }
}
