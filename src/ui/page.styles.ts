import { css } from 'lit';

/** Pages that are read from top to bottom: Models and Settings. */
export const pageStyles = css`
  :host {
    display: block;
    height: 100%;
    overflow-y: auto;
    scrollbar-gutter: stable;
  }
  .page {
    display: grid;
    gap: var(--space-7);
    max-width: 44rem;
    margin-inline: auto;
    padding: var(--space-5) max(var(--space-4), env(safe-area-inset-right))
      max(var(--space-8), env(safe-area-inset-bottom))
      max(var(--space-4), env(safe-area-inset-left));
  }
  .page.wide {
    max-width: 68rem;
  }
  h1 {
    font-size: var(--text-2xl);
  }
  h1:focus {
    outline: none;
  }
  h2 {
    font-size: var(--text-xl);
  }
  section {
    display: grid;
    gap: var(--space-4);
    align-content: start;
    min-width: 0;
  }
  .intro {
    max-width: 42rem;
    color: var(--ink-soft);
  }
  .note {
    display: flex;
    gap: var(--space-2);
    padding: var(--space-3) var(--space-4);
    border-radius: var(--radius-md);
    background: var(--warning-soft);
    color: var(--warning);
  }
  .wait {
    display: flex;
    gap: var(--space-2);
    color: var(--ink-soft);
  }
  .wait svg {
    animation: spin 1s linear infinite;
  }
`;
