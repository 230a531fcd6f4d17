import { css } from 'lit';

export const markdownStyles = css`
  :host {
    display: block;
    overflow-wrap: anywhere;
    line-height: var(--leading-loose);
  }
  .markdown > * + * {
    margin-top: 0.85em;
  }
  h3,
  h4,
  h5,
  h6 {
    margin: 0;
    font-weight: 650;
    line-height: 1.35;
  }
  .markdown > :is(h3, h4, h5, h6):not(:first-child) {
    margin-top: 1.5em;
  }
  h3 {
    font-size: 1.125em;
  }
  h3.first {
    font-size: 1.25em;
  }
  h4 {
    font-size: 1.03em;
  }
  h5,
  h6 {
    font-size: 1em;
  }
  ul,
  ol {
    margin: 0;
    padding-inline-start: 1.6em;
  }
  ul {
    list-style: disc;
  }
  li + li,
  li > :is(ul, ol),
  li > * + * {
    margin-top: 0.3em;
  }
  li::marker {
    color: var(--ink-faint);
  }
  li.task {
    list-style: none;
    margin-inline-start: -1.5em;
  }
  li.task > p:first-child {
    display: inline;
  }
  input[type='checkbox'] {
    width: 1em;
    height: 1em;
    margin: 0 0.5em 0 0;
    vertical-align: -0.1em;
    accent-color: var(--accent);
  }
  blockquote {
    margin: 0;
    padding-inline-start: 1em;
    border-inline-start: 3px solid var(--line);
    color: var(--ink-soft);
  }
  blockquote > * + * {
    margin-top: 0.6em;
  }
  code {
    padding: 0.12em 0.35em;
    border-radius: 0.35em;
    background: var(--surface-hover);
    font-family: var(--font-mono);
    font-size: 0.87em;
  }
  hr {
    height: 1px;
    border: 0;
    background: var(--line);
    margin-block: 1.5em;
  }
  .raw {
    white-space: pre-wrap;
    font-family: var(--font-mono);
    font-size: 0.87em;
    color: var(--ink-soft);
  }
  .table {
    overflow-x: auto;
    border: 1px solid var(--line);
    border-radius: var(--radius-md);
  }
  table {
    width: 100%;
    border-collapse: collapse;
    font-size: 0.94em;
    line-height: 1.5;
  }
  th,
  td {
    padding: 0.5em 0.85em;
    text-align: start;
    vertical-align: top;
    min-width: 5em;
    overflow-wrap: normal;
  }
  th {
    background: var(--code-surface);
    font-weight: 600;
  }
  tbody tr {
    border-top: 1px solid var(--line);
  }
  .align-center {
    text-align: center;
  }
  .align-right {
    text-align: end;
  }
  .image {
    display: inline-flex;
    align-items: center;
    gap: 0.4em;
    padding: 0.1em 0.6em;
    border: 1px dashed var(--line-strong);
    border-radius: var(--radius-sm);
    color: var(--ink-soft);
    font-size: 0.9em;
  }
  .image svg {
    width: 1.1em;
    height: 1.1em;
  }
`;
