import { css } from 'lit';

export const chatComposerStyles = css`
  :host {
    display: block;
  }
  form {
    display: grid;
    border: 1px solid var(--line-strong);
    border-radius: 1.75rem;
    background: var(--surface);
    box-shadow: var(--shadow-2);
    transition: border-color var(--quick) var(--ease);
  }
  form:focus-within {
    border-color: var(--accent);
    outline: 1px solid var(--accent);
  }
  .line {
    display: flex;
    align-items: flex-end;
    gap: var(--space-2);
    padding: calc((3.5rem - var(--control)) / 2 - 1px);
  }
  textarea {
    flex: 1;
    min-width: 0;
    min-height: var(--control);
    max-height: min(16rem, 40dvh);
    padding: calc((var(--control) - 1.5rem) / 2) 0 calc((var(--control) - 1.5rem) / 2)
      var(--space-3);
    border: 0;
    background: none;
    color: var(--ink);
    font: inherit;
    font-size: 1rem;
    line-height: 1.5rem;
    resize: none;
    field-sizing: content;
    scrollbar-width: thin;
  }
  textarea:focus-visible {
    outline: none;
  }
  textarea::placeholder {
    color: var(--ink-faint);
    opacity: 1;
  }
  .reason {
    display: flex;
    flex-wrap: wrap;
    align-items: center;
    justify-content: space-between;
    gap: var(--space-1) var(--space-3);
    padding: var(--space-2) var(--space-2) var(--space-2) var(--space-5);
    border-bottom: 1px solid var(--line);
    color: var(--ink-soft);
    font-size: var(--text-sm);
  }
  .switch {
    display: inline-flex;
    align-items: center;
    flex: none;
    gap: var(--space-1);
    height: var(--control);
    padding-inline: var(--space-3);
    border: 1px solid transparent;
    border-radius: calc(var(--control) / 2);
    background: none;
    color: var(--ink-faint);
    font: inherit;
    font-size: var(--text-sm);
    transition: background-color var(--quick) var(--ease);
  }
  .switch:hover {
    color: var(--ink);
  }
  .switch[aria-pressed='true'] {
    background: var(--accent-soft);
    color: var(--on-accent-soft);
  }
  @media (width < 30rem) {
    .switch span {
      display: none;
    }
  }
  .round {
    display: grid;
    place-items: center;
    flex: none;
    width: var(--control);
    height: var(--control);
    border: 0;
    border-radius: 50%;
    background: var(--accent);
    color: var(--on-accent);
    transition: background-color var(--quick) var(--ease);
  }
  .round:hover {
    background: var(--accent-hover);
  }
  .round:disabled {
    background: var(--surface-selected);
    color: var(--ink-faint);
    cursor: not-allowed;
  }
`;
