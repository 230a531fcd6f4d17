import { css } from 'lit';

export const chatViewStyles = css`
  :host {
    display: grid;
    grid-template-rows: minmax(0, 1fr) auto;
    height: 100%;
    --gutter: max(var(--space-4), env(safe-area-inset-left), env(safe-area-inset-right));
  }
  .scroller {
    overflow-y: auto;
    overscroll-behavior: contain;
    scrollbar-gutter: stable both-edges;
    scrollbar-width: thin;
    scrollbar-color: var(--line) transparent;
  }
  .scroller {
    mask-image: linear-gradient(transparent, #000 0.75rem);
  }
  .scroller:focus {
    outline: none;
  }
  .content {
    display: grid;
    gap: var(--space-5);
    grid-template-columns: minmax(0, 1fr);
    align-content: start;
    min-height: 100%;
    max-width: calc(var(--reading-width) + 2 * var(--gutter));
    margin-inline: auto;
    padding: var(--space-5) var(--gutter) var(--space-6);
  }
  hermit-chat-message {
    animation: appear var(--calm) var(--ease);
  }
  .empty {
    display: grid;
    justify-items: center;
    align-content: safe center;
    gap: var(--space-3);
    height: 100%;
    padding-block: var(--space-4);
    text-align: center;
    animation: appear calc(2 * var(--calm)) var(--ease);
  }
  .content:has(.empty) {
    align-content: stretch;
  }
  .empty .mark {
    width: 3rem;
    height: 3rem;
    color: var(--shell);
  }
  h1 {
    font-size: var(--text-2xl);
  }
  .empty p {
    color: var(--ink-soft);
  }
  .arriving {
    width: min(32rem, 100%);
    border: 1px solid var(--line);
    border-radius: var(--radius-lg);
    background: var(--surface);
    box-shadow: var(--shadow-1);
    text-align: start;
  }
  .chips {
    display: flex;
    flex-wrap: wrap;
    justify-content: center;
    gap: var(--space-2);
    margin-top: var(--space-3);
  }
  .chip {
    min-height: var(--control);
    padding: var(--space-1) var(--space-4);
    border: 1px solid var(--line);
    border-radius: var(--radius-full);
    background: var(--surface);
    color: var(--ink-soft);
    font-size: var(--text-md);
    transition: background-color var(--quick) var(--ease);
  }
  .chip:hover {
    background: var(--surface-hover);
    color: var(--ink);
  }
  .activity {
    display: grid;
    gap: var(--space-2);
    max-width: 20rem;
    margin-block: var(--space-2);
    color: var(--ink-soft);
    font-size: var(--text-sm);
    font-variant-numeric: tabular-nums;
  }
  .dock {
    position: relative;
    width: 100%;
    max-width: calc(var(--reading-width) + 2 * var(--gutter));
    margin-inline: auto;
    padding: 0 var(--gutter) max(var(--space-2), env(safe-area-inset-bottom));
  }
  .dock::before {
    content: '';
    position: absolute;
    inset: calc(-1 * var(--space-5)) var(--gutter) 100%;
    background: linear-gradient(transparent, var(--canvas));
    pointer-events: none;
  }
  .jump {
    position: absolute;
    bottom: calc(100% + var(--space-2));
    left: 50%;
    translate: -50%;
    display: inline-flex;
    align-items: center;
    gap: var(--space-1);
    min-height: var(--control);
    padding: 0 var(--space-4) 0 var(--space-3);
    border: 1px solid var(--line);
    border-radius: var(--radius-full);
    background: var(--surface);
    color: var(--ink-soft);
    font-size: var(--text-sm);
    box-shadow: var(--shadow-2);
    white-space: nowrap;
  }
  .jump svg {
    width: 1.125rem;
    height: 1.125rem;
  }
  .fine-print {
    display: flex;
    align-items: center;
    justify-content: center;
    gap: var(--space-1);
    padding-top: var(--space-2);
    color: var(--ink-faint);
    font-size: var(--text-xs);
    text-align: center;
  }
  .fine-print svg {
    width: 0.875rem;
    height: 0.875rem;
  }
  @media (max-height: 30rem) {
    .fine-print {
      display: none;
    }
  }
`;
