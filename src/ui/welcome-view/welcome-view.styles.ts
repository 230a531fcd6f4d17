import { css } from 'lit';

export const welcomeViewStyles = css`
  :host {
    display: block;
    height: 100%;
    overflow-y: auto;
  }
  .welcome {
    display: grid;
    gap: var(--space-6);
    align-content: safe center;
    min-height: 100%;
    max-width: 46rem;
    margin-inline: auto;
    padding: var(--space-5) max(var(--space-4), env(safe-area-inset-right))
      max(var(--space-6), env(safe-area-inset-bottom))
      max(var(--space-4), env(safe-area-inset-left));
    animation: appear calc(2 * var(--calm)) var(--ease);
  }
  header {
    display: grid;
    justify-items: center;
    gap: var(--space-3);
    text-align: center;
  }
  .mark {
    width: 3.75rem;
    height: 3.75rem;
    color: var(--shell);
  }
  h1 {
    font-size: var(--text-3xl);
    letter-spacing: -0.022em;
    line-height: 1.12;
  }
  h1:focus {
    outline: none;
  }
  .lead {
    max-width: 34rem;
    color: var(--ink-soft);
    font-size: var(--text-lg);
    text-wrap: balance;
  }
  /* Balanced lines would break Chinese inside words. */
  .lead:lang(zh) {
    text-wrap: pretty;
  }
  .guide {
    display: grid;
    justify-items: center;
    gap: var(--space-2);
    padding-top: var(--space-2);
  }
  .promises {
    display: grid;
    grid-template-columns: repeat(3, minmax(0, 1fr));
    gap: var(--space-4);
  }
  .promises li {
    display: grid;
    align-content: start;
    justify-items: center;
    gap: var(--space-2);
    text-align: center;
  }
  .promises svg,
  .way svg:first-child {
    color: var(--accent);
  }
  strong,
  small {
    display: block;
  }
  strong {
    font-weight: 600;
  }
  small {
    color: var(--ink-faint);
    font-size: var(--text-sm);
    line-height: 1.45;
    text-wrap: balance;
  }
  section {
    display: grid;
    gap: var(--space-3);
  }
  h2 {
    font-size: var(--text-lg);
    text-align: center;
  }
  .suggestion {
    display: flex;
    align-items: center;
    gap: var(--space-4);
    padding: var(--space-4) var(--space-5);
    border: 1px solid var(--accent);
    border-radius: var(--radius-lg);
    background: var(--surface);
    box-shadow: var(--shadow-2);
  }
  .suggestion .words {
    flex: 1;
    min-width: 0;
  }
  h3 {
    font-size: var(--text-lg);
    font-weight: 650;
  }
  .suggestion p {
    color: var(--ink-soft);
    font-size: var(--text-md);
  }
  .suggestion .licence {
    color: var(--ink-faint);
    font-size: var(--text-sm);
  }
  .ways {
    border: 1px solid var(--line);
    border-radius: var(--radius-lg);
    background: var(--surface);
    overflow: clip;
  }
  .ways li + li {
    border-top: 1px solid var(--line);
  }
  .way {
    display: flex;
    align-items: center;
    gap: var(--space-4);
    width: 100%;
    min-height: 3.75rem;
    padding: var(--space-2) var(--space-5);
    border: 0;
    background: none;
    color: var(--ink);
    text-align: start;
    text-decoration: none;
    transition: background-color var(--quick) var(--ease);
  }
  .way:hover {
    background: var(--surface-hover);
    color: var(--ink);
  }
  .way:focus-visible {
    outline-offset: -2px;
  }
  .way span {
    flex: 1;
  }
  .way svg:last-child {
    color: var(--ink-faint);
  }
  @media (max-width: 40rem) {
    .welcome {
      gap: var(--space-5);
    }
    .promises {
      grid-template-columns: 1fr;
      gap: var(--space-3);
      padding-inline: var(--space-2);
    }
    .promises li {
      grid-template-columns: auto 1fr;
      justify-items: start;
      align-items: center;
      gap: var(--space-4);
      text-align: start;
    }
    small {
      text-wrap: wrap;
    }
    .suggestion {
      flex-direction: column;
      align-items: stretch;
      padding: var(--space-4);
    }
    .way {
      padding-inline: var(--space-4);
    }
  }
`;
