/**
 * What `rxsteer forward` shows people: the summary as tables, and the line of rates of `--stats`.
 *
 * Promise: pure functions of the summary; every number carries its unit; what is zero and uninteresting is left
 * out, what was lost never is.
 */
import type { Summary } from '../dataplane/engine/summary.js';
import {
  colour,
  formatBytes,
  formatCount,
  formatFields,
  formatNanoseconds,
  formatRatio,
  formatTable,
} from './output.js';

const right = (title: string) => ({ title, align: 'right' as const });
const whole = (n: number) => n.toLocaleString('en-GB');

/** Frames received but neither transmitted, delivered nor in flight. */
export function droppedFrames(summary: Summary): number {
  return Object.values(summary.totals.dropped).reduce((sum, n) => sum + n, 0);
}

/** `3.01 kpps`, `12 pps`. */
function pps(perSecond: number): string {
  const text = formatCount(perSecond < 1000 ? Math.round(perSecond) : perSecond);
  return /\d$/.test(text) ? `${text} pps` : `${text}pps`;
}

function rate(packets: number, summary: Summary): string {
  return summary.durationMs > 0 ? pps((packets * 1000) / summary.durationMs) : '-';
}

/** Where a port's consumer runs, and how often that changed. */
function consumer({ consumer }: Summary['ports'][number]): string {
  if (consumer === null) return '-';
  const where = consumer.worker === null ? 'on no worker' : `on worker ${consumer.worker}`;
  const moved =
    consumer.moves === 0 ? '' : `, moved ${whole(consumer.moves)} ${consumer.moves === 1 ? 'time' : 'times'}`;
  return `${consumer.rule} ${where}${moved}`;
}

function portTable(summary: Summary): string {
  const consumed = summary.ports.some((port) => port.consumer !== null);
  const spoofed = summary.ports.some((port) => port.rx.spoofed > 0);
  return formatTable(
    [
      { title: 'port' },
      { title: 'kind' },
      right('received'),
      right('bytes'),
      right('kernel drops'),
      ...(spoofed ? [right('spoofed')] : []),
      right('sent'),
      right('bytes'),
      right('errors'),
      right('delivered'),
      ...(consumed ? [{ title: 'consumer' }] : []),
    ],
    summary.ports.map((port) => [
      port.removed ? `${port.name} (removed)` : port.name,
      port.kind,
      whole(port.rx.packets),
      formatBytes(port.rx.bytes),
      whole(port.rx.kernelDrops),
      ...(spoofed ? [whole(port.rx.spoofed)] : []),
      whole(port.tx.packets),
      formatBytes(port.tx.bytes),
      whole(port.tx.errors),
      whole(port.delivered.packets),
      ...(consumed ? [consumer(port)] : []),
    ]),
  );
}

/** Pauses of a worker for live changes: how many, and how long together. */
function pauses({ count, ms }: Summary['workers'][number]['pauses']): string {
  return count === 0 ? '0' : `${whole(count)} (${ms.toFixed(1)} ms)`;
}

function workerTable(summary: Summary): string {
  // Only a forwarder that was changed has any.
  const paused = summary.workers.some((w) => w.pauses.count > 0);
  return formatTable(
    [
      { title: 'worker' },
      { title: 'CPU' },
      right('received'),
      right('processed'),
      right('handed off'),
      right('wake-ups sent'),
      right('woken'),
      right('busy'),
      right('tx lock waits'),
      right('waited'),
      ...(paused ? [right('pauses')] : []),
    ],
    summary.workers.map((w) => [
      String(w.id),
      w.cpu === null ? 'any' : String(w.cpu),
      whole(w.received),
      whole(w.processed),
      whole(w.handedOff),
      whole(w.wakeupsSent),
      whole(w.wakeupsReceived),
      formatRatio(w.busyRatio),
      whole(w.txLock.contended),
      formatNanoseconds(w.txLock.waitedNs),
      ...(paused ? [pauses(w.pauses)] : []),
    ]),
  );
}

function handoffTable(summary: Summary): string {
  return formatTable(
    [{ title: 'hand-off' }, right('packets'), right('dropped'), right('most waiting')],
    summary.handoffs
      .filter((h) => h.packets + h.drops > 0)
      .map((h) => [`${h.from} -> ${h.to}`, whole(h.packets), whole(h.drops), whole(h.highWater)]),
  );
}

/** How far frames were reordered, by class of flows. */
function reordering(summary: Summary): string {
  return summary.orderByClass
    .filter((figures) => figures.reordered > 0)
    .map(
      ({ class: name, ratio, extent, nReordered }) =>
        `${name} ${formatRatio(ratio)}, extent up to ${whole(extent.max)}, 3-reordered ${whole(nReordered[2])}`,
    )
    .join('; ');
}

