/** What a person does in a page, for browsers under WebDriver: found by what it is called, anywhere. */
import type { EngineBrowser } from './web-driver.ts';

interface Aim {
  readonly selector: string;
  /** What the element's text or label must contain. */
  readonly name: string;
}

/** Presses the button of this name, as soon as it is there. */
export async function press(browser: EngineBrowser, name: string): Promise<void> {
  const pressed = await browser.evaluate(
    async ({ selector, name: wanted }) => {
      const find = (root: Document | ShadowRoot): HTMLElement | null => {
        for (const element of root.querySelectorAll<HTMLElement>('*')) {
          const label = `${element.textContent} ${element.getAttribute('aria-label') ?? ''}`;
          const able = !element.matches(':disabled') && element.getClientRects().length > 0;
          if (element.matches(selector) && label.includes(wanted) && able) return element;
          const inside = element.shadowRoot === null ? null : find(element.shadowRoot);
          if (inside !== null) return inside;
        }
        return null;
      };
      for (let attempt = 0; attempt < 600; attempt++) {
        const found = find(document);
        if (found !== null) {
          found.click();
          return true;
        }
        await new Promise((resolve) => setTimeout(resolve, 100));
      }
      return false;
    },
    { selector: 'button, a, [role=button]', name } satisfies Aim,
  );
  if (!pressed) throw new Error(`There is no button "${name}" to press.`);
}

/** Writes into the one text field of the page. */
export async function write(browser: EngineBrowser, text: string): Promise<void> {
  await browser.evaluate((value) => {
    const find = (root: Document | ShadowRoot): HTMLTextAreaElement | null => {
      for (const element of root.querySelectorAll<HTMLElement>('*')) {
        if (element instanceof HTMLTextAreaElement) return element;
        const inside = element.shadowRoot === null ? null : find(element.shadowRoot);
        if (inside !== null) return inside;
      }
      return null;
    };
    const field = find(document);
    if (field === null) throw new Error('There is no text field.');
    field.value = value;
    field.dispatchEvent(new Event('input', { bubbles: true, composed: true }));
  }, text);
}

/** All text that is shown, shadow trees included. */
export function shownText(browser: EngineBrowser): Promise<string> {
  return browser.evaluate(() => {
    const texts: string[] = [];
    const walk = (node: Node): void => {
      if (node instanceof Text) texts.push(node.data);
      if (node instanceof HTMLStyleElement) return;
      for (const child of node.childNodes) walk(child);
      if (node instanceof Element && node.shadowRoot !== null) walk(node.shadowRoot);
    };
    walk(document.body);
    return texts.join(' ').replaceAll(/\s+/g, ' ');
  }, null);
}

/** Opens Hermit and waits until it is up. */
export async function openHermit(browser: EngineBrowser, url: string): Promise<void> {
  await browser.open(url);
  await untilUp(browser);
}

export async function untilUp(browser: EngineBrowser): Promise<void> {
  await browser.evaluate(async () => {
    while (typeof globalThis.hermit === 'undefined') {
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }, null);
}
