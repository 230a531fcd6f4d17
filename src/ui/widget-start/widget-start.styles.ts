import { css } from 'lit';

export const widgetStartStyles = css`
  :host {
    display: block;
    height: 100%;
    overflow-y: auto;
    scrollbar-width: thin;
  }
  .start {
    display: grid;
    justify-items: center;
    align-content: safe center;
    gap: var(--space-3);
    min-height: 100%;
    padding: var(--space-5);
    text-align: center;
    animation: appear calc(2 * var(--calm)) var(--ease);
  }
  .mark {
    width: 3rem;
    height: 3rem;
    color: var(--shell);
  }
  h1 {
    font-size: var(--text-2xl);
  }
  h1:focus {
    outline: none;
  }
  .lead {
    max-width: 22rem;
    color: var(--ink-soft);
    text-wrap: balance;
  }
  .lead:lang(zh) {
    text-wrap: pretty;
  }
  small {
    display: block;
    color: var(--ink-faint);
    font-size: var(--text-sm);
    line-height: 1.45;
  }
  strong {
    display: block;
    font-weight: 600;
    overflow-wrap: anywhere;
  }
  #guide {
    max-width: 22rem;
  }
  .ways {
    width: min(26rem, 100%);
    margin-top: var(--space-2);
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
    gap: var(--space-3);
    width: 100%;
    padding: var(--space-3) var(--space-4);
    border: 0;
    background: none;
    color: var(--ink);
    font-size: var(--text-md);
    text-align: start;
    text-decoration: none;
  }
  .way svg {
    color: var(--accent);
  }
  .way:hover {
    background: var(--surface-hover);
    color: var(--ink);
  }
  .way:focus-visible {
    outline-offset: -2px;
  }
  .way:disabled {
    opacity: 0.5;
  }
`;
