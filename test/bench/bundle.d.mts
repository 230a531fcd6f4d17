/** Bundles `entry` (absolute path) as a classic script that sets `globalThis[globalName]` to its exports. */
export function bundleForPage(
  entry: string,
  globalName: string,
  alias?: Readonly<Record<string, string>>,
): Promise<string>;
/** Bundles `entry` (absolute path) into `file`, a module for Node, and imports it. */
export function importInNode(entry: string, file: string): Promise<unknown>;
