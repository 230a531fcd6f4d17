/**
 * The model that comes with Hermit: a tiny one that knows Hermit itself, so that everybody can talk to
 * something at once. How it is made: `scripts/guide/README.md`.
 */
export const guideModel = {
  name: 'Hermit guide',
  /** Served with the app; fetched only when a person asks for it. */
  path: '/guide.gguf',
  bytes: 0,
  sha256: '',
} as const;
