import { css } from 'lit';

export const powerChipStyles = css`
  :host {
    display: block;
    flex: none;
  }
  .chip {
    display: inline-flex;
    align-items: center;
    gap: var(--space-1);
    padding: 0 var(--space-3);
    color: var(--ink-soft);
    font-size: var(--text-sm);
    white-space: nowrap;
  }
  .chip svg {
    width: 1.125rem;
    height: 1.125rem;
  }
  .chip.saving svg {
    color: var(--success);
  }
  .panel {
    display: grid;
    gap: var(--space-3);
    width: min(21rem, calc(100vw - 2rem));
    padding: var(--space-3);
    color: var(--ink-soft);
    font-size: var(--text-sm);
  }
  .panel strong {
    color: var(--ink);
    font-size: var(--text-md);
  }
  dl {
    display: grid;
    gap: var(--space-1);
  }
  dl > div {
    display: flex;
    justify-content: space-between;
    gap: var(--space-4);
  }
  dt {
    flex: none;
  }
  dd {
    color: var(--ink);
    text-align: end;
    overflow-wrap: anywhere;
  }
  ul {
    display: grid;
    gap: var(--space-2);
    padding-inline-start: 1.1em;
    list-style: disc;
  }
  :host([compact]) .text {
    display: none;
  }
  @media (max-width: 30rem) {
    .text {
      display: none;
    }
  }
`;
