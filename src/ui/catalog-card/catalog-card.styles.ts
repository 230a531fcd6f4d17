import { css } from 'lit';

export const catalogCardStyles = css`
  :host {
    display: block;
    height: 100%;
  }
  article {
    display: flex;
    flex-direction: column;
    gap: var(--space-3);
    height: 100%;
    padding: var(--space-5);
    border: 1px solid var(--line);
    border-radius: var(--radius-lg);
    background: var(--surface);
    box-shadow: var(--shadow-1);
  }
  :host([suggested]) article {
    border-color: var(--accent);
  }
  header {
    display: flex;
    flex-wrap: wrap;
    align-items: center;
    justify-content: space-between;
    gap: var(--space-1) var(--space-2);
  }
  h3 {
    font-size: var(--text-lg);
    font-weight: 650;
    line-height: 1.3;
    overflow-wrap: anywhere;
  }
  .tags {
    display: inline-flex;
    gap: var(--space-1);
  }
  .tag {
    padding: 0.1rem 0.55rem;
    border-radius: var(--radius-full);
    font-size: var(--text-xs);
    font-weight: 600;
    white-space: nowrap;
  }
  .tag.accent {
    background: var(--accent-soft);
    color: var(--on-accent-soft);
  }
  .tag.warning {
    background: var(--warning-soft);
    color: var(--warning);
  }
  .description {
    color: var(--ink-soft);
    font-size: var(--text-md);
  }
  dl {
    display: grid;
    grid-template-columns: repeat(2, minmax(0, 1fr));
    gap: var(--space-2) var(--space-4);
    font-size: var(--text-sm);
  }
  dt {
    color: var(--ink-faint);
  }
  dd {
    overflow-wrap: anywhere;
    font-variant-numeric: tabular-nums;
  }
  .gated {
    display: flex;
    gap: var(--space-2);
    padding: var(--space-3);
    border-radius: var(--radius-sm);
    background: var(--warning-soft);
    color: var(--warning);
    font-size: var(--text-sm);
  }
  footer {
    display: flex;
    flex-wrap: wrap;
    align-items: center;
    justify-content: space-between;
    gap: var(--space-2) var(--space-3);
    margin-top: auto;
    padding-top: var(--space-2);
  }
  .source {
    display: inline-flex;
    align-items: center;
    gap: var(--space-1);
    min-height: var(--control);
    color: var(--ink-faint);
    font-size: var(--text-sm);
    overflow-wrap: anywhere;
  }
  .source svg {
    width: 0.9rem;
    height: 0.9rem;
  }
  .added {
    display: inline-flex;
    align-items: center;
    gap: var(--space-2);
    min-height: var(--control);
    color: var(--success);
    font-weight: 550;
  }
`;
