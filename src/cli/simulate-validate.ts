/**
 * `rxsteer simulate --validate`: what was published beside what is simulated.
 *
 * Promise: a row that misses its limit is shown as missing; nothing is left out.
 */
import { presets } from '../simulate/presets/index.js';
import { simulate } from '../simulate/simulate.js';
import { print, printJson } from './output.js';
import type { SimulateFlags } from './simulate-flags.js';

/** `--validate` */
export function validate({ json }: SimulateFlags): void {
  const rows = presets().map(({ name, scenario }) => {
    const { throughput, cpu, published } = simulate(scenario, { limit: false }).results[0]!;
    return { preset: name, simulated: { value: throughput.value, cpu: cpu.busyShare }, published };
  });
  if (json === true) printJson({ rows });
  else print(rows.map((row) => JSON.stringify(row)).join('\n'));
}
