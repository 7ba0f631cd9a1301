/**
 * What `rxsteer ctl history` shows people: the last ten minutes as lines of blocks.
 *
 * Promise: a pure function of the document; fits 80 columns unless a name does not.
 */
import type { History } from '../observe/history.js';
import { sparkline } from '../observe/sparkline.js';
import { formatBytes, formatCount, formatRatio, formatTable } from './output.js';

const COLUMNS = 40;
/** Lines of a kind. */
const LINES_MAX = 16;
const right = (title: string) => ({ title, align: 'right' as const });

const mean = (all: readonly number[]) => all.reduce((a, b) => a + b, 0) / Math.max(1, all.length);

/** Figures of each row as rates: what was counted in it by its length. */
export function perSecond(counted: readonly number[], ms: readonly number[]): number[] {
  return counted.map((value, row) => (ms[row]! > 0 ? (value * 1000) / ms[row]! : 0));
}

export function renderHistory(history: History): string {
  const { ms, at } = history.rows;
  const row = (name: string, rates: readonly number[], format: (rate: number) => string, most?: number) => [
    name,
    sparkline(rates, COLUMNS, most),
    format(mean(rates)),
    format(Math.max(0, ...rates)),
  ];
  const pps = (rate: number) => formatCount(rate < 1000 ? Math.round(rate) : rate);
  const rates = (name: string, counted: readonly number[]) => row(name, perSecond(counted, ms), pps);
  const rows = [
    rates('received', history.totals.received),
    rates('dropped', history.totals.dropped),
    rates('reordered', history.totals.reordered),
    ...history.workers.slice(0, LINES_MAX).map(({ id, busyMs }) =>
      row(
        `worker ${id} busy`,
        perSecond(busyMs, ms).map((busy) => busy / 1000),
        formatRatio,
        1,
      ),
    ),
    ...history.workers.slice(0, LINES_MAX).map(({ id, processed }) => rates(`worker ${id}`, processed)),
    ...history.ports.slice(0, LINES_MAX).flatMap(({ name, rxPackets, txPackets, delivered }) => [
      rates(`${name} rx`, rxPackets),
      rates(
        `${name} tx`,
        txPackets.map((sent, i) => sent + delivered[i]!),
      ),
    ]),
  ];
  const seconds = Math.round(ms.reduce((sum, one) => sum + one, 0) / 1000);
  const table = formatTable(
    [{ title: `last ${seconds} s` }, { title: 'oldest to newest' }, right('mean/s'), right('most/s')],
    rows,
  );
  const marks = history.events.slice(-LINES_MAX).map(({ at: when, kind, text }) => {
    const ago = Math.max(0, Math.round(((at.at(-1) ?? when) - when) / 1000));
    return `${ago} s ago  ${kind}: ${text}`;
  });
  const kept = `${history.kept.rows} seconds are kept, in ${formatBytes(history.kept.bytes)} of memory at most`;
  return [table, ...(marks.length > 0 ? [marks.join('\n')] : []), kept].join('\n\n');
}
