/**
 * The way of one packet as a timeline across CPUs: one row a CPU, in the order in which they get it.
 *
 * Promise: work on the packet is full colour, what a CPU did to get at it is pale; between the rows a line shows the
 * hand-over. A long wait is drawn short, with a break and its length, so that the work stays readable. All steps are in
 * a table below.
 */
import type { PacketPath, PathSpan } from '../simulate/record/shown.js';
import { classWord } from './cpu-classes.js';
import { type Cell, escapeHtml, number, table, text } from './html.js';
import { round, svg } from './svg.js';

const WIDTH = 720;
const LEFT = 52;
const ROW = 34;
const HIGH = 22;
/** A wait is drawn as this share of all work at most. */
const WAIT_MOST = 0.2;
/** Units that a letter of a label takes, at the size of the page's pictures. */
const LETTER = 7;
/** Least units between two times of the axis. */
const TIME_GAP = 48;

const us = (value: number) =>
  value < 10 ? value.toFixed(2) : value < 1000 ? value.toFixed(1) : value.toFixed(0);

/** Names of queues for people. */
const QUEUES: Readonly<Record<string, string>> = {
  ring: 'receive ring',
  tap: "device's ring",
  backlog: 'backlog',
  socket: 'socket',
  socketBacklog: "socket's backlog",
  guestTransmit: "guest's transmit ring",
  qdisc: 'queueing discipline',
  link: 'on the way',
};

const nameOf = ({ kind, label, inGuest }: PathSpan): string =>
  kind === 'wait' ? (QUEUES[label] ?? label) : inGuest ? `${label} (guest)` : label;

const lengthOf = ({ startUs, endUs }: PathSpan) => endUs - startUs;
const sumOf = (spans: readonly PathSpan[], kind: PathSpan['kind']) =>
  spans.reduce((sum, span) => sum + (span.kind === kind ? lengthOf(span) : 0), 0);

/** Microseconds drawn of a span. */
function drawn(span: PathSpan, most: number): number {
  return span.kind === 'wait' ? Math.min(lengthOf(span), most) : lengthOf(span);
}

/** Microseconds that a path takes on the page: pages draw all of theirs to one scale. */
export function drawnLength({ spans }: PacketPath): number {
  const most = longestWait(spans);
  return spans.reduce((sum, span) => sum + drawn(span, most), 0);
}

const longestWait = (spans: readonly PathSpan[]) =>
  WAIT_MOST * (sumOf(spans, 'work') + sumOf(spans, 'around')) || Number.POSITIVE_INFINITY;

/** In words, for the caption. */
export function pathSentence({ cpus, spans, latencyUs, guest, of }: PacketPath): string {
  const different = new Set(cpus).size;
  const way = cpus.map((cpu) => `CPU ${cpu}`).join(' → ');
  const parts = [
    `${us(sumOf(spans, 'work'))} µs of work on it`,
    `${us(sumOf(spans, 'around'))} µs of interrupts and switches to get at it`,
    `${us(sumOf(spans, 'wait'))} µs of waiting`,
  ];
  return `${different} CPU${different === 1 ? '' : 's'} (${way}): ${parts.join(', ')}, ${us(latencyUs)} µs in all; a packet of ${guest ?? 'the host'} with the median latency of ${of} that were followed.`;
}

/** A span at its place on the page. */
interface Placed {
  readonly span: PathSpan;
  readonly x: number;
  readonly wide: number;
}

function place(spans: readonly PathSpan[], scale: number): Placed[] {
  const most = longestWait(spans);
  let x = LEFT;
  return spans.map((span) => {
    const placed = { span, x, wide: drawn(span, most) * scale };
    x += placed.wide;
    return placed;
  });
}

/** The first of some names that fits between two places; empty where none does. */
function fitting(names: readonly string[], wide: number): string {
  return names.find((name) => name.length * LETTER < wide) ?? '';
}

const tip = (span: PathSpan) => `<title>${escapeHtml(nameOf(span))}, ${us(lengthOf(span))} µs</title>`;

/** A wait: a dashed line in the row of the CPU that had it last; cut where it is long. */
function waitLine({ span, x, wide }: Placed, top: number, isCut: boolean): string {
  const y = top + HIGH / 2;
  const middle = round(x + wide / 2);
  const time = `${us(lengthOf(span))} µs`;
  const names = isCut ? [`${nameOf(span)} ${time}`, time] : [nameOf(span)];
  const label = `<text x="${middle}" y="${round(y - 6)}" text-anchor="middle">${escapeHtml(fitting(names, wide))}</text>`;
  const cut = isCut ? `<path class="cut" d="M${middle - 5} ${y + 5}l4 -10m2 10l4 -10"/>` : '';
  return `<g>${tip(span)}<line class="wait" x1="${round(x)}" x2="${round(x + wide)}" y1="${y}" y2="${y}"/>${cut}${label}</g>`;
}

