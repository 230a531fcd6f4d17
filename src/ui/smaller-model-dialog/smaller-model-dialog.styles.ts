import { css } from 'lit';

export const smallerModelDialogStyles = css`
  fieldset {
    display: grid;
    gap: var(--space-2);
    margin-top: var(--space-4);
    padding: 0;
    border: 0;
  }
  legend {
    margin-bottom: var(--space-2);
    padding: 0;
  }
  .choice {
    display: grid;
    grid-template-columns: auto 1fr auto;
    align-items: center;
    gap: 0 var(--space-3);
    padding: var(--space-3);
    border: 1px solid var(--line);
    border-radius: var(--radius-md);
    font-weight: inherit;
    cursor: pointer;
  }
  .choice:hover {
    background: var(--surface-hover);
  }
  .choice:has(input:checked) {
    border-color: var(--accent);
    background: var(--accent-soft);
    color: var(--on-accent-soft);
  }
  .choice input {
    width: 1.125rem;
    height: 1.125rem;
    margin: 0;
    accent-color: var(--accent);
  }
  fieldset + .choice {
    margin-top: var(--space-4);
  }
  .name {
    font-weight: 550;
  }
  .size {
    font-variant-numeric: tabular-nums;
    white-space: nowrap;
  }
  .loss {
    grid-column: 2 / -1;
    color: var(--ink-soft);
    font-size: var(--text-sm);
  }
  .choice:has(input:checked) .loss {
    color: inherit;
  }
  .wait {
    display: grid;
    gap: var(--space-3);
    margin-top: var(--space-4);
  }
  dialog.sheet .note {
    margin-top: var(--space-4);
    padding: var(--space-3);
    border-radius: var(--radius-sm);
    background: var(--surface-selected);
    font-size: var(--text-sm);
  }
  dialog.sheet .field-error {
    margin-top: var(--space-4);
    color: var(--danger);
  }
`;
