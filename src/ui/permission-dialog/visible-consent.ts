/**
 * Whether an element can be seen by the person: consent that is given to a button nobody sees is none.
 * Where the browser watches for covers, transparency and filters (IntersectionObserver v2), pages
 * around the frame cannot lay themselves over the button; elsewhere the wait alone remains.
 */

/** Long enough that a click meant for something else does not land on a button that just appeared. */
const SEEN_FOR_MS = 600;

/** As good as whole: frames stand at fractions of a pixel, which alone would keep a share below 1. */
const WHOLE = 0.9;

interface VisibilityEntry extends IntersectionObserverEntry {
  readonly isVisible?: boolean;
}

/**
 * Calls back with true when the element was seen for a while, with false as soon as it is not.
 * A faded element, as a disabled button, does not count as seen: give the box around it.
 */
export function watchVisible(element: Element, onChange: (visible: boolean) => void): () => void {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const seen = (visible: boolean): void => {
    clearTimeout(timer);
    if (!visible) onChange(false);
    else {
      timer = setTimeout(() => {
        onChange(true);
      }, SEEN_FOR_MS);
    }
  };
  // `delay` and `trackVisibility` are the second version's; the first one ignores them.
  const options = { threshold: WHOLE, delay: 100, trackVisibility: true };
  const observer = new IntersectionObserver((entries) => {
    const last: VisibilityEntry | undefined = entries.at(-1);
    if (last !== undefined) seen(last.isIntersecting && last.isVisible !== false);
  }, options);
  observer.observe(element);
  return () => {
    clearTimeout(timer);
    observer.disconnect();
  };
}
