import { css } from 'lit';

export const widgetAppStyles = css`
  :host {
    display: grid;
    grid-template-rows: auto minmax(0, 1fr);
    height: 100dvh;
    background: var(--canvas);
    color: var(--ink);
    --gutter: var(--space-4);
  }
  header {
    display: flex;
    align-items: center;
    gap: var(--space-1);
    min-height: 3.25rem;
    padding: var(--space-1) var(--space-2) var(--space-1) var(--space-4);
    border-bottom: 1px solid var(--line);
  }
  header .mark {
    width: 1.5rem;
    height: 1.5rem;
    margin-right: var(--space-2);
    color: var(--shell);
  }
  header p {
    flex: 1;
    min-width: 0;
    line-height: 1.2;
  }
  header strong {
    display: block;
    font-family: var(--font-display);
    font-weight: 500;
  }
  header span {
    display: block;
    color: var(--ink-faint);
    font-size: var(--text-xs);
    text-overflow: ellipsis;
    white-space: nowrap;
    overflow: hidden;
  }
  .granted {
    color: var(--accent);
  }
  main {
    min-height: 0;
  }
  main:focus {
    outline: none;
  }
  .notice {
    display: grid;
    justify-items: center;
    align-content: center;
    gap: var(--space-4);
    height: 100%;
    padding: var(--space-5);
    color: var(--ink-soft);
    text-align: center;
  }
  .notice h1 {
    color: var(--ink);
    font-size: var(--text-xl);
  }
`;
