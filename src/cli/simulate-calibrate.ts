/**
 * `rxsteer simulate --calibrate FILE`: measures this machine and writes a set of costs that `--costs FILE` takes.
 *
 * Promise: medians with their quartiles, processor and kernel are in the file; what could not be measured is named with
 * the reason and taken from the named set (`--costs NAME`, default that of scenarios).
 */
import { calibrationLines, calibrationOf, disturbanceText } from '../calibrate/cost-set.js';
import { machineText } from '../calibrate/machine.js';
import { measureMachine } from '../calibrate/measure.js';
import { UserError } from '../errors.js';
import { COST_SETS, costSet, DEFAULT_COSTS } from '../simulate/costs/sets.js';
import { measureLive } from './calibrate-live.js';
import { formatTable, noteLine, Progress, print, printJson } from './output.js';
import { checkOutput, replaceFile } from './outputs.js';
import type { SimulateFlags } from './simulate-flags.js';

const right = (title: string) => ({ title, align: 'right' as const });
const ns = (value: number) => (value < 10 ? value.toFixed(2) : value.toFixed(0));

/** `--calibrate` */
export async function calibrate({
  calibrate: path = '',
  costs: base = DEFAULT_COSTS,
  json,
}: SimulateFlags): Promise<void> {
  if (!COST_SETS.some(({ name }) => name === base)) costSet(base);
  checkOutput('--calibrate', path, []);
  if (path === '-') throw new UserError('--calibrate -: name a file', { code: 'RXS_OUTPUT' });
  const progress = new Progress('calibrating:');
  progress.update('threads, memory');
  const own = await measureMachine();
  const live = await measureLive((what) => progress.update(what));
  progress.done();
  const calibration = calibrationOf(
    machineText(),
    {
      measurements: [...own.measurements, ...live.measurements],
      unmeasured: [...own.unmeasured, ...live.unmeasured],
      distance: own.distance,
    },
    base,
    live.disturbed,
  );
  const head = calibrationLines(calibration).map((line) => `# ${line}`.trimEnd());
  const { stringify } = await import('yaml');
  replaceFile(path, `${head.join('\n')}\n${stringify(calibration.costs)}`);
  if (json === true) {
    printJson(calibration);
    return;
  }
  print(`${calibration.machine}\n`);
  const rows = calibration.measurements.map(({ name, median, low, high }) => [
    name,
    ns(median),
    `${ns(low)} - ${ns(high)}`,
  ]);
  print(formatTable([{ title: 'measured' }, right('ns'), right('quartiles')], rows));
  for (const { name, why } of calibration.unmeasured)
    noteLine(`rxsteer: ${name}: not measured, taken from ${base}: ${why}`);
  if (calibration.disturbed !== null) noteLine(`rxsteer: ${disturbanceText(calibration.disturbed)}`);
  print(`\n${path}: ${calibration.derivations.length} costs of this machine over the set ${base}`);
}
