/**
 * The history of a forwarder as one document: columns of one-second figures.
 *
 * Promise: plain data; every list of figures has as many entries as `rows.at`, oldest first; figures are what was counted
 * in that row, `inFlight` and `backlogHighWater` what was there. Who asks again gives `next` as `since` and gets only what
 * is new. Main thread; for the largest forwarders it takes some tens of milliseconds.
 */
import type { GuestOwner } from '../policy/owners.js';
import type { ObservedEvent } from './events.js';
import { type GUEST_FIELDS, GUESTS_MAX } from './guest-rates.js';
import type { PORT_FIELDS, QUEUE_FIELDS, Recorder, TOTAL_FIELDS, WORKER_FIELDS } from './recorder.js';
import { ROWS, type Series } from './series.js';

/** Columns of figures by their names. */
export type Columns<F extends string> = { readonly [field in F]: readonly number[] };

/** A guest, with its figures and what is known of it now. */
export type GuestHistory = Columns<(typeof GUEST_FIELDS)[number]> & {
  readonly mac: string;
  /** Worker that owns it under a MAC policy, and the port where it was learned; null where unknown. */
  readonly owner: number | null;
  readonly port: string | null;
  /** Workers that have sent to it. */
  readonly workers: number;
};

/** The answer to `GET /history`. */
export interface History {
  /** Rows that are kept at most, bytes that they take, guests that are told apart. */
  readonly kept: { readonly rows: number; readonly bytes: number; readonly guests: number };
  /** Ports and queues that there was no place for. */
  readonly leftOut: { readonly ports: number; readonly queues: number };
  /** When the forwarder started (milliseconds since 1970): another one's rows do not go on where these end. */
  readonly started: number;
  /** What to give as `since` the next time. */
  readonly next: number;
  readonly nextEvent: number;
  readonly rows: {
    /** Number of the first row; time of each (milliseconds since 1970), and milliseconds that it is about. */
    readonly first: number;
    readonly at: readonly number[];
    readonly ms: readonly number[];
  };
  readonly totals: Columns<(typeof TOTAL_FIELDS)[number]>;
  readonly dropped: Readonly<Record<string, readonly number[]>>;
  readonly workers: readonly ({ readonly id: number } & Columns<(typeof WORKER_FIELDS)[number]>)[];
  readonly ports: readonly ({ readonly name: string; readonly gone: boolean } & Columns<
    (typeof PORT_FIELDS)[number]
  >)[];
  readonly queues: readonly ({
    readonly port: string;
    readonly id: number;
    /** The worker that polls it now; null where the queue has gone. */
    readonly worker: number | null;
  } & Columns<(typeof QUEUE_FIELDS)[number]>)[];
  readonly guests: readonly GuestHistory[];
  readonly events: readonly ObservedEvent[];
}

export interface HistoryRange {
  /** The first row wanted; default: the oldest there is. */
  readonly since?: number;
  /** The first event wanted. */
  readonly sinceEvent?: number;
}

/** @param guests owners of guests, where the policy has owners */
export function historyOf(
  recorder: Recorder,
  owners: readonly GuestOwner[] | null,
  { since = 0, sinceEvent = 0 }: HistoryRange = {},
): History {
  const to = recorder.next - 1;
  const from = Math.max(0, since, recorder.next - ROWS);
  const columns = <F extends string>(series: Series<F>, place: number) =>
    Object.fromEntries(
      series.fields.map((field, i) => [field, series.column(place, i, from, to)]),
    ) as unknown as Columns<F>;
  const rows = Array.from({ length: Math.max(0, to - from + 1) }, (_, i) => (from + i) % ROWS);
  const events = recorder.events.since(sinceEvent);
  const polled = new Map<string, number>();
  const { plan } = recorder.engine;
  for (const port of recorder.engine.portSummaries()) {
    if (port.removed !== true)
      for (const { id, worker } of port.queues) polled.set(`${port.name}/${id}`, worker);
  }
  const ownerOf = new Map(owners?.map((owner) => [owner.mac, owner]));
  const present = <F extends string>(series: Series<F>) => [...series.present(Math.min(from, to))];
  return {
    kept: { rows: ROWS, bytes: recorder.bytes, guests: GUESTS_MAX },
    leftOut: recorder.leftOut,
    started: Math.round(performance.timeOrigin + recorder.engine.startedAt),
    next: recorder.next,
    nextEvent: (events.at(-1)?.id ?? sinceEvent - 1) + 1,
    rows: {
      first: from,
      at: rows.map((row) => recorder.at[row]!),
      ms: rows.map((row) => Math.round(recorder.ms[row]! * 10) / 10),
    },
    totals: columns(recorder.totals, recorder.totals.placeOf('all')),
    dropped: columns(recorder.drops, recorder.drops.placeOf('all')),
    workers: present(recorder.workers)
      .map(({ key, place }) => ({ id: Number(key), ...columns(recorder.workers, place) }))
      .sort((a, b) => a.id - b.id),
    ports: present(recorder.ports).map(({ key, place, last }) => ({
      name: key,
      gone: last < to,
      ...columns(recorder.ports, place),
    })),
    queues: present(recorder.queues).map(({ key, place }) => {
      const slash = key.lastIndexOf('/');
      return {
        port: key.slice(0, slash),
        id: Number(key.slice(slash + 1)),
        worker: polled.get(key) ?? null,
        ...columns(recorder.queues, place),
      };
    }),
    guests: recorder.guests.list().map((guest) => {
      const owner = ownerOf.get(guest.mac);
      return {
        mac: guest.mac,
        owner: owner?.worker ?? null,
        port: owner === undefined || owner.port === null ? null : (plan.ports[owner.port]?.name ?? null),
        workers: recorder.workersOf(guest),
        ...columns(recorder.guests.series, recorder.guests.series.placeOf(guest.mac)),
      };
    }),
    events,
  };
}
