import { css } from 'lit';

export const toastStackStyles = css`
  :host {
    position: fixed;
    z-index: 20;
    inset-inline: max(var(--space-4), env(safe-area-inset-left))
      max(var(--space-4), env(safe-area-inset-right));
    top: calc(max(var(--space-3), env(safe-area-inset-top)) + 3.25rem);
    display: grid;
    justify-items: end;
    gap: var(--space-2);
    pointer-events: none;
  }
  .toast {
    display: flex;
    align-items: flex-start;
    gap: var(--space-3);
    width: min(26rem, 100%);
    padding: var(--space-2) var(--space-2) var(--space-2) var(--space-4);
    border: 1px solid var(--line);
    border-radius: var(--radius-md);
    background: var(--surface);
    color: var(--ink);
    font-size: var(--text-md);
    box-shadow: var(--shadow-3);
    pointer-events: auto;
    animation: appear var(--calm) var(--ease);
  }
  .toast > svg {
    margin-top: 0.45rem;
    color: var(--accent);
  }
  .toast.problem > svg {
    color: var(--danger);
  }
  p {
    flex: 1;
    padding-block: var(--space-2);
    line-height: 1.45;
  }
`;