/** What became of changes of flows' workers. */
function moves({ totals }: Summary): string {
  const parts = [
    ['waited', totals.movesPostponed],
    ['held', totals.movesHeld],
    ['given up', totals.movesCancelled],
  ] as const;
  const waits = parts.filter(([, n]) => n > 0).map(([name, n]) => `${name} ${whole(n)}`);
  return `${whole(totals.moves)}${waits.length === 0 ? '' : `  (${waits.join(', ')})`}`;
}

/**
 * The whole summary for people, with a final line break. `live`: taken while workers run, when each counter is read at
 * a moment of its own, so that frames under way are shown and the sum is not judged.
 */
export function renderSummary(summary: Summary, { live = false } = {}): string {
  const { totals } = summary;
  const dropped = droppedFrames(summary);
  const reasons = Object.entries(totals.dropped)
    .filter(([, n]) => n > 0)
    .map(([reason, n]) => `${reason} ${whole(n)}`);
  const copies = [
    ['flooded copies', totals.floodedCopies],
    ['delivered copies', totals.deliveredCopies],
    ['segments beyond the first', totals.segmentCopies],
    ['copies lost', totals.copiesDropped],
  ] as const;
  const fields: [string, string][] = [
    ['policy', `${summary.policy} (${summary.mode}, order ${summary.order})`],
    ['time', `${(summary.durationMs / 1000).toFixed(1)} s`],
    ['received', `${whole(totals.received)}  (${rate(totals.received, summary)})`],
    ['transmitted', whole(totals.transmitted)],
    ...(totals.delivered > 0 ? [['delivered', whole(totals.delivered)] as [string, string]] : []),
    ['dropped', dropped === 0 ? '0' : `${whole(dropped)}  (${reasons.join(', ')})`],
    ...(live ? [['in flight', whole(totals.inFlight)] as [string, string]] : []),
    ...copies.filter(([, n]) => n > 0).map(([name, n]): [string, string] => [name, whole(n)]),
    [
      'reordered',
      totals.reordered === 0 ? '0' : `${colour.red(whole(totals.reordered))}  (${reordering(summary)})`,
    ],
    ...(totals.moves + totals.movesPostponed > 0 ? [['flow moves', moves(summary)] as [string, string]] : []),
    ...(totals.badHeaders > 0 ? [['bad headers', whole(totals.badHeaders)] as [string, string]] : []),
  ];
  const parts = [formatFields(fields), portTable(summary), workerTable(summary)];
  if (summary.handoffs.some((h) => h.packets + h.drops > 0)) parts.push(handoffTable(summary));
  const unaccounted = totals.received - totals.transmitted - totals.delivered - dropped - totals.inFlight;
  if (!live && (unaccounted !== 0 || totals.framesLeaked !== 0)) {
    parts.push(
      colour.red(`accounting is off: ${unaccounted} frames unaccounted for, ${totals.framesLeaked} leaked`),
    );
  }
  return `${parts.join('\n\n')}\n`;
}

/** Part of the time between two summaries that a worker was busy. One that joined or was restarted begins at 0. */
function busyBetween(previous: Summary, worker: Summary['workers'][number], ms: number): number {
  const before = previous.workers.find(({ id }) => id === worker.id)?.busyMs ?? 0;
  const busyMs = worker.busyMs >= before ? worker.busyMs - before : worker.busyMs;
  // A worker that was busy without a pause publishes its time a little before or after the moment of the reading.
  return ms > 0 ? Math.min(1, busyMs / ms) : 0;
}

/** One line: rates and load of each worker since the previous summary, losses so far. */
export function renderRates(previous: Summary, current: Summary): string {
  const ms = current.durationMs - previous.durationMs;
  const perSecond = (after: number, before: number) => pps(ms > 0 ? ((after - before) * 1000) / ms : 0);
  const ports = current.ports
    .filter((port) => !port.removed)
    .map((port) => {
      // Ports come and go, and another one may come by the same name.
      const old = previous.ports.find(({ name, removed }) => name === port.name && !removed);
      const out = port.tx.packets + port.delivered.packets;
      const oldOut = old === undefined ? 0 : old.tx.packets + old.delivered.packets;
      return `${port.name} rx ${perSecond(port.rx.packets, old?.rx.packets ?? 0)} tx ${perSecond(out, oldOut)}`;
    })
    .join(', ');
  const busy = current.workers.map((w) => formatRatio(busyBetween(previous, w, ms))).join(' ');
  const lost = droppedFrames(current) + current.ports.reduce((sum, port) => sum + port.rx.kernelDrops, 0);
  return `${(current.durationMs / 1000).toFixed(0)} s: ${ports}; busy ${busy}; lost ${whole(lost)}; reordered ${whole(current.totals.reordered)}`;
}
