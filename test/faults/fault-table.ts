/**
 * A reporter: what became of each fault, as a table on the terminal and as
 * `test-results/faults.json`. Several tests of one fault count together; one that was left out, in
 * the quick run or because it cannot be brought about, is `not run` and never `survived`.
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import type { Reporter, TestModule } from 'vitest/node';
import { faults } from './faults.ts';

const folder = fileURLToPath(new URL('../../test-results', import.meta.url));

interface Row {
  readonly id: string;
  readonly fault: string;
  readonly result: 'survived' | 'failed' | 'not run';
  readonly reason: string | null;
}

export default class FaultTable implements Reporter {
  onTestRunEnd(modules: readonly TestModule[]): void {
    const results = new Map<string, string[]>();
    for (const module of modules) {
      for (const test of module.children.allTests()) {
        const id = test.name.split(' ', 1)[0] ?? '';
        results.set(id, [...(results.get(id) ?? []), test.result().state]);
      }
    }
    const rows = faults.map((fault): Row => {
      const { id, name, notRun } = fault;
      const states = results.get(id) ?? [];
      const row = { id, fault: name, reason: null };
      if (states.includes('failed')) return { ...row, result: 'failed' };
      if (states.length > 0 && states.every((state) => state === 'passed')) {
        return { ...row, result: 'survived' };
      }
      const left = states.length === 0 ? 'there is no test' : 'left out of the quick run';
      return { ...row, result: 'not run', reason: notRun ?? left };
    });
    const survived = rows.filter(({ result }) => result === 'survived').length;
    const table = rows.map(
      ({ id, fault, result, reason }) =>
        `${id}  ${fault.padEnd(58)}  ${result}${reason === null ? '' : ` (${reason})`}`,
    );
    console.log(`\n${table.join('\n')}\n\n${survived} of ${rows.length} faults survived`);
    mkdirSync(folder, { recursive: true });
    const report = { browser: 'Chromium', survived, of: rows.length, faults: rows };
    writeFileSync(`${folder}/faults.json`, `${JSON.stringify(report, null, 2)}\n`);
  }
}
