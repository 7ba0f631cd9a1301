/**
 * What limits a scenario: found by running it again with twice as much of each suspect.
 *
 * Promise: nothing is guessed. Suspects are the busiest CPUs (by what they do: all of them together, and one alone), locks that
 * somebody waited for, queues that were full, links that were busy, and the clients. The one whose doubling gains most
 * is the limit, if it gains more than 3 %; of CPUs the fewest that gain as much.
 */
import { CLASSES } from '../machine/classes.js';
import type { Relaxed } from '../model/parts.js';
import type { Limit } from './result.js';
import { type Measured, type RunInput, run } from './run.js';
import { throughputOf } from './summary.js';

const FACTOR = 2;
/** Gain below which doubling something changed nothing. */
export const LEAST_GAIN = 0.03;
/** Share of the highest gain that counts as that gain. */
const AS_MUCH = 0.9;
/** Gain where there was nothing before. */
const ALL = 1e6;
/** CPUs as busy as the busiest, within this share, are one suspect together. */
const ALIKE = 0.05;

interface Suspect {
  readonly relaxed: Relaxed;
  readonly name: string;
  readonly utilisation: number;
}

const sum = (values: Float64Array) => values.reduce((a, b) => a + b, 0);

function suspects(measured: Measured): Suspect[] {
  const { cpus, window, locks, links, built } = measured;
  const found: Suspect[] = [];
  const loads = cpus.map((times, id) => ({ id, share: sum(times) / window, times }));
  loads.sort((a, b) => b.share - a.share || a.id - b.id);
  const [first] = loads;
  if (first !== undefined && first.share > 0.3) {
    const alike = loads.filter(({ share }) => share > first.share - ALIKE);
    const classes = new Map<string, number[]>();
    for (const { id, times } of alike) {
      const cls = mainClass(times);
      classes.set(cls, [...(classes.get(cls) ?? []), id]);
    }
    for (const [cls, ids] of classes) {
      found.push(cpuSuspect(ids, cpuNames(ids, cls), first.share));
      // Of many that do the same the busiest alone is tried, too.
      if (ids.length > 1) found.push(cpuSuspect([ids[0]!], `cpu${ids[0]} ${cls}`, first.share));
    }
    if (classes.size > 1) {
      const ids = alike.map(({ id }) => id);
      found.push(cpuSuspect(ids, cpuNames(ids, ''), first.share));
    }
  }
  const waited = locks.filter(({ name, waits }) => waits > 0 && !name.startsWith('peer '));
  waited.sort((a, b) => b.waited - a.waited);
  for (const { name, held } of waited.slice(0, 2)) {
    found.push({
      relaxed: { kind: 'lock', names: [name], factor: FACTOR },
      name,
      utilisation: held / window,
    });
  }
  const { droppedInWindow } = built.world.meter;
  const full: string[] = [];
  if ((droppedInWindow.ring ?? 0) > 0) for (const nic of built.side.nics.keys()) full.push(`${nic} ring`);
  if ((droppedInWindow.tap ?? 0) > 0) for (const guest of built.guests) full.push(`${guest.name} tap`);
  if ((droppedInWindow.guestRing ?? 0) > 0)
    for (const { queues } of built.guests) for (const { name } of queues) full.push(name);
  if (full.length > 0) {
    const name = full.length === 1 ? full[0]! : `${full[0]} and ${full.length - 1} more`;
    found.push({ relaxed: { kind: 'queue', names: full, factor: FACTOR }, name, utilisation: 1 });
  }
  for (const { name, busy } of links) {
    const share = busy / window;
    if (share < 0.5 || name.startsWith('peer ')) continue;
    const link = name.replace(/ (in|out)bound$/, ' link');
    found.push({ relaxed: { kind: 'link', names: [link], factor: FACTOR }, name, utilisation: share });
  }
  if (built.parts.scenario.load.some(({ kind }) => kind !== 'capture')) {
    found.push({ relaxed: { kind: 'clients', factor: FACTOR }, name: 'the clients', utilisation: 0 });
  }
  return found;
}

