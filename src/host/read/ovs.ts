/**
 * Open vSwitch's poll threads, from what `ovs-appctl dpif-netdev/pmd-rxq-show` prints.
 *
 * Promise: threads and their queues; where there is no user-space datapath there are none. Pure.
 *
 * Source: lib/dpif-netdev.c (2.5 to 3.x).
 */
import { type Fact, map } from '../fact.js';
import type { Source } from '../source/source.js';

/** A queue that a poll thread polls. */
export interface PmdQueue {
  readonly port: string;
  readonly queue: number;
  /** 0 … 100; null where it has not been measured. */
  readonly usage: number | null;
  readonly enabled: boolean;
}

/** A poll thread. */
export interface Pmd {
  readonly core: number;
  readonly node: number;
  readonly isolated: boolean;
  readonly queues: readonly PmdQueue[];
  /** Processing cycles, 0 … 100, as the thread's own statistics tell. */
  readonly busy: number | null;
}

export const PMD_QUEUES = 'ovs-appctl dpif-netdev/pmd-rxq-show';
export const PMD_STATISTICS = 'ovs-appctl dpif-netdev/pmd-stats-show';

/** The threads. */
export function readPmds(source: Source): Fact<Pmd[]> {
  const busy = map(source.answer(PMD_STATISTICS), busyByCore);
  return map(source.answer(PMD_QUEUES), (text) => parsePmds(text, 'unknown' in busy ? new Map() : busy));
}

function busyByCore(text: string): ReadonlyMap<number, number> {
  const found = new Map<number, number>();
  for (const part of text.split(/^(?=pmd thread)/m)) {
    const core = /^pmd thread numa_id \d+ core_id (\d+)/.exec(part)?.[1];
    const share = /processing cycles: \d+ \(([\d.]+)%\)/.exec(part)?.[1];
    if (core !== undefined && share !== undefined) found.set(Number(core), Number(share));
  }
  return found;
}

/** Reads the text. */
export function parsePmds(text: string, busy: ReadonlyMap<number, number> = new Map()): Pmd[] {
  return text.split(/^(?=pmd thread)/m).flatMap((part) => {
    const head = /^pmd thread numa_id (\d+) core_id (\d+):/.exec(part);
    if (head === null) return [];
    const core = Number(head[2]);
    const queues = [
      ...part.matchAll(
        /^\s*port:?\s*(\S+)\s+queue-id:?\s*([\d ]+?)\s*(?:\((enabled|disabled)\)\s*)?(?:pmd usage:\s*(?:(\d+)\s*%|NOT AVAIL))?\s*$/gm,
      ),
    ].flatMap(([, port, ids, state, usage]) =>
      ids!
        .trim()
        .split(/\s+/)
        .map((id) => ({
          port: port!,
          queue: Number(id),
          usage: usage === undefined ? null : Number(usage),
          enabled: state !== 'disabled',
        })),
    );
    return [
      {
        core,
        node: Number(head[1]),
        isolated: /^\s*isolated\s*:\s*true/m.test(part),
        queues,
        busy: busy.get(core) ?? null,
      },
    ];
  });
}
