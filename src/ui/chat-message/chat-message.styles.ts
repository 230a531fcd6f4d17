import { css } from 'lit';

export const chatMessageStyles = css`
  :host {
    display: block;
  }
  .question {
    display: flex;
    flex-direction: column;
    align-items: flex-end;
    gap: var(--space-1);
  }
  .bubble {
    max-width: min(36rem, 88%);
    padding: var(--space-3) var(--space-4);
    border-radius: var(--radius-lg) var(--radius-lg) 0.375rem var(--radius-lg);
    background: var(--bubble);
    white-space: pre-wrap;
    overflow-wrap: anywhere;
  }
  .author {
    display: flex;
    align-items: center;
    gap: var(--space-2);
    margin-bottom: var(--space-2);
    color: var(--ink-faint);
    font-size: var(--text-sm);
    font-weight: 550;
  }
  .author .mark {
    width: 1.375rem;
    height: 1.375rem;
    color: var(--shell);
  }
  .content {
    min-width: 0;
  }
  .waiting {
    display: inline-block;
    width: 0.625rem;
    height: 0.625rem;
    margin-block: 0.5rem;
    border-radius: 50%;
    background: var(--accent);
    animation: breathe 1.4s ease-in-out infinite;
  }
  .notice {
    display: flex;
    align-items: flex-start;
    gap: var(--space-2);
    margin-top: var(--space-3);
    color: var(--ink-faint);
    font-size: var(--text-sm);
  }
  .notice svg {
    width: 1.125rem;
    height: 1.125rem;
    margin-top: 0.1rem;
  }
  .continue {
    margin-top: var(--space-3);
  }
  .failure {
    display: flex;
    flex-wrap: wrap;
    align-items: center;
    gap: var(--space-2) var(--space-3);
    margin-top: var(--space-3);
    padding: var(--space-3) var(--space-4);
    border-radius: var(--radius-md);
    background: var(--danger-soft);
    color: var(--danger);
  }
  .failure p {
    flex: 1 1 15rem;
    font-size: var(--text-md);
  }
  .actions {
    display: flex;
    align-items: center;
    gap: 0;
    min-height: var(--control);
    margin-top: var(--space-1);
    margin-inline-start: calc(-1 * var(--space-2));
    transition: opacity var(--quick) var(--ease);
  }
  .question .actions {
    margin-inline: 0;
    margin-top: 0;
  }
  .actions svg {
    width: 1.125rem;
    height: 1.125rem;
  }
  @media (hover: hover) and (pointer: fine) {
    /* They appear in the gap between messages, which need not be wider for them. */
    :host(:not([last])) .actions {
      margin-bottom: calc(-1 * var(--space-5));
      opacity: 0;
    }
    :host(:is(:hover, :focus-within)) .actions {
      opacity: 1;
    }
  }
  .versions {
    display: inline-flex;
    align-items: center;
    color: var(--ink-faint);
    font-size: var(--text-sm);
    font-variant-numeric: tabular-nums;
  }
  .speed {
    display: inline-flex;
    align-items: center;
    gap: var(--space-2);
    padding-inline: var(--space-2);
    color: var(--ink-faint);
    font-size: var(--text-sm);
    font-variant-numeric: tabular-nums;
    white-space: nowrap;
  }
  .stats {
    display: grid;
    gap: var(--space-1);
    min-width: 15rem;
    max-width: 24rem;
    padding: var(--space-2) var(--space-3);
    font-size: var(--text-sm);
  }
  .stats div {
    display: flex;
    justify-content: space-between;
    gap: var(--space-4);
  }
  .stats dt {
    flex: none;
    color: var(--ink-faint);
  }
  .stats dd {
    font-variant-numeric: tabular-nums;
    text-align: end;
  }
  .editor {
    display: grid;
    gap: var(--space-2);
    width: min(36rem, 100%);
    padding: var(--space-3);
    border-radius: var(--radius-lg);
    background: var(--bubble);
  }
  .editor textarea {
    width: 100%;
    max-height: 40dvh;
    padding: var(--space-2);
    border: 1px solid var(--line-strong);
    border-radius: var(--radius-sm);
    background: var(--surface);
    color: var(--ink);
    font: inherit;
    font-size: 1rem;
    resize: vertical;
    field-sizing: content;
  }
  .editor-actions {
    display: flex;
    justify-content: flex-end;
    gap: var(--space-2);
  }
  @media (prefers-reduced-motion: reduce) {
    .waiting {
      animation: none;
    }
  }
`;
