/**
 * `rxsteer simulate --validate`: what was published beside what is simulated.
 *
 * Promise: a row that misses its limit is shown as missing; nothing is left out. Exit code 0: it says how well the model
 * does, and a miss is an answer.
 */
import { UserError, unknownName } from '../errors.js';
import { FAMILIES } from '../simulate/presets/index.js';
import {
  type ValidatedClaim,
  type ValidatedRow,
  type Validation,
  validatePresets,
} from '../simulate/presets/validate.js';
import { formatFitting, lineColumns, wrap } from './fitting.js';
import { colour, formatCount, Progress, print, printJson } from './output.js';
import type { SimulateFlags } from './simulate-flags.js';

/** `--validate`, of all families or of one. */
export function validate({ json }: SimulateFlags, family: string | undefined): void {
  const names = FAMILIES.map(({ name }) => name);
  if (family !== undefined && !names.includes(family)) {
    const { message } = unknownName('family of presets', family, names);
    throw new UserError(`--validate: ${message}`, { code: 'RXS_UNKNOWN_NAME' });
  }
  const progress = new Progress('simulating');
  const validation = validatePresets({
    ...(family === undefined ? {} : { families: [family] }),
    onRun: (preset) => progress.update(preset),
  });
  progress.done();
  if (json === true) printJson(validation);
  else print(validationText(validation));
}

const right = (title: string) => ({ title, align: 'right' as const });
const verdict = (holds: boolean) => (holds ? 'holds' : colour.red('MISSES'));
const signed = (share: number) => `${share < 0 ? '-' : '+'}${Math.abs(100 * share).toFixed(0)} %`;

function amount(of: string, value: number): string {
  if (/busyShare$|classes/.test(of)) return `${(100 * value).toFixed(1)} %`;
  return formatCount(Number(value.toPrecision(4)));
}

/** What a path is called. */
const WORDS: Readonly<Record<string, string>> = { 'throughput.value': 'throughput', 'cpu.busyShare': 'CPU' };

function rowTable(rows: readonly ValidatedRow[]): string {
  return formatFitting(
    [
      ...[{ title: 'preset' }, { title: 'figure' }, right('published'), right('simulated')],
      ...[right('off'), right('limit'), { title: 'by' }, { title: '' }],
    ],
    rows.map(({ preset, of, published, simulated, deviation, within, fitted, relativeTo, holds }) => [
      preset,
      `${WORDS[of] ?? of}${relativeTo === null ? '' : ' (ratio)'}`,
      amount(of, published),
      amount(of, simulated),
      signed(deviation),
      `${(100 * within).toFixed(0)} %`,
      fitted ? 'fit' : 'prediction',
      verdict(holds),
    ]),
  );
}

function claimLine({ text, runs, of, holds }: ValidatedClaim): string {
  const values = runs.map(({ run, value }) => `${run.replace(/^[^/]*\//, '')} ${amount(of, value)}`);
  return `${verdict(holds)}: ${text} (${WORDS[of] ?? of}: ${values.join(', ')})`;
}

/** The text of a validation. */
export function validationText({ rows, claims, predicted, fitted, claimed }: Validation): string {
  const columns = lineColumns();
  const parts = [
    ...(rows.length === 0 ? [] : [rowTable(rows)]),
    ...(claims.length === 0
      ? []
      : [claims.map((claim) => wrap(`- ${claimLine(claim)}`, columns, '  ')).join('\n')]),
    `${predicted.hold} of ${predicted.all} predicted figures are within their limits, ${fitted.hold} of ${fitted.all} fitted ones; ${claimed.hold} of ${claimed.all} claims come out.`,
  ];
  return parts.join('\n\n');
}
