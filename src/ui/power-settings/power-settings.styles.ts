import { css } from 'lit';

/** Beside the styles of the settings page. */
export const powerSettingsStyles = css`
  :host {
    display: block;
  }
  section {
    display: grid;
    min-width: 0;
  }
  h2 {
    font-size: var(--text-xl);
  }
  .rules,
  .changes {
    display: grid;
    gap: var(--space-3);
    padding: 0 var(--space-5) var(--space-4);
    color: var(--ink-soft);
    font-size: var(--text-sm);
  }
  .rules ul {
    display: grid;
    gap: var(--space-2);
    padding-inline-start: 1.2em;
    list-style: disc;
  }
  .profile {
    display: grid;
    justify-items: start;
    gap: var(--space-3);
    padding: var(--space-3) var(--space-5) var(--space-4);
    color: var(--ink-soft);
    font-size: var(--text-sm);
  }
  ol {
    margin: 0;
    padding: 0;
    list-style: none;
  }
  .changes li {
    display: grid;
    grid-template-columns: auto minmax(0, 1fr);
    gap: 0 var(--space-4);
    padding-block: var(--space-2);
  }
  .changes li + li {
    border-top: 1px solid var(--line);
  }
  .changes time {
    font-variant-numeric: tabular-nums;
  }
  .changes strong {
    color: var(--ink);
    font-weight: 550;
  }
  .changes p {
    grid-column: 2;
  }
  hermit-step-profile {
    padding: 0 var(--space-5) var(--space-4);
  }
  .signals dd {
    display: grid;
    font-variant-numeric: tabular-nums;
  }
  .signals .from {
    color: var(--ink-faint);
    font-size: var(--text-sm);
  }
  .missing {
    color: var(--ink-faint);
  }
  @media (max-width: 36rem) {
    .rules,
    .changes,
    hermit-step-profile {
      padding-inline: var(--space-4);
    }
    dl.signals .setting {
      grid-template-columns: minmax(0, 1fr);
    }
    dl.signals dd {
      text-align: start;
    }
  }
`;
