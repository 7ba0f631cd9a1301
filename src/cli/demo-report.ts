/**
 * The comparison that the demo prints.
 *
 * Promise: a pure function of the summaries: a table with one row a policy, and below it what the numbers say.
 */
import type { Summary } from '../dataplane/engine/summary.js';
import { formatFitting, lineColumns, wrap } from './fitting.js';
import { droppedFrames } from './forward-report.js';
import { colour, formatNanoseconds } from './output.js';

export const POLICIES = [
  'single',
  'rss',
  'rps:cpus=0-1',
  'mac-hash',
  'mac:uplink=up',
  'round-robin',
] as const;

export interface DemoRun {
  readonly policy: string;
  /** Frames that the generator sent. */
  readonly sent: number;
  readonly summary: Summary;
}

const right = (title: string) => ({ title, align: 'right' as const });
const whole = (n: number) => n.toLocaleString('en-GB');

/**
 * Frames that reached a guest: what the guests' ports sent or took, without the copies of floods. So neither what the
 * guests announce when they boot (each a frame to the uplink and copies to the other guests) nor a frame to a guest
 * that is not known yet counts more than it is: of the frames of the generator each counts once.
 */
export function reached(summary: Summary): number {
  const all = summary.ports.slice(1).reduce((sum, port) => sum + port.tx.packets + port.delivered.packets, 0);
  return all - summary.totals.floodedCopies - summary.totals.deliveredCopies;
}

/** Frames that were dropped, by reason; empty where none was. */
function losses({ policy, summary }: DemoRun): string {
  const reasons = Object.entries(summary.totals.dropped).filter(([, count]) => count > 0);
  if (reasons.length === 0) return '';
  const named = reasons.map(([reason, count]) => `${reason} ${whole(count)}`).join(', ');
  return `${policy} dropped ${whole(droppedFrames(summary))} frames: ${named}. ${WHY}`;
}

const WHY =
  'At this rate a worker drops only when the machine gives it no CPU: backlog = it did not take what was handed to it, txFull = a device or its queue had no room (docs/forwarding.md has all reasons).';

/** Workers per guest port, on average; those with less than one packet in a hundred (floods) are not counted. */
export function workersPerGuest(summary: Summary): number {
  const guests = summary.ports.slice(1);
  const workers = guests.map(({ txByWorker }) => {
    const total = txByWorker.reduce((sum, n) => sum + n, 0);
    return txByWorker.filter((n) => n * 100 >= total && n > 0).length;
  });
  return workers.reduce((sum, n) => sum + n, 0) / guests.length;
}

function row({ policy, sent, summary }: DemoRun): string[] {
  const received = summary.totals.received;
  const per = (n: number) => (received > 0 ? (n / received).toFixed(2) : '-');
  const shares = summary.workers.map(
    (w) => `${received > 0 ? Math.round((100 * w.processed) / received) : 0}`,
  );
  const sum = (pick: (w: Summary['workers'][number]) => number) =>
    summary.workers.reduce((s, w) => s + pick(w), 0);
  const cpu = summary.workers.every((w) => w.cpuMs !== null) ? sum((w) => w.cpuMs ?? 0) : null;
  return [
    policy,
    whole(sent),
    whole(reached(summary)),
    whole(droppedFrames(summary)),
    whole(summary.ports.reduce((total, port) => total + port.rx.kernelDrops, 0)),
    summary.totals.reordered === 0 ? '0' : colour.red(whole(summary.totals.reordered)),
    shares.join(' / '),
    per(sum((w) => w.handedOff)),
    per(sum((w) => w.wakeupsSent)),
    workersPerGuest(summary).toFixed(1),
    whole(sum((w) => w.txLock.contended)),
    cpu === null || received === 0 ? '-' : formatNanoseconds((cpu * 1e6) / received),
  ];
}

/** Table and findings, with a final line break. */
export function renderComparison(runs: readonly DemoRun[], live: boolean): string {
  const table = formatFitting(
    [
      { title: 'policy' },
      right('sent'),
      right('to guests'),
      right('dropped'),
      right('kernel drops'),
      right('reordered'),
      right('% of workers'),
      right('hand-offs/pkt'),
      right('wake-ups/pkt'),
      right('workers/guest'),
      right('tx lock waits'),
      right('CPU/pkt'),
    ],
    runs.map(row),
  );
  const lines = findings(runs);
  const next = live
    ? 'Next: sudo npx rxsteer demo --stay keeps this lab running, with a dashboard'
    : 'Next: npx rxsteer demo --stay keeps this running, with a dashboard; with root\n      npm start moves packets between real interfaces';
  return `${table}\n\n${lines.map((line) => wrap(`- ${line}`, lineColumns(), '  ')).join('\n')}\n\n${next}\n`;
}

function find(runs: readonly DemoRun[], name: string): Summary | undefined {
  return runs.find(({ policy }) => policy.split(':')[0] === name)?.summary;
}

export function findings(runs: readonly DemoRun[]): string[] {
  const lines: string[] = [];
  const flow = find(runs, 'rss');
  const mac = find(runs, 'mac');
  const spray = find(runs, 'round-robin');
  const handed = (s: Summary) => s.workers.reduce((sum, w) => sum + w.handedOff, 0);
  if (flow !== undefined && mac !== undefined) {
    lines.push(
      `Flow steering (rss) sends each guest's packets from ${workersPerGuest(flow).toFixed(1)} workers on average, MAC steering (mac) from ${workersPerGuest(mac).toFixed(1)}: with one queue per guest, that many workers contend for it.`,
    );
    lines.push(`rss handed ${whole(handed(flow))} packets to another worker, mac ${whole(handed(mac))}.`);
  }
  if (spray !== undefined) {
    lines.push(
      `round-robin delivered ${whole(spray.totals.reordered)} packets behind a later one of their flow; every other policy ${whole(runs.filter((r) => r.policy !== 'round-robin').reduce((sum, r) => sum + r.summary.totals.reordered, 0))}.`,
    );
  }
  lines.push(...runs.map(losses).filter((line) => line !== ''));
  const off = runs.filter(({ summary: { totals: t }, summary }) => {
    const ended = t.transmitted + t.delivered + droppedFrames(summary) + t.inFlight;
    return ended !== t.received || t.framesLeaked !== 0;
  });
  lines.push(
    off.length === 0
      ? 'Every frame received is accounted for in every run: transmitted, delivered, or dropped under a named reason.'
      : `Accounting is off under ${off.map((run) => run.policy).join(', ')}.`,
  );
  return lines;
}
