import { css } from 'lit';

/** What every component starts from: box model, focus ring, text defaults, hidden text. */
export const baseStyles = css`
  :host {
    box-sizing: border-box;
  }
  :host([hidden]),
  [hidden] {
    display: none !important;
  }
  *,
  *::before,
  *::after {
    box-sizing: border-box;
  }
  h1,
  h2,
  h3,
  h4,
  p,
  ul,
  dl,
  dd,
  figure {
    margin: 0;
  }
  h1,
  h2 {
    font-family: var(--font-display);
    font-weight: 500;
    letter-spacing: -0.012em;
    line-height: var(--leading-tight);
    text-wrap: balance;
  }
  ul {
    padding: 0;
    list-style: none;
  }
  a {
    color: var(--accent);
    text-underline-offset: 0.2em;
    text-decoration-thickness: 1px;
  }
  a:hover {
    color: var(--accent-hover);
  }
  svg {
    flex: none;
    display: block;
  }
  .mark .whorl {
    stroke: var(--mark-ground, var(--canvas));
  }
  :focus-visible {
    outline: 2px solid var(--focus);
    outline-offset: 2px;
  }
  .visually-hidden {
    position: absolute;
    width: 1px;
    height: 1px;
    margin: -1px;
    padding: 0;
    overflow: hidden;
    clip-path: inset(50%);
    white-space: nowrap;
  }
  @keyframes appear {
    from {
      opacity: 0;
      transform: translateY(6px);
    }
  }
  @keyframes spin {
    to {
      transform: rotate(1turn);
    }
  }
  @keyframes breathe {
    50% {
      opacity: 0.35;
    }
  }
`;

/** `<button class="button [primary|danger|quiet|small]">` and `<button class="icon-button">`. */
export const buttonStyles = css`
  button {
    font: inherit;
    color: inherit;
    cursor: pointer;
    -webkit-tap-highlight-color: transparent;
  }
  .button,
  .icon-button {
    display: inline-flex;
    align-items: center;
    justify-content: center;
    gap: var(--space-2);
    min-height: var(--control);
    border: 1px solid transparent;
    border-radius: var(--radius-md);
    background: transparent;
    transition:
      background-color var(--quick) var(--ease),
      border-color var(--quick) var(--ease),
      color var(--quick) var(--ease);
  }
  .button {
    padding: var(--space-1) var(--space-4);
    border-color: var(--line);
    background: var(--surface);
    color: var(--ink);
    font-size: var(--text-md);
    font-weight: 550;
    line-height: 1.3;
    text-decoration: none;
    box-shadow: var(--shadow-1);
  }
  .button:hover {
    background: var(--surface-hover);
    color: var(--ink);
  }
  .button.primary {
    border-color: transparent;
    background: var(--accent);
    color: var(--on-accent);
  }
  .button.primary:hover {
    background: var(--accent-hover);
  }
  .button.danger {
    border-color: transparent;
    background: var(--danger);
    color: var(--on-danger);
  }
  .button.danger:hover {
    background: var(--danger-hover);
  }
  .button.quiet {
    border-color: transparent;
    background: transparent;
    box-shadow: none;
    color: var(--ink-soft);
  }
  .button.quiet:hover {
    background: var(--surface-hover);
    color: var(--ink);
  }
  .button.small {
    padding-inline: var(--space-3);
    font-size: var(--text-sm);
  }
  .icon-button {
    flex: none;
    width: var(--control);
    padding: 0;
    color: var(--ink-soft);
  }
  .icon-button:hover,
  .icon-button[aria-expanded='true'] {
    background: var(--surface-hover);
    color: var(--ink);
  }
  .button:disabled,
  .icon-button:disabled,
  .button[aria-disabled='true'] {
    cursor: not-allowed;
    opacity: 0.5;
  }
  @media (forced-colors: active) {
    .button,
    .icon-button {
      border-color: ButtonText;
    }
  }
`;

/** Text fields, selects, ranges and their labels. */
export const fieldStyles = css`
  label,
  .label {
    font-weight: 550;
  }
  .hint {
    color: var(--ink-faint);
    font-size: var(--text-sm);
  }
  input:is([type='text'], [type='url'], [type='number']),
  select,
  textarea.field {
    width: 100%;
    min-height: var(--control);
    padding: var(--space-2) var(--space-3);
    border: 1px solid var(--line-strong);
    border-radius: var(--radius-sm);
    background: var(--surface);
    color: var(--ink);
    font: inherit;
    /* Safari zooms into fields of less than 16 px */
    font-size: max(1rem, var(--text-md));
  }
  input::placeholder,
  textarea::placeholder {
    color: var(--ink-faint);
    opacity: 1;
  }
  input[aria-invalid='true'] {
    border-color: var(--danger);
  }
  .field-error {
    color: var(--danger);
    font-size: var(--text-sm);
  }
`;

/**
 * `<progress>`: determinate bars without inline styles, which the page's policy forbids. The bar does
 * not glide: a step of a long download is less than a pixel, and laying out every frame of the way
 * there left 1.5 MB of garbage a second.
 */
export const progressStyles = css`
  progress {
    appearance: none;
    display: block;
    width: 100%;
    height: 0.375rem;
    border: 0;
    border-radius: var(--radius-full);
    overflow: hidden;
    background: var(--surface-selected);
  }
  progress::-webkit-progress-bar {
    background: var(--surface-selected);
  }
  progress::-webkit-progress-value {
    border-radius: var(--radius-full);
    background: var(--accent);
  }
  progress::-moz-progress-bar {
    border-radius: var(--radius-full);
    background: var(--accent);
  }
  progress.paused::-webkit-progress-value {
    background: var(--line-strong);
  }
  progress.paused::-moz-progress-bar {
    background: var(--line-strong);
  }
`;

/** `<dialog class="sheet">`: a centred card, from the bottom edge on phones. */
export const dialogStyles = css`
  dialog.sheet {
    width: min(32rem, calc(100vw - 2rem));
    max-height: min(44rem, calc(100dvh - 2rem));
    margin: auto;
    padding: var(--space-5);
    border: 1px solid var(--line);
    border-radius: var(--radius-xl);
    background: var(--surface);
    color: var(--ink);
    box-shadow: var(--shadow-3);
    overflow: auto;
  }
  dialog.sheet[open] {
    animation: appear var(--calm) var(--ease);
  }
  dialog::backdrop {
    background: var(--scrim);
  }
  dialog.sheet h2 {
    margin-bottom: var(--space-3);
    font-size: var(--text-xl);
  }
  dialog.sheet p {
    color: var(--ink-soft);
  }
  .dialog-actions {
    display: flex;
    flex-wrap: wrap;
    justify-content: flex-end;
    gap: var(--space-2);
    margin-top: var(--space-5);
  }
  @media (max-width: 30rem) {
    dialog.sheet {
      width: 100%;
      max-width: 100%;
      margin: auto 0 0;
      padding-bottom: max(var(--space-5), env(safe-area-inset-bottom));
      border-inline: 0;
      border-bottom: 0;
      border-radius: var(--radius-xl) var(--radius-xl) 0 0;
    }
    .dialog-actions .button {
      flex: 1 1 100%;
    }
    .dialog-actions {
      flex-direction: column-reverse;
    }
  }
`;
