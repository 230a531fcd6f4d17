import { html } from 'lit';

/** A row of radio buttons that looks like one control. */
export function segments<T extends string | number>(
  name: string,
  choices: readonly (readonly [T, string])[],
  chosen: T,
  choose: (value: T) => void,
): unknown {
  return html`<div class="segments">
    ${choices.map(
      ([value, label]) =>
        html`<label>
          <input
            type="radio"
            name=${name}
            .checked=${value === chosen}
            @change=${() => {
              choose(value);
            }}
          /><span>${label}</span>
        </label>`,
    )}
  </div>`;
}
