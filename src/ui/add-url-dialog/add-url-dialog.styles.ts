import { css } from 'lit';

export const addUrlDialogStyles = css`
  .entry {
    display: grid;
    gap: var(--space-2);
    margin-top: var(--space-4);
  }
  dialog.sheet .preview {
    padding: var(--space-3);
    border-radius: var(--radius-sm);
    background: var(--accent-soft);
    color: var(--on-accent-soft);
    font-size: var(--text-sm);
    overflow-wrap: anywhere;
  }
  dialog.sheet .field-error {
    color: var(--danger);
  }
`;
