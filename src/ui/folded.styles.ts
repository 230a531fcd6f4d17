import { css } from 'lit';

/** A `details` that stands beside an answer: reasoning, calls of tools. */
export const foldedStyles = css`
  :host {
    display: block;
    margin-bottom: var(--space-3);
  }
  summary {
    display: inline-flex;
    align-items: center;
    gap: var(--space-1);
    min-height: var(--control);
    padding-inline-end: var(--space-3);
    border-radius: var(--radius-sm);
    color: var(--ink-faint);
    font-size: var(--text-sm);
    cursor: pointer;
    list-style: none;
  }
  summary::-webkit-details-marker {
    display: none;
  }
  summary:hover {
    color: var(--ink);
  }
  summary svg {
    flex: none;
    width: 1rem;
    height: 1rem;
  }
  summary svg:first-child {
    transition: transform var(--quick) var(--ease);
  }
  details[open] summary svg:first-child {
    transform: rotate(90deg);
  }
  .body {
    padding-inline-start: 1em;
    border-inline-start: 2px solid var(--line);
    color: var(--ink-soft);
    font-size: 0.94em;
  }
  .active {
    animation: breathe 1.8s ease-in-out infinite;
  }
  @media (prefers-reduced-motion: reduce) {
    .active {
      animation: none;
    }
  }
`;
