import { msg, str } from '@lit/localize';
import { html, nothing } from 'lit';
import { errorText } from '../error-text.ts';
import { formatBytes } from '../format.ts';
import { HermitElement, Observed } from '../hermit-element.ts';
import { announce, perform, toErrorView } from '../requests.ts';
import type { ErrorView, ModelView, RecipeView, SmallerModelView } from '../services.ts';
import { baseStyles, buttonStyles, dialogStyles, progressStyles } from '../shared.styles.ts';
import { lossText, recipeName } from './recipe-text.ts';
import { smallerModelDialogStyles } from './smaller-model-dialog.styles.ts';

/**
 * `<hermit-smaller-model-dialog>`: shows what a model can be made into, with sizes and measured loss,
 * and starts making one of them.
 *
 * Methods: `open(model)`. Properties, slots, parts: none.
 * Events: `hermit-announce` when it is made, `hermit-problem` when that failed.
 */
export class SmallerModelDialog extends HermitElement {
  static override readonly styles = [
    baseStyles,
    buttonStyles,
    progressStyles,
    dialogStyles,
    smallerModelDialogStyles,
  ];
  static override readonly properties = {
    model: { state: true },
    choices: { state: true },
    chosen: { state: true },
    measured: { state: true },
    failure: { state: true },
    calibration: { state: true },
  };

  declare private model: ModelView | null;
  /** Null while the weights are looked at. */
  declare private choices: readonly SmallerModelView[] | null;
  declare private chosen: number;
  /** How much of the model was looked at, 0 to 1. */
  declare private measured: number;
  declare private failure: ErrorView | null;
  /** Whether a text is run through the model first. */
  declare private calibration: boolean;

  readonly #making = new Observed(this, (services) => services.models.making);
  #looking = new AbortController();

  constructor() {
    super();
    this.model = null;
    this.choices = null;
    this.chosen = 0;
    this.measured = 0;
    this.failure = null;
    this.calibration = false;
  }

  override disconnectedCallback(): void {
    super.disconnectedCallback();
    this.#looking.abort();
  }

  async open(model: ModelView): Promise<void> {
    this.model = model;
    this.choices = null;
    this.measured = 0;
    this.failure = null;
    this.calibration = (model.bytesTotal ?? Infinity) <= calibratedAtMost;
    await this.updateComplete;
    this.renderRoot.querySelector('dialog')?.showModal();
    this.#looking.abort();
    this.#looking = new AbortController();
    const { signal } = this.#looking;
    try {
      const choices = await this.services.models.estimateSmaller(model.id, signal, (fraction) => {
        if (!signal.aborted) this.measured = fraction;
      });
      if (signal.aborted) return;
      this.choices = choices;
      this.chosen = recommended(choices);
    } catch (error) {
      if (!signal.aborted) this.failure = toErrorView(error);
    }
  }

  protected override render(): unknown {
    const { model } = this;
    if (model === null) return nothing;
    const size = model.bytesTotal === null ? '' : formatBytes(model.bytesTotal);
    return html`<dialog class="sheet" aria-labelledby="heading" @close=${this.#onClose}>
      <form @submit=${this.#submit}>
        <h2 id="heading">${msg('Make a smaller version', { id: 'smaller.heading' })}</h2>
        <p>
          ${msg(
            str`A copy of “${model.name}” (${size}) with fewer bits for each weight: it needs less space and memory and answers faster. The original stays. Everything happens on this device.`,
            { id: 'smaller.explain' },
          )}
        </p>
        ${this.#body()}
        <div class="dialog-actions">
          <button type="button" class="button" @click=${this.#close}>
            ${msg('Cancel', { id: 'common.cancel' })}
          </button>
          <button
            type="submit"
            class="button primary"
            ?disabled=${(this.choices?.length ?? 0) === 0 || this.#making.value !== null}
          >
            ${msg('Make it', { id: 'smaller.start' })}
          </button>
        </div>
      </form>
    </dialog>`;
  }

