import { css } from 'lit';

export const statusChipStyles = css`
  .chip svg {
    color: var(--accent);
  }
  .chip.offline,
  .chip.offline svg {
    color: var(--warning);
  }
  .panel {
    gap: var(--space-2);
    width: min(19rem, calc(100vw - 2rem));
  }
  @media (max-width: 26rem) {
    .text {
      display: none;
    }
  }
`;