/** What a CPU does most. */
function mainClass(times: Float64Array): string {
  return CLASSES[times.indexOf(times.reduce((a, b) => Math.max(a, b), 0))]!;
}

/** `cpu0 softirq`, or `8 softirq CPUs (0-7)`. */
function cpuNames(ids: readonly number[], cls: string): string {
  if (ids.length === 1) return `cpu${ids[0]} ${cls}`;
  const list = listText([...ids].sort((a, b) => a - b));
  return `${ids.length}${cls === '' ? '' : ` ${cls}`} CPUs (${list})`;
}

function cpuSuspect(cpus: readonly number[], name: string, utilisation: number): Suspect {
  return { relaxed: { kind: 'cpu', cpus, factor: FACTOR }, name, utilisation };
}

function listText(ids: readonly number[]): string {
  const parts: string[] = [];
  for (let i = 0; i < ids.length; ) {
    let end = i;
    while (ids[end + 1] === ids[end]! + 1) end++;
    parts.push(end === i ? String(ids[i]) : `${ids[i]}-${ids[end]}`);
    i = end + 1;
  }
  return parts.join(',');
}

const WORDS: Record<Limit['kind'], (name: string) => string> = {
  cpu: (name) => `${name} twice as fast`,
  lock: (name) => `${name} held and handed over in half the time`,
  queue: (name) => `${name} twice as long`,
  link: (name) => `${name} twice as fast`,
  clients: () => 'twice the clients or the rate',
};

/** How the search is made. */
export interface LimitSearch {
  /** Share of the scenario's times that its runs take; default half. */
  readonly part?: number;
  /** Called before each run. */
  readonly onRun?: (what: string) => void;
}

/** Runs a scenario again with each suspect doubled. */
export function findLimit(input: RunInput, measured: Measured, search: LimitSearch = {}): Limit | null {
  const { part = 0.5, onRun } = search;
  onRun?.('half as long');
  const base = throughputOf(part === 1 ? measured : run({ ...input, part })).value;
  const tried = suspects(measured).map((suspect) => {
    onRun?.(`with twice ${suspect.name}`);
    const { value } = throughputOf(run({ ...input, part, relaxed: suspect.relaxed }));
    return { suspect, gain: base > 0 ? value / base - 1 : value > 0 ? ALL : 0 };
  });
  const most = tried.reduce((gain, one) => Math.max(gain, one.gain), 0);
  // What gains as much with fewer CPUs says more.
  const size = ({ suspect }: (typeof tried)[number]) => suspect.relaxed.cpus?.length ?? 1;
  const best = tried
    .filter(({ gain }) => gain > 0 && gain >= AS_MUCH * most)
    .reduce<(typeof tried)[number] | null>((a, b) => (a === null || size(b) < size(a) ? b : a), null);
  const list = tried.map(({ suspect, gain }) => ({ kind: suspect.relaxed.kind, name: suspect.name, gain }));
  if (best === null || best.gain < LEAST_GAIN) {
    // Doubling no single thing helps: several are the limit at once, or all.
    const busiest = suspects(measured)[0];
    if (busiest === undefined) return null;
    const why = `doubling none of ${list.length} suspects alone gains ${Math.round(LEAST_GAIN * 100)} %`;
    return {
      kind: busiest.relaxed.kind,
      name: busiest.name,
      utilisation: busiest.utilisation,
      why,
      tried: list,
    };
  }
  const { suspect, gain } = best;
  const more = gain === ALL ? 'some instead of none' : `${(100 * gain).toFixed(0)} % more`;
  const why = `${WORDS[suspect.relaxed.kind](suspect.name)}: ${more}`;
  return {
    kind: suspect.relaxed.kind,
    name: suspect.name,
    utilisation: suspect.utilisation,
    why,
    tried: list,
  };
}