/** Names over the work: that of a step where it fits, else that of the class over all its steps in a row. */
function names(placed: readonly Placed[], yOf: (cpu: number) => number): string {
  const texts: string[] = [];
  for (let i = 0; i < placed.length; ) {
    const { span } = placed[i]!;
    let end = i + 1;
    const isAlike = (other: PathSpan | undefined) =>
      other?.cpu === span.cpu && other.kind === span.kind && other.class === span.class;
    while (isAlike(placed[end]?.span)) end++;
    const row = placed.slice(i, end);
    i = end;
    if (span.cpu === null) continue;
    const wide = row.reduce((sum, one) => sum + one.wide, 0);
    const name = fitting([...(row.length === 1 ? [nameOf(span)] : []), classWord(span.class!)], wide);
    if (name === '') continue;
    const cls = span.kind === 'work' ? 'on' : 'beside';
    texts.push(
      `<text class="${cls}" x="${round(row[0]!.x + wide / 2)}" y="${round(yOf(span.cpu) + HIGH / 2 + 4)}" text-anchor="middle">${escapeHtml(name)}</text>`,
    );
  }
  return texts.join('');
}

/** Times at which the packet changes CPUs, and at which it ends, as far as there is room. */
function axis(times: readonly (readonly [x: number, at: number])[], y: number): string {
  let free = Number.POSITIVE_INFINITY;
  const texts = times.toReversed().map(([x, at], i) => {
    if (x > free) return '';
    free = x - TIME_GAP;
    const anchor = x > WIDTH - 30 ? 'end' : 'middle';
    return `<text x="${round(x)}" y="${y}" text-anchor="${anchor}">${us(at)}${i === 0 ? ' µs' : ''}</text>`;
  });
  return texts.join('');
}

function picture({ spans, latencyUs, cpus }: PacketPath, scale: number): string {
  const most = longestWait(spans);
  const placed = place(spans, scale);
  const rows = [...new Set(cpus)];
  const yOf = (cpu: number) => rows.indexOf(cpu) * ROW + 8;
  const drawnSpans: string[] = [];
  const times: [x: number, at: number][] = [];
  let last: number | null = null;
  for (const one of placed) {
    const { span, x, wide } = one;
    if (span.cpu === null) {
      drawnSpans.push(waitLine(one, yOf(last ?? rows[0]!), lengthOf(span) > most));
      continue;
    }
    const y = yOf(span.cpu);
    if (last !== span.cpu) times.push([x, span.startUs]);
    if (last !== null && last !== span.cpu) {
      const [from, to] = [yOf(last) + HIGH / 2, y + (y > yOf(last) ? 0 : HIGH)];
      drawnSpans.push(`<line class="hand-over" x1="${round(x)}" x2="${round(x)}" y1="${from}" y2="${to}"/>`);
    }
    drawnSpans.push(
      `<g>${tip(span)}<rect class="c-${span.class}${span.kind === 'around' ? ' around' : ''}" x="${round(x)}" y="${y}" width="${round(Math.max(0.6, wide))}" height="${HIGH}"/></g>`,
    );
    last = span.cpu;
  }
  const end = placed.at(-1)!;
  times.push([end.x + end.wide, latencyUs]);
  const foot = rows.length * ROW + 4;
  const lanes = rows.map((cpu) => {
    const y = yOf(cpu) + HIGH / 2;
    return `<line class="lane" x1="${LEFT}" x2="${WIDTH}" y1="${y}" y2="${y}"/><text x="${LEFT - 6}" y="${y + 4}" text-anchor="end">CPU ${cpu}</text>`;
  });
  const label = `Timeline of a packet over ${rows.length} CPU${rows.length === 1 ? '' : 's'}, ${us(latencyUs)} microseconds.`;
  const body = [...lanes, ...drawnSpans, names(placed, yOf), axis(times, foot + 14)];
  return `<div class="scroll" tabindex="0" role="region" aria-label="Way of a packet">${svg(WIDTH, foot + 20, label, body.join(''), 'way')}</div>`;
}

function steps({ spans }: PacketPath): string {
  const rows = spans.map((span): Cell[] => [
    number(span.startUs, us),
    number(lengthOf(span), us),
    span.cpu === null ? { ...text('-'), number: true, sort: -1 } : number(span.cpu, String),
    text(span.kind === 'wait' ? 'waits' : span.kind === 'around' ? 'to get at it' : 'work'),
    text(nameOf(span)),
    text(span.class === null ? '' : classWord(span.class)),
  ]);
  const headings = [
    { title: 'from', hint: 'microseconds since it began' },
    { title: 'µs' },
    { title: 'CPU' },
    { title: 'kind' },
    { title: 'step' },
    { title: 'class' },
  ];
  return `<details><summary>All ${rows.length} steps</summary>${table('Steps of the packet', headings, rows)}</details>`;
}

/** The timeline with its words and its table. `units`: microseconds that the whole width is worth. */
export function packetPath(path: PacketPath, title: string, units: number): string {
  const scale = (WIDTH - LEFT) / Math.max(units, 1e-9);
  return `<figure class="packet"><figcaption>${title}: ${escapeHtml(pathSentence(path))}</figcaption>${picture(path, scale)}${steps(path)}</figure>`;
}
