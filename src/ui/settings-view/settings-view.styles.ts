import { css } from 'lit';

export const settingsViewStyles = css`
  .page {
    gap: var(--space-6);
  }
  section {
    gap: var(--space-3);
  }
  .card {
    border: 1px solid var(--line);
    border-radius: var(--radius-lg);
    background: var(--surface);
    box-shadow: var(--shadow-1);
  }
  .setting {
    display: grid;
    grid-template-columns: minmax(0, 1fr) minmax(0, 16rem);
    align-items: center;
    gap: var(--space-1) var(--space-5);
    margin: 0;
    padding: var(--space-3) var(--space-5);
    border: 0;
    min-width: 0;
  }
  .setting + .setting,
  .setting + details,
  details + .setting,
  details .setting {
    border-top: 1px solid var(--line);
  }
  .setting > .hint {
    grid-column: 1;
    grid-row: 2;
  }
  .setting > :is(input, select, .segments) {
    grid-column: 2;
    grid-row: 1 / span 2;
  }
  .setting:not(:has(.hint)) > * {
    grid-row: 1;
  }
  legend {
    float: left;
    padding: 0;
  }
  .setting.tall {
    grid-template-columns: minmax(0, 1fr);
    gap: var(--space-2);
  }
  .setting.tall > * {
    grid-row: auto;
  }
  .setting.buttons {
    display: flex;
    flex-wrap: wrap;
    gap: var(--space-2);
  }
  textarea.field {
    resize: vertical;
    field-sizing: content;
    min-height: 5.5rem;
    max-height: 20rem;
  }
  .segments {
    display: flex;
    padding: 3px;
    border-radius: var(--radius-md);
    background: var(--surface-sunken);
  }
  .segments label {
    position: relative;
    flex: 1;
    cursor: pointer;
  }
  .segments input {
    position: absolute;
    inset: 0;
    width: 100%;
    height: 100%;
    margin: 0;
    opacity: 0;
    cursor: pointer;
  }
  .segments span {
    display: grid;
    place-items: center;
    min-height: calc(var(--control) - 6px);
    padding: 0 var(--space-2);
    border-radius: calc(var(--radius-md) - 3px);
    color: var(--ink-soft);
    font-size: var(--text-sm);
    font-weight: 550;
    text-align: center;
    line-height: 1.25;
    transition: background-color var(--quick) var(--ease);
  }
  .segments input:checked + span {
    background: var(--surface);
    color: var(--ink);
    box-shadow:
      0 0 0 1px var(--line),
      var(--shadow-1);
  }
  .segments input:focus-visible + span {
    outline: 2px solid var(--focus);
    outline-offset: 1px;
  }
  summary {
    display: flex;
    align-items: center;
    min-height: var(--control);
    padding: var(--space-3) var(--space-5);
    color: var(--ink-soft);
    font-weight: 550;
    cursor: pointer;
    list-style: none;
  }
  summary::-webkit-details-marker {
    display: none;
  }
  summary::before {
    content: '';
    width: 0.45rem;
    height: 0.45rem;
    margin-inline: 0.2rem var(--space-3);
    border: solid currentColor;
    border-width: 0 1.75px 1.75px 0;
    rotate: -45deg;
    transition: rotate var(--quick) var(--ease);
  }
  details[open] > summary::before {
    rotate: 45deg;
  }
  summary:focus-visible {
    outline-offset: -2px;
    border-radius: var(--radius-sm);
  }
  .prose {
    display: grid;
    gap: var(--space-3);
    padding: var(--space-5);
    color: var(--ink-soft);
  }
  .prose .lead {
    display: flex;
    align-items: center;
    gap: var(--space-2);
    color: var(--ink);
  }
  .prose .lead svg {
    color: var(--accent);
  }
  .prose ul {
    display: grid;
    gap: var(--space-2);
    padding-inline-start: 1.25em;
    list-style: disc;
  }
  dt {
    font-weight: 400;
  }
  dd {
    color: var(--ink-soft);
    text-align: end;
    overflow-wrap: anywhere;
  }
  kbd {
    display: inline-block;
    min-width: 1.75rem;
    padding: 0.1rem 0.45rem;
    border: 1px solid var(--line);
    border-bottom-width: 2px;
    border-radius: 0.4rem;
    background: var(--surface-sunken);
    font-family: var(--font-sans);
    font-size: var(--text-sm);
    text-align: center;
  }
  kbd + kbd {
    margin-inline-start: var(--space-1);
  }
  @media (max-width: 36rem) {
    .setting {
      padding-inline: var(--space-4);
    }
    .segments span {
      min-height: var(--control);
    }
    .setting:has(> :is(input, select), .segments) {
      grid-template-columns: minmax(0, 1fr);
      gap: var(--space-2);
    }
    .setting > :is(input, select, .segments, .hint) {
      grid-column: 1;
      grid-row: auto;
    }
    .setting:not(:has(.hint)) > * {
      grid-row: auto;
    }
    .setting > .hint {
      order: 1;
    }
    .setting.tall > .hint {
      order: 0;
    }
    summary {
      padding-inline: var(--space-4);
    }
    dl .setting {
      grid-template-columns: minmax(0, 1fr) auto;
    }
  }
  .hub {
    display: grid;
    gap: var(--space-2);
    margin-top: var(--space-4);
  }
`;
