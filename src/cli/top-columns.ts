/**
 * The tables of `rxsteer top`: which columns, how wide, in which colour.
 *
 * Promise: pure; the columns of each table fit 80 characters, further ones are for wider screens.
 */
import { sparkline } from '../observe/sparkline.js';
import { formatBytes, formatCount } from './output.js';
import type { GuestRow, PortRow, TopModel, WorkerRow } from './top-model.js';
import type { Paint, TopColumn } from './top-table.js';

/** A rate or a count in seven characters. */
export const short = (value: number) => formatCount(value < 1000 ? Math.round(value) : value);

/** `[||||      41 %]`: a part of one as a bar. */
export function loadBar(part: number, width: number): string {
  const inner = Math.max(0, width - 2);
  const label = `${Math.round(100 * part)} %`;
  const filled = Math.round(Math.max(0, Math.min(1, part)) * inner);
  const bar = '|'.repeat(filled).padEnd(inner);
  return `[${bar.slice(0, Math.max(0, inner - label.length))}${label}]`.slice(0, width);
}

const loadPaint = (part: number, paint: Paint) =>
  part > 0.9 ? paint.red : part > 0.6 ? paint.yellow : paint.green;
const wrong = (count: number, paint: Paint) => (count > 0 ? paint.red : (text: string) => text);

export const WORKER_COLUMNS: readonly TopColumn<WorkerRow>[] = [
  { title: 'worker', width: 7, align: 'right', text: ({ id }) => String(id), sort: ({ id }) => id },
  { title: 'CPU', width: 3, align: 'right', text: ({ cpu }) => cpu },
  {
    title: 'busy',
    width: 20,
    text: ({ busy }) => loadBar(busy, 20),
    sort: ({ busy }) => busy,
    paint: ({ busy }, paint) => loadPaint(busy, paint),
  },
  { title: 'recv/s', width: 7, align: 'right', text: (w) => short(w.received), sort: (w) => w.received },
  { title: 'proc/s', width: 7, align: 'right', text: (w) => short(w.processed), sort: (w) => w.processed },
  { title: 'handed/s', width: 9, align: 'right', text: (w) => short(w.handedOff), sort: (w) => w.handedOff },
  { title: 'woken/s', width: 8, align: 'right', text: (w) => short(w.woken), sort: (w) => w.woken },
  { title: 'waiting', width: 8, align: 'right', text: (w) => short(w.highWater), sort: (w) => w.highWater },
  { title: 'locks/s', width: 8, align: 'right', text: (w) => short(w.lockWaits), sort: (w) => w.lockWaits },
  {
    title: 'died',
    width: 5,
    align: 'right',
    text: ({ deaths }) => String(deaths),
    sort: ({ deaths }) => deaths,
    paint: ({ deaths }, paint) => wrong(deaths, paint),
  },
  {
    title: 'last ten minutes',
    width: 30,
    text: ({ past }) => sparkline(past, 30, 1),
    paint: (_, p) => p.cyan,
  },
];

export const PORT_COLUMNS: readonly TopColumn<PortRow>[] = [
  {
    title: 'port/queue',
    width: 14,
    text: ({ name, isQueue }) => (isQueue ? `  ${name}` : name),
    sort: ({ name }) => name,
  },
  { title: 'worker', width: 6, align: 'right', text: ({ worker }) => worker },
  { title: 'recv/s', width: 7, align: 'right', text: (p) => short(p.received), sort: (p) => p.received },
  { title: 'bytes/s', width: 8, align: 'right', text: (p) => formatBytes(p.bytes), sort: (p) => p.bytes },
  {
    title: 'sent/s',
    width: 7,
    align: 'right',
    text: (p) => (p.isQueue ? '' : short(p.sent)),
    sort: (p) => p.sent,
  },
  {
    title: 'kernel drops',
    width: 12,
    align: 'right',
    text: (p) => (p.isQueue ? '' : short(p.kernelDrops)),
    sort: (p) => p.kernelDrops,
    paint: (p, paint) => wrong(p.kernelDrops, paint),
  },
  {
    title: 'errors',
    width: 6,
    align: 'right',
    text: (p) => (p.isQueue ? '' : short(p.errors)),
    sort: (p) => p.errors,
    paint: (p, paint) => wrong(p.errors, paint),
  },
  { title: 'kind', width: 10, text: ({ kind }) => kind, sort: ({ kind }) => kind },
  { title: 'last ten minutes', width: 30, text: ({ past }) => sparkline(past, 30), paint: (_, p) => p.cyan },
];

export const GUEST_COLUMNS: readonly TopColumn<GuestRow>[] = [
  { title: 'guest', width: 17, text: ({ mac }) => mac, sort: ({ mac }) => mac },
  { title: 'to/s', width: 8, align: 'right', text: (g) => short(g.to), sort: (g) => g.to },
  { title: 'from/s', width: 8, align: 'right', text: (g) => short(g.from), sort: (g) => g.from },
  { title: 'owner', width: 6, align: 'right', text: (g) => g.owner, sort: (g) => g.owner },
  { title: 'port', width: 10, text: (g) => g.port, sort: (g) => g.port },
  {
    title: 'workers',
    width: 8,
    align: 'right',
    text: (g) => String(g.workers),
    sort: (g) => g.workers,
    paint: (g, paint) => (g.workers > 1 ? paint.yellow : (text) => text),
  },
  { title: 'ten minutes', width: 17, text: ({ past }) => sparkline(past, 17), paint: (_, p) => p.cyan },
];

type DropRow = TopModel['dropReasons'][number];
export const DROP_COLUMNS: readonly TopColumn<DropRow>[] = [
  { title: 'dropped', width: 12, text: ({ reason }) => reason, sort: ({ reason }) => reason },
  { title: 'a second', width: 9, align: 'right', text: ({ rate }) => short(rate), sort: ({ rate }) => rate },
  {
    title: 'in all',
    width: 9,
    align: 'right',
    text: ({ all }) => short(all),
    sort: ({ all }) => all,
    paint: ({ all }, paint) => wrong(all, paint),
  },
];

type ClassRow = TopModel['classes'][number];
export const CLASS_COLUMNS: readonly TopColumn<ClassRow>[] = [
  { title: 'class', width: 12, text: (c) => c.class },
  { title: 'watched', width: 9, align: 'right', text: (c) => short(c.frames) },
  {
    title: 'reordered',
    width: 10,
    align: 'right',
    text: (c) => short(c.reordered),
    paint: (c, paint) => wrong(c.reordered, paint),
  },
  { title: 'extent', width: 7, align: 'right', text: (c) => short(c.extent.max) },
  {
    title: '1-, 2-, 3-reordered',
    width: 22,
    align: 'right',
    text: (c) => c.nReordered.map(short).join(', '),
  },
];
