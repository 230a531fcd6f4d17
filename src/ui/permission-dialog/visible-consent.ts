/**
 * Whether the person can see elements: consent that is given to a button nobody sees is none.
 * Where the browser watches for covers, transparency and filters (IntersectionObserver v2), pages
 * around the frame cannot lay themselves over a button; elsewhere the wait alone remains.
 */

/** Long enough that a click meant for something else does not land on a button that just appeared. */
const SEEN_FOR_MS = 600;

/** As good as whole: frames stand at fractions of a pixel, which alone would keep a share below 1. */
const WHOLE = 0.9;

interface VisibilityEntry extends IntersectionObserverEntry {
  readonly isVisible?: boolean;
}

/** Calls back with true when all were seen for a while, with false as soon as one is not. */
export function watchVisible(
  elements: readonly Element[],
  onChange: (visible: boolean) => void,
): () => void {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const hidden = new Set(elements);
  // `delay` and `trackVisibility` are the second version's; the first one ignores them.
  const options = { threshold: WHOLE, delay: 100, trackVisibility: true };
  const observer = new IntersectionObserver((entries: readonly VisibilityEntry[]) => {
    for (const { target, isIntersecting, isVisible } of entries) {
      if (isIntersecting && isVisible !== false) hidden.delete(target);
      else hidden.add(target);
    }
    clearTimeout(timer);
    if (hidden.size > 0) onChange(false);
    else {
      timer = setTimeout(() => {
        onChange(true);
      }, SEEN_FOR_MS);
    }
  }, options);
  for (const element of elements) observer.observe(element);
  return () => {
    clearTimeout(timer);
    observer.disconnect();
  };
}
