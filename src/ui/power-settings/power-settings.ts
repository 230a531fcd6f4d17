import { msg, str } from '@lit/localize';
import { html, nothing } from 'lit';
import { offerFile } from '../file-download.ts';
import { formatMilliseconds, formatNumber, formatTime } from '../format.ts';
import { HermitElement, Observed } from '../hermit-element.ts';
import { downloadIcon } from '../icons.ts';
import { changeTexts, reasonText } from '../power-text.ts';
import type { PlanChangeView, PowerMode, Settings } from '../services.ts';
import { segments } from '../settings-view/segments.ts';
import { settingsViewStyles } from '../settings-view/settings-view.styles.ts';
import { baseStyles, fieldStyles } from '../shared.styles.ts';
import { powerSettingsStyles } from './power-settings.styles.ts';
import '../step-profile/step-profile.ts';
import { signalRows } from './signal-text.ts';

/** Names of settings that are numbers of the rules. */
type RuleField = 'batteryLow' | 'batteryRecovered' | 'calmSeconds' | 'memoryLimit';

/** Changes shown; older ones are in the report for scripts. */
const shownChanges = 30;

/**
 * `<hermit-power-settings>`: who decides how models compute, by which rules, from which signals, and
 * what has changed so far.
 *
 * Properties, events, slots, parts: none.
 */
export class PowerSettings extends HermitElement {
  static override readonly styles = [
    baseStyles,
    fieldStyles,
    settingsViewStyles,
    powerSettingsStyles,
  ];

  readonly #settings = new Observed(this, (services) => services.settings.settings);
  readonly #power = new Observed(this, (services) => services.power.power);
  readonly #changes = new Observed(this, (services) => services.power.changes);

  protected override render(): unknown {
    const settings = this.#settings.value;
    const followsDevice = settings.powerMode === 'balanced' || settings.powerMode === 'saver';
    return html`<section aria-labelledby="energy">
      <h2 id="energy">${msg('Energy', { id: 'power.heading' })}</h2>
      <div class="card">
        ${this.#mode(settings)} ${this.#threads(settings)}
        ${followsDevice ? this.#numbers() : nothing} ${this.#memory()} ${this.#rules(settings)}
        ${this.#signals()} ${this.#timeline()} ${this.#profile()}
      </div>
    </section>`;
  }

