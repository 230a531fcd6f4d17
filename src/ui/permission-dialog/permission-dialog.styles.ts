import { css } from 'lit';

export const permissionDialogStyles = css`
  /* Fading in would count as not yet visible. */
  dialog.sheet[open] {
    animation: none;
  }
  .site {
    display: flex;
    align-items: center;
    gap: var(--space-2);
    margin-bottom: var(--space-2);
    font-size: var(--text-sm);
    overflow-wrap: anywhere;
  }
  .site svg {
    color: var(--accent);
  }
  #what {
    display: grid;
    gap: var(--space-3);
  }
  .may {
    display: grid;
    gap: var(--space-2);
    padding-left: var(--space-4);
    color: var(--ink-soft);
    list-style: disc;
  }
  .allows {
    display: flex;
    flex-wrap: wrap;
    justify-content: flex-end;
    gap: var(--space-2);
  }
  @media (max-width: 30rem) {
    .allows {
      flex: 1 1 100%;
      flex-direction: column-reverse;
    }
  }
  pre {
    max-height: 12rem;
    margin: 0;
    padding: var(--space-3);
    border-radius: var(--radius-sm);
    background: var(--surface-sunken);
    font-size: var(--text-sm);
    white-space: pre-wrap;
    overflow: auto;
    overflow-wrap: anywhere;
  }
`;
