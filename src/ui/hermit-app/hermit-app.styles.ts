import { css } from 'lit';

export const hermitAppStyles = css`
  :host {
    display: block;
    height: 100vh;
    height: 100dvh;
    overflow: hidden;
    background: var(--canvas);
    color: var(--ink);
  }
  .skip {
    position: fixed;
    z-index: 30;
    top: var(--space-2);
    left: var(--space-2);
    padding: var(--space-3) var(--space-4);
    border-radius: var(--radius-md);
    background: var(--accent);
    color: var(--on-accent);
  }
  .skip:not(:focus) {
    clip-path: inset(50%);
    pointer-events: none;
  }
  .layout {
    display: flex;
    height: 100%;
  }
  aside {
    flex: none;
    width: 17.5rem;
    border-inline-end: 1px solid var(--line);
  }
  .drawer {
    width: min(20rem, 86vw);
    max-width: none;
    height: 100dvh;
    max-height: none;
    margin: 0;
    padding: 0;
    border: 0;
    background: var(--surface-sunken);
    color: var(--ink);
    box-shadow: var(--shadow-3);
  }
  .drawer[open] {
    animation: slide var(--calm) var(--ease);
  }
  .drawer::backdrop {
    background: var(--scrim);
  }
  @keyframes slide {
    from {
      transform: translateX(-100%);
    }
  }
  .column {
    flex: 1;
    min-width: 0;
    display: grid;
    grid-template-rows: auto auto minmax(0, 1fr);
    grid-template-columns: minmax(0, 1fr);
  }
  header {
    display: flex;
    align-items: center;
    gap: var(--space-1);
    min-height: 3.5rem;
    padding: max(var(--space-1), env(safe-area-inset-top))
      max(var(--space-2), env(safe-area-inset-right)) var(--space-1)
      max(var(--space-2), env(safe-area-inset-left));
  }
  header hermit-model-picker {
    flex: 0 1 auto;
  }
  .gap {
    flex: 1;
  }
  main {
    min-height: 0;
  }
  main:focus {
    outline: none;
  }
  main > :not(:defined) {
    display: block;
  }
  .drop {
    position: fixed;
    z-index: 25;
    inset: 0;
    display: grid;
    place-items: center;
    padding: var(--space-4);
    background: var(--scrim);
    pointer-events: none;
  }
  .drop p {
    display: flex;
    align-items: center;
    gap: var(--space-3);
    padding: var(--space-6) var(--space-7);
    border: 2px dashed var(--accent);
    border-radius: var(--radius-xl);
    background: var(--surface);
    font-size: var(--text-lg);
    box-shadow: var(--shadow-3);
  }
  .drop svg {
    color: var(--accent);
  }
`;
