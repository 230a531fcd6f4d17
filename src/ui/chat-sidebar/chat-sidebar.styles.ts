import { css } from 'lit';

export const chatSidebarStyles = css`
  :host {
    display: flex;
    flex-direction: column;
    height: 100%;
    padding: max(var(--space-3), env(safe-area-inset-top)) var(--space-3)
      max(var(--space-3), env(safe-area-inset-bottom))
      max(var(--space-3), env(safe-area-inset-left));
    --mark-ground: var(--surface-sunken);
    background: var(--surface-sunken);
    font-size: var(--text-md);
  }
  .top {
    display: flex;
    align-items: center;
    justify-content: space-between;
    margin-bottom: var(--space-3);
  }
  .brand {
    display: inline-flex;
    align-items: center;
    gap: var(--space-2);
    min-height: var(--control);
    padding-inline: var(--space-2);
    border-radius: var(--radius-sm);
    color: var(--ink);
    font-family: var(--font-display);
    font-size: 1.25rem;
    letter-spacing: -0.01em;
    text-decoration: none;
  }
  .brand .mark {
    width: 1.625rem;
    height: 1.625rem;
    color: var(--shell);
  }
  .row {
    display: flex;
    align-items: center;
    gap: var(--space-3);
    min-width: 0;
    width: 100%;
    min-height: var(--control);
    padding: var(--space-1) var(--space-3);
    border: 0;
    border-radius: var(--radius-sm);
    background: none;
    color: var(--ink-soft);
    text-align: start;
    text-decoration: none;
    transition: background-color var(--quick) var(--ease);
  }
  .row span {
    overflow: hidden;
    text-overflow: ellipsis;
    white-space: nowrap;
  }
  .row:hover,
  .chat:hover {
    background: var(--surface-hover);
    color: var(--ink);
  }
  .row[aria-current] {
    background: var(--surface-selected);
    color: var(--ink);
    font-weight: 550;
  }
  .row:focus-visible {
    outline-offset: -2px;
  }
  .new {
    border: 1px solid var(--line);
    border-radius: var(--radius-md);
    background: var(--surface);
    color: var(--ink);
    font-weight: 550;
    box-shadow: var(--shadow-1);
  }
  .new svg {
    color: var(--accent);
  }
  .chats {
    flex: 1;
    min-height: 0;
    margin: var(--space-3) calc(-1 * var(--space-2)) 0;
    padding: 0 var(--space-2) var(--space-3);
    overflow-y: auto;
    overscroll-behavior: contain;
    scrollbar-width: thin;
    scrollbar-color: var(--line) transparent;
  }
  section + section {
    margin-top: var(--space-4);
  }
  h2 {
    padding: var(--space-2) var(--space-3) var(--space-1);
    color: var(--ink-faint);
    font-family: var(--font-sans);
    font-size: var(--text-xs);
    font-weight: 600;
    letter-spacing: 0.01em;
  }
  .empty {
    padding: var(--space-3);
    color: var(--ink-faint);
    font-size: var(--text-sm);
  }
  .chat {
    display: flex;
    align-items: center;
    border-radius: var(--radius-sm);
  }
  .chat[data-open] {
    background: var(--surface-selected);
  }
  .chat .row:hover,
  .chat .row[aria-current] {
    background: none;
  }
  .chat hermit-popover-menu {
    flex: none;
  }
  @media (hover: hover) and (pointer: fine) {
    .chat hermit-popover-menu {
      opacity: 0;
    }
    .chat:is(:hover, :focus-within, [data-open]) hermit-popover-menu {
      opacity: 1;
    }
  }
  .editor {
    padding: 2px;
  }
  .pages {
    padding-top: var(--space-2);
    border-top: 1px solid var(--line);
  }
`;
