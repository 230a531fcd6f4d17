import { css } from 'lit';

export const chatComposerStyles = css`
  :host {
    display: block;
  }
  form {
    display: grid;
    border: 1px solid var(--line-strong);
    border-radius: var(--radius-xl);
    background: var(--surface);
    box-shadow: var(--shadow-2);
    transition: border-color var(--quick) var(--ease);
  }
  form:focus-within {
    border-color: var(--accent);
    outline: 1px solid var(--accent);
  }
  textarea {
    display: block;
    width: 100%;
    min-height: 3.25rem;
    max-height: min(16rem, 40dvh);
    padding: 0.875rem var(--space-5) var(--space-1);
    border: 0;
    background: none;
    color: var(--ink);
    font: inherit;
    font-size: 1rem;
    line-height: 1.5;
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
  .bar {
    display: flex;
    align-items: center;
    justify-content: flex-end;
    gap: var(--space-3);
    padding: 0 var(--space-2) var(--space-2) var(--space-5);
  }
  .reason {
    flex: 1;
    display: flex;
    flex-wrap: wrap;
    align-items: center;
    gap: var(--space-1) var(--space-3);
    color: var(--ink-soft);
    font-size: var(--text-sm);
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
