import { css } from 'lit';

export const toolCallStyles = css`
  :host {
    margin-block: var(--space-2);
  }
  dl {
    display: grid;
    gap: var(--space-1);
    margin: 0;
  }
  dt {
    color: var(--ink-faint);
    font-size: var(--text-sm);
  }
  dd {
    min-width: 0;
    margin: 0 0 var(--space-2);
  }
  pre {
    max-height: 20rem;
    margin: 0;
    padding: var(--space-2) var(--space-3);
    overflow: auto;
    border-radius: var(--radius-sm);
    background: var(--code-surface);
    font-family: var(--font-mono);
    font-size: 0.87em;
    white-space: pre-wrap;
    overflow-wrap: anywhere;
  }
`;