  #mode({ powerMode }: Settings): unknown {
    const modes: readonly (readonly [PowerMode, string])[] = [
      ['saver', msg('Saver', { id: 'power.saver' })],
      ['balanced', msg('Balanced', { id: 'power.balanced' })],
      ['performance', msg('Performance', { id: 'power.performance' })],
      ['manual', msg('Manual', { id: 'power.manual' })],
    ];
    const explained = {
      saver: msg('4 bits, more only where it matters most, and half the threads, always.', {
        id: 'power.saverHint',
      }),
      balanced: msg('Everything the model has, until battery, heat or memory say otherwise.', {
        id: 'power.balancedHint',
      }),
      performance: msg('Everything the model has; battery and background do not count.', {
        id: 'power.performanceHint',
      }),
      manual: msg('Precision and threads exactly as you choose them; the device does not count.', {
        id: 'power.manualHint',
      }),
    }[powerMode];
    return html`<fieldset class="setting tall" aria-describedby="mode-hint">
      <legend class="label">${msg('Who decides', { id: 'power.mode' })}</legend>
      ${segments('power-mode', modes, powerMode, (mode) => {
        this.services.settings.update({ powerMode: mode });
      })}
      <p class="hint" id="mode-hint">${explained}</p>
    </fieldset>`;
  }

  #threads({ threads, powerMode }: Settings): unknown {
    const most = Math.max(this.#power.value.fullThreads, threads === 'auto' ? 1 : threads);
    const counts = Array.from({ length: most }, (_, index) => index + 1);
    return html`<div class="setting">
      <label for="threads">${msg('Threads', { id: 'power.threads' })}</label>
      <select
        id="threads"
        aria-describedby="threads-hint"
        @change=${(event: Event) => {
          const { value } = event.target as HTMLSelectElement;
          this.services.settings.update({ threads: value === 'auto' ? 'auto' : Number(value) });
        }}
      >
        <option value="auto" ?selected=${threads === 'auto'}>
          ${msg('Automatic', { id: 'settings.precisionAuto' })}
        </option>
        ${counts.map(
          (count) =>
            html`<option value=${count} ?selected=${threads === count}>
              ${formatNumber(count)}
            </option>`,
        )}
      </select>
      <p class="hint" id="threads-hint">
        ${
          powerMode === 'manual'
            ? msg('Of the processor. Automatic measures how many help.', {
                id: 'power.threadsExactHint',
              })
            : msg('Of the processor, at most. Automatic measures how many help.', {
                id: 'power.threadsHint',
              })
        }
      </p>
    </div>`;
  }

  #numbers(): unknown {
    return [
      this.#number('batteryLow', 0, 95, {
        label: msg('4 bits below', { id: 'power.batteryLow' }),
        hint: msg('Percent of the battery, while discharging. 0: never.', {
          id: 'power.batteryLowHint',
        }),
      }),
      this.#number('batteryRecovered', 1, 100, {
        label: msg('8 bits again above', { id: 'power.batteryRecovered' }),
        hint: msg('Percent of the battery. When charging, at once.', {
          id: 'power.batteryRecoveredHint',
        }),
      }),
      this.#number('calmSeconds', 5, 600, {
        label: msg('All threads again after', { id: 'power.calm' }),
        hint: msg('Seconds without pressure on the processor.', { id: 'power.calmHint' }),
      }),
    ];
  }

  #memory(): unknown {
    return this.#number('memoryLimit', 0, 1_000_000, {
      label: msg('Memory for models', { id: 'power.memoryLimit' }),
      hint: msg('Megabytes at most. 0: as much as this device is thought to have.', {
        id: 'power.memoryLimitHint',
      }),
    });
  }

  #number(
    field: RuleField,
    min: number,
    max: number,
    { label, hint }: { readonly label: string; readonly hint: string },
  ): unknown {
    const { settings } = this.services;
    return html`<div class="setting">
      <label for=${field}>${label}</label>
      <input
        id=${field}
        type="number"
        inputmode="numeric"
        min=${min}
        max=${max}
        aria-describedby="${field}-hint"
        .value=${String(this.#settings.value[field])}
        @change=${(event: Event) => {
          const input = event.target as HTMLInputElement;
          const given = input.valueAsNumber;
          const value = Number.isNaN(given) ? settings.defaults[field] : Math.round(given);
          settings.update({ [field]: Math.min(max, Math.max(min, value)) });
          // Where the value kept is the old one nothing is rendered, but the field must not lie.
          input.value = String(settings.settings.value[field]);
        }}
      />
      <p class="hint" id="${field}-hint">${hint}</p>
    </div>`;
  }

  #rules({ batteryLow, batteryRecovered, calmSeconds }: Settings): unknown {
    const [low, recovered, calm] = [batteryLow, batteryRecovered, calmSeconds].map((number) =>
      formatNumber(number),
    );
    return html`<details>
      <summary>${msg('All rules', { id: 'power.rules' })}</summary>
      <div class="rules">
        <ul>
          <li>
            ${msg(str`Discharging below ${low ?? ''}%: 4 bits are read of each weight instead of 8. Back above ${recovered ?? ''}% or when charging.`, { id: 'rule.battery' })}
          </li>
          <li>
            ${msg('If the browser was asked to save data, the same at 50% and 55%.', { id: 'rule.saving' })}
          </li>
          <li>
            ${msg(str`Serious pressure on the processor: half the threads. Critical: one thread, a rest of up to 0.1 s after each token, no words computed ahead, and the graphics card computes where it was measured at least half as fast. Back after ${calm ?? ''} s without pressure.`, { id: 'rule.pressure' })}
          </li>
          <li>
            ${msg('Pressure that comes up with an answer on a calm device is the answer itself, and no reason to hold back: then the speed of words tells of heat.', { id: 'rule.own' })}
          </li>
          <li>
            ${msg('Where the browser tells of no pressure, words at less than 60% of the usual speed count as serious, less than 35% as critical.', { id: 'rule.speed' })}
          </li>
          <li>
            ${msg('Page in the background: one thread finishes the answer, and no words are computed ahead.', { id: 'rule.hidden' })}
          </li>
          <li>
            ${msg('Too little memory, in every mode: the finer half of the weights is given up first, then conversations are kept in 8 bits, then they become shorter; what still does not fit is refused with the numbers.', { id: 'rule.memory' })}
          </li>
          <li>
            ${msg('What has changed does not change back within 5 s. Conversations are kept through every change, and nothing is loaded again.', { id: 'rule.dwell' })}
          </li>
        </ul>
      </div>
    </details>`;
  }

  #signals(): unknown {
    return html`<details>
      <summary>${msg('What this device tells', { id: 'power.signals' })}</summary>
      <dl class="signals">
        ${signalRows(this.#power.value.signals, this.#power.value.ownPressure, Date.now()).map(
          ({ name, value, from }) =>
            html`<div class="setting">
              <dt>${name}</dt>
              <dd>
                ${
                  value === null
                    ? html`<span class="missing">${msg('missing', { id: 'signal.missing' })}</span>`
                    : html`<span>${value}</span>`
                }
                <span class="from">${from}</span>
              </dd>
            </div>`,
        )}
      </dl>
      ${this.#speeds()}
    </details>`;
  }

  /** Speeds measured here may be handed on by whoever wants to; nothing is sent. */
  #speeds(): unknown {
    const file = this.services.power.speedsFile();
    if (file === null) return nothing;
    return html`<div class="profile">
      <p>
        ${msg('Speeds that were measured here, with the kind of this device and nothing else. Hand the file on if you want Hermit to know what to expect of devices like yours.', { id: 'power.profileHint' })}
      </p>
      <button
        type="button"
        class="button small"
        @click=${() => {
          offerFile(file, 'hermit-device-profile.json');
        }}
      >
        ${downloadIcon}${msg('Save what was measured', { id: 'power.profile' })}
      </button>
    </div>`;
  }

  #timeline(): unknown {
    const changes = this.#changes.value.slice(0, shownChanges);
    return html`<details>
      <summary>${msg('What has changed', { id: 'power.changes' })}</summary>
      <div class="changes">
        ${
          changes.length === 0
            ? html`<p>${msg('Nothing since this page was opened.', { id: 'power.noChanges' })}</p>`
            : html`<ol>
                ${changes.map((change) => this.#change(change))}
              </ol>`
        }
      </div>
    </details>`;
  }

  #profile(): unknown {
    return html`<details>
      <summary>${msg('Where the time of a word goes', { id: 'profile.heading' })}</summary>
      <hermit-step-profile></hermit-step-profile>
    </details>`;
  }

  #change({ at, from, to, reasons, duringAnswer, outcome, milliseconds }: PlanChangeView): unknown {
    const taken = formatMilliseconds(Math.max(1, Math.round(milliseconds)));
    const where = duringAnswer
      ? msg(str`in the middle of an answer, taken over in ${taken}`, { id: 'power.during' })
      : msg(str`taken over in ${taken}`, { id: 'power.taken' });
    return html`<li>
      <time datetime=${new Date(at).toISOString()}>${formatTime(at)}</time>
      <strong>${changeTexts(from, to, this.#power.value.fullThreads).join(' · ')}</strong>
      <p>
        ${
          outcome === 'failed' ? msg('The engine could not follow.', { id: 'power.failed' }) : where
        }
      </p>
      ${
        reasons.length === 0
          ? html`<p>${msg('Nothing speaks against it any more.', { id: 'power.noReason' })}</p>`
          : reasons.map((reason) => html`<p>${reasonText(reason)}</p>`)
      }
    </li>`;
  }
}

customElements.define('hermit-power-settings', PowerSettings);

declare global {
  interface HTMLElementTagNameMap {
    'hermit-power-settings': PowerSettings;
  }
}
