import { css } from 'lit';

export const powerChipStyles = css`
  .chip.saving svg {
    color: var(--success);
  }
  .panel {
    gap: var(--space-3);
    width: min(21rem, calc(100vw - 2rem));
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
