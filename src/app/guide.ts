/**
 * The model that comes with Hermit: a tiny one that knows Hermit itself, so that everybody can talk to
 * something at once. How it is made: `scripts/guide/README.md`.
 */
export const guideModel = {
  name: 'Hermit guide',
  /** Served with the app; fetched only when a person asks for it. */
  path: '/guide.gguf',
  bytes: 2_164_416,
  sha256: '8512785ed03e80e0473f56196235d129d356d405350b67d470d8607707484240',
} as const;
