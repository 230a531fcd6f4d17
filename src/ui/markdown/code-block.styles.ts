import { css } from 'lit';

export const codeBlockStyles = css`
  :host {
    display: block;
  }
  figure {
    overflow: hidden;
    border: 1px solid var(--line);
    border-radius: var(--radius-md);
    background: var(--code-surface);
  }
  figcaption {
    display: flex;
    align-items: center;
    justify-content: space-between;
    padding-inline: var(--space-4) var(--space-1);
    border-bottom: 1px solid var(--line);
    color: var(--ink-faint);
    font-size: var(--text-xs);
  }
  .language {
    font-family: var(--font-mono);
  }
  .copy {
    display: inline-flex;
    align-items: center;
    gap: var(--space-1);
    min-height: var(--control);
    padding: 0 var(--space-3);
    border: 0;
    border-radius: var(--radius-sm);
    background: none;
    color: var(--ink-soft);
    font-size: var(--text-xs);
  }
  .copy:hover {
    color: var(--ink);
  }
  .copy:focus-visible {
    outline-offset: -3px;
  }
  .copy svg {
    width: 1rem;
    height: 1rem;
  }
  pre {
    margin: 0;
    padding: var(--space-3) var(--space-4);
    overflow-x: auto;
    font-family: var(--font-mono);
    font-size: var(--text-sm);
    line-height: 1.6;
    tab-size: 4;
  }
  code {
    font: inherit;
  }
  pre:focus-visible {
    outline-offset: -2px;
  }
`;
