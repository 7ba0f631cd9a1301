/**
 * Histories that were asked for one after the other, put together: what a screen or a page keeps.
 *
 * Promise: pure; the result has the rows of both, the oldest are left out beyond what the forwarder keeps; things that only
 * one of them knows have zeros in the rows of the other. A forwarder that was started anew begins anew.
 */
import type { History } from './history.js';

type Thing = Readonly<Record<string, unknown>>;

/** @param later was asked for with `next` and `nextEvent` of `earlier` */
export function mergeHistory(earlier: History, later: History): History {
  const before = earlier.rows.at.length;
  const { length } = later.rows.at;
  if (later.started !== earlier.started || later.rows.first !== earlier.next) return later;
  const most = later.kept.rows;
  const drop = Math.max(0, before + length - most);
  const joined = (a: readonly number[] | undefined, b: readonly number[] | undefined) => [
    ...(a ?? new Array<number>(before).fill(0)).slice(drop),
    ...(b ?? new Array<number>(length).fill(0)),
  ];
  const columns = <T extends Thing>(a: T | undefined, b: T | undefined): T => {
    const known = b ?? a!;
    return Object.fromEntries(
      Object.entries(known).map(([key, value]) => {
        if (!Array.isArray(value)) return [key, value];
        return [key, joined(a?.[key] as number[] | undefined, b?.[key] as number[] | undefined)];
      }),
    ) as T;
  };
  const things = <T extends Thing>(a: readonly T[], b: readonly T[], key: (thing: T) => unknown): T[] => {
    const old = new Map(a.map((thing) => [key(thing), thing]));
    const now = new Set(b.map(key));
    const gone = a.filter((thing) => !now.has(key(thing))).map((thing) => columns(thing, undefined));
    const isEmpty = (thing: Thing) =>
      Object.values(thing).every((value) => !Array.isArray(value) || value.every((n) => n === 0));
    return [
      ...b.map((thing) => columns(old.get(key(thing)), thing)),
      ...gone.filter((thing) => !isEmpty(thing)),
    ];
  };
  return {
    ...later,
    rows: {
      first: earlier.rows.first + drop,
      at: joined(earlier.rows.at, later.rows.at),
      ms: joined(earlier.rows.ms, later.rows.ms),
    },
    totals: columns(earlier.totals, later.totals),
    dropped: columns(earlier.dropped, later.dropped),
    workers: things(earlier.workers, later.workers, ({ id }) => id),
    ports: things(earlier.ports, later.ports, ({ name }) => name),
    queues: things(earlier.queues, later.queues, ({ port, id }) => `${port}/${id}`),
    guests: things(earlier.guests, later.guests, ({ mac }) => mac),
    events: [...earlier.events, ...later.events].slice(-256),
  };
}
