/**
 * The demo's comparison as one page.
 *
 * Promise: a pure function of the runs that were just made; the plots have the figures of the table that is printed.
 */
import { figure, type HorizontalBar } from '../report/horizontal.js';
import { escapeHtml, number, table, text } from '../report/html.js';
import { originFacts, page, type ReportOrigin } from '../report/page.js';
import { type DemoRun, findings, reached, workersPerGuest } from './demo-report.js';
import { droppedFrames } from './forward-report.js';
import { formatNanoseconds } from './output.js';

export function demoPage(runs: readonly DemoRun[], live: boolean, origin: ReportOrigin): string {
  const sum = ({ summary }: DemoRun, read: (worker: DemoRun['summary']['workers'][number]) => number) =>
    summary.workers.reduce((all, worker) => all + read(worker), 0);
  const plot = (what: string, value: (run: DemoRun) => number, print: (value: number) => string) =>
    figure(
      what,
      runs.map((run): HorizontalBar => ({ name: run.policy, value: value(run), text: print(value(run)) })),
    );
  const whole = (n: number) => n.toLocaleString('en-GB');
  const share = (run: DemoRun) => {
    const load = run.summary.workers.map(({ processed }) => processed);
    const all = load.reduce((a, b) => a + b, 0);
    return all > 0 ? (Math.max(...load) * load.length) / all : 0;
  };
  const cpu = (run: DemoRun) => {
    const { received } = run.summary.totals;
    return received > 0 ? (sum(run, ({ cpuMs }) => cpuMs ?? 0) * 1e6) / received : 0;
  };
  const body = [
    originFacts(origin),
    `<p>${live ? 'Real packets between network namespaces' : 'Memory ports instead of real interfaces'}: the same frames under each policy.</p>`,
    `<ul>${findings(runs)
      .map((line) => `<li>${escapeHtml(line)}</li>`)
      .join('')}</ul>`,
    plot(
      'Workers that send to a guest',
      (run) => workersPerGuest(run.summary),
      (n) => n.toFixed(1),
    ),
    plot('CPU time of a packet', cpu, formatNanoseconds),
    plot('Fullest worker over a fair share', share, (n) => n.toFixed(2)),
    plot(
      'Packets handed to another worker, of each received',
      (run) => run.summary.totals.handoffsPerPacket,
      (n) => n.toFixed(2),
    ),
    plot(
      'Times that a worker had to wait for a transmit queue',
      (run) => sum(run, ({ txLock }) => txLock.contended),
      whole,
    ),
    plot('Packets reordered', (run) => run.summary.totals.reordered, whole),
    table(
      'The runs',
      ['policy', 'sent', 'to guests', 'dropped', 'reordered'].map((title) => ({ title })),
      runs.map((run) => [
        text(run.policy),
        number(run.sent),
        number(reached(run.summary)),
        number(droppedFrames(run.summary)),
        number(run.summary.totals.reordered),
      ]),
    ),
  ].join('\n');
  return page({ title: 'Steering policies compared', body, data: null });
}