  #body(): unknown {
    if (this.failure !== null) {
      return html`<p class="field-error" role="alert">${errorText(this.failure)}</p>`;
    }
    if (this.choices === null) {
      return html`<div class="wait" role="status">
        <progress
          aria-label=${msg('Measuring what would be lost', { id: 'smaller.measuring' })}
          max="1"
          .value=${this.measured}
        ></progress>
        <p>${msg('Measuring what would be lost…', { id: 'smaller.measuringWait' })}</p>
      </div>`;
    }
    if (this.choices.length === 0) {
      return html`<p class="note" role="status">
        ${msg(
          'This model is small already: nothing would be gained. Choose a version of it with more bits per weight, such as F16 or Q8_0.',
          { id: 'smaller.already' },
        )}
      </p>`;
    }
    return this.#choices(this.choices);
  }

  #choices(choices: readonly SmallerModelView[]): unknown {
    const best = recommended(choices);
    return html`<fieldset>
        <legend class="label">${msg('How small?', { id: 'smaller.choose' })}</legend>
        ${choices.map((choice, index) => this.#choice(choice, index, index === best))}
      </fieldset>
      <label class="choice">
        <input
          type="checkbox"
          .checked=${this.calibration}
          @change=${(event: Event) => {
            this.calibration = (event.target as HTMLInputElement).checked;
          }}
        />
        <span class="name"
          >${msg('Find out first which weights matter', { id: 'smaller.calibrate' })}</span
        >
        <span class="loss"
          >${msg(
            'The model reads a short text in several languages. The result is better; it takes longer and needs as much memory as using the model.',
            { id: 'smaller.calibrateHint' },
          )}</span
        >
      </label>
      ${
        choices.some(({ fromQuantised }) => fromQuantised)
          ? html`<p class="note">
              ${msg(
                'This version was rounded before, and what that cost stays. The result is better when made from the F16 or BF16 version of the model.',
                { id: 'smaller.rounded' },
              )}
            </p>`
          : nothing
      }
      ${
        this.#making.value === null
          ? nothing
          : html`<p class="note">
              ${msg('Another model is being made. Wait until it is done.', { id: 'smaller.busy' })}
            </p>`
      }`;
  }

  #choice(choice: SmallerModelView, index: number, best: boolean): unknown {
    return html`<label class="choice">
      <input
        type="radio"
        name="recipe"
        .checked=${index === this.chosen}
        @change=${() => {
          this.chosen = index;
        }}
      />
      <span class="name">${recipeName(choice.recipe)}</span>
      <span class="size">${formatBytes(choice.sizeBytes)}</span>
      <span class="loss"
        >${lossText(choice)}${
          best ? html` · ${msg('Recommended', { id: 'smaller.recommended' })}` : nothing
        }</span
      >
    </label>`;
  }

  readonly #close = (): void => {
    this.renderRoot.querySelector('dialog')?.close();
  };

  readonly #onClose = (): void => {
    this.#looking.abort();
  };

  readonly #submit = (event: Event): void => {
    event.preventDefault();
    const choice = this.choices?.[this.chosen];
    if (this.model === null || choice === undefined) return;
    this.#close();
    void this.#make(this.model.id, choice.recipe, this.calibration);
  };

  async #make(id: string, recipe: RecipeView, calibration: boolean): Promise<void> {
    const making = this.services.models.makeSmaller(id, recipe, calibration);
    const made = await perform(this, making);
    if (made === undefined) return;
    announce(this, msg('The smaller model is ready.', { id: 'smaller.ready' }));
  }
}

/** Larger models are not run through a text unless asked: it would take minutes and gigabytes. */
const calibratedAtMost = 1.5e9;

/** The bits spent where they matter, where there is that choice; else the middle of what there is. */
function recommended(choices: readonly SmallerModelView[]): number {
  const automatic = choices.findIndex(({ recipe }) => typeof recipe !== 'string');
  return automatic >= 0 ? automatic : Math.max(0, choices.length - 2);
}

customElements.define('hermit-smaller-model-dialog', SmallerModelDialog);

declare global {
  interface HTMLElementTagNameMap {
    'hermit-smaller-model-dialog': SmallerModelDialog;
  }
}
