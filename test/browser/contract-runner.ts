/**
 * Takes the place of `vitest` where the contracts run inside a browser: the part of its interface that
 * they use, tests in order, results as data.
 */
type Body = () => unknown;
interface Context {
  readonly skip: (condition: boolean, reason: string) => void;
}
type Test<T> = (value: T, context: Context) => unknown;

interface Group {
  readonly name: string;
  readonly parent: Group | null;
  readonly beforeEach: Body[];
  readonly afterEach: Body[];
  readonly afterAll: Body[];
}

export interface TestResult {
  readonly name: string;
  readonly outcome: 'passed' | 'failed' | 'skipped';
  readonly message: string;
}

class Skipped extends Error {}

function newGroup(name: string, parent: Group | null): Group {
  return { name, parent, beforeEach: [], afterEach: [], afterAll: [] };
}

const root = newGroup('', null);
let current = root;
const tests: { readonly group: Group; readonly name: string; readonly body: Test<undefined> }[] =
  [];
const groups = [root];

export function describe(name: string, body: Body): void {
  const before = current;
  current = newGroup(name, before);
  groups.push(current);
  body();
  current = before;
}

export function beforeEach(body: Body): void {
  current.beforeEach.push(body);
}

export function afterEach(body: Body): void {
  current.afterEach.push(body);
}

export function afterAll(body: Body): void {
  current.afterAll.push(body);
}

export function it(name: string, body: (context: Context) => unknown): void {
  tests.push({ group: current, name, body: (_, context) => body(context) });
}

/** One test for each value; arrays are spread over the arguments. */
it.each =
  <T>(values: readonly T[]) =>
  (name: string, body: (...given: unknown[]) => unknown): void => {
    for (const value of values) {
      const given: unknown[] = Array.isArray(value) ? value : [value];
      it(`${name} ${JSON.stringify(value)}`, () => body(...given));
    }
  };

/** One test for each value, with the context as second argument. */
it.for =
  <T>(values: readonly T[]) =>
  (name: string, body: Test<T>): void => {
    for (const value of values) {
      it(`${name} ${JSON.stringify(value)}`, (context) => body(value, context));
    }
  };

/** Runs everything that was described. */
export async function runAll(only?: RegExp): Promise<TestResult[]> {
  const results: TestResult[] = [];
  for (const { group, name, body } of tests) {
    const path = pathOf(group);
    const fullName = [...path.map((part) => part.name), name].join(' > ');
    if (only !== undefined && !only.test(fullName)) continue;
    results.push(await runOne(fullName, path, body));
  }
  for (const group of groups) for (const body of group.afterAll) await body();
  return results;
}

async function runOne(
  name: string,
  path: readonly Group[],
  body: Test<undefined>,
): Promise<TestResult> {
  const context: Context = {
    skip: (condition, reason) => {
      if (condition) throw new Skipped(reason);
    },
  };
  try {
    for (const group of path) for (const before of group.beforeEach) await before();
    await body(undefined, context);
    for (const group of path) for (const after of group.afterEach) await after();
    return { name, outcome: 'passed', message: '' };
  } catch (error) {
    const message = error instanceof Error ? (error.stack ?? error.message) : String(error);
    return { name, outcome: error instanceof Skipped ? 'skipped' : 'failed', message };
  }
}

function pathOf(group: Group): Group[] {
  return group.parent === null ? [] : [...pathOf(group.parent), group];
}

type Fields = Readonly<Record<string, unknown>>;

function fail(message: string): never {
  throw new Error(message);
}

function matches(value: unknown, fields: Fields): boolean {
  return Object.entries(fields).every(([key, wanted]) => (value as Fields)[key] === wanted);
}

/** The matchers of vitest that the contracts use. */
export function expect(value: unknown, what = '') {
  const shown = (other: unknown): string => `${what} ${String(value)} against ${String(other)}`;
  return {
    toBe: (other: unknown) => {
      if (!Object.is(value, other)) fail(`not the same: ${shown(other)}`);
    },
    toEqual: (other: unknown) => {
      if (JSON.stringify(value) !== JSON.stringify(other)) fail(`not equal: ${what}`);
    },
    toBeLessThanOrEqual: (most: number) => {
      if (!((value as number) <= most)) fail(`too large: ${shown(most)}`);
    },
    toBeGreaterThan: (least: number) => {
      if (!((value as number) > least)) fail(`too small: ${shown(least)}`);
    },
    toBeLessThan: (limit: number) => {
      if (!((value as number) < limit)) fail(`too large: ${shown(limit)}`);
    },
    not: {
      toEqual: (other: unknown) => {
        if (JSON.stringify(value) === JSON.stringify(other)) fail(`equal: ${what}`);
      },
    },
    toHaveLength: (length: number) => {
      if ((value as ArrayLike<unknown>).length !== length) fail(`another length: ${shown(length)}`);
    },
    toThrow: (fields: Fields) => {
      let thrown: unknown = null;
      try {
        (value as Body)();
      } catch (error) {
        thrown = error;
      }
      if (thrown === null || !matches(thrown, fields)) fail(`threw ${String(thrown)}`);
    },
    rejects: {
      toMatchObject: async (fields: Fields) => {
        const thrown: unknown = await (value as Promise<unknown>).then(
          () => null,
          (error: unknown) => error,
        );
        if (thrown === null || !matches(thrown, fields)) fail(`rejected with ${String(thrown)}`);
      },
    },
  };
}

expect.objectContaining = (fields: Fields): Fields => fields;
