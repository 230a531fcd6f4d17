/** Sizes leave a phone the whole screen. Colours are Hermit's own (`src/ui/tokens.css`). */
export const hermitChatStyles = `
:host {
  --accent: var(--hermit-accent, #a8502f);
  --offset: var(--hermit-offset, 20px);
  position: fixed;
  right: var(--offset);
  bottom: var(--offset);
  z-index: 2147483000;
  color-scheme: light dark;
  font: 15px/1.5 system-ui, sans-serif;
}
:host([theme='light']) { color-scheme: light }
:host([theme='dark']) { color-scheme: dark }
[hidden] { display: none !important }
[part='launcher'] {
  display: grid;
  place-items: center;
  width: 60px;
  height: 60px;
  margin-left: auto;
  border: 0;
  border-radius: 50%;
  background: var(--accent);
  color: #fff;
  box-shadow: 0 6px 24px #0004;
  cursor: pointer;
}
[part='launcher']:focus-visible { outline: 3px solid var(--accent); outline-offset: 3px }
svg { width: 30px; height: 30px; fill: currentColor }
svg path + path { fill: none; stroke: var(--accent); stroke-width: 3.25; stroke-linecap: round }
[part='panel'] {
  width: 400px;
  height: min(640px, 100dvh - 2 * var(--offset) - 76px);
  margin-bottom: 16px;
  border: 1px solid #8884;
  border-radius: 20px;
  background: light-dark(#fdfbf7, #1a1816);
  color: light-dark(#2b2622, #ece5da);
  box-shadow: 0 16px 56px #0005;
  overflow: hidden;
}
iframe { display: block; width: 100%; height: 100%; border: 0 }
.note { display: grid; gap: 12px; align-content: center; height: 100%; padding: 32px; text-align: center; box-sizing: border-box; overflow-wrap: anywhere }
.note p { margin: 0 }
.note a { color: var(--accent) }
:host([inline]) { display: block; position: static; height: 560px }
:host([inline]) [part='launcher'] { display: none }
:host([inline]) [part='panel'] { width: auto; height: 100%; margin: 0; box-shadow: none; box-sizing: border-box }
@media (max-width: 480px) {
  :host([open]:not([inline])) { inset: 0 }
  :host([open]:not([inline])) [part='launcher'] { display: none }
  :host([open]:not([inline])) [part='panel'] { width: 100%; height: 100%; margin: 0; border: 0; border-radius: 0 }
}
`;
