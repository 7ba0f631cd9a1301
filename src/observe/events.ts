/**
 * What was done to a running forwarder, with the time: changes, plans, deaths of workers.
 *
 * Promise: the last `EVENTS_MAX` are kept; times are milliseconds since 1970.
 */
export const EVENTS_MAX = 256;

/** One mark on the time axis. */
export interface ObservedEvent {
  /** Counts from 0; gaps never. */
  readonly id: number;
  readonly at: number;
  /** `plan`, `apply`, `rollback`, `owner`, `worker`, `port`, `rebalance`, `died`. */
  readonly kind: string;
  /** What it came to, in one line. */
  readonly text: string;
  /** How long it took; null where it has no duration. */
  readonly durationMs: number | null;
}

export class EventLog {
  private readonly events: ObservedEvent[] = [];
  private next = 0;

  add(kind: string, text: string, durationMs: number | null = null): void {
    this.events.push({ id: this.next++, at: Date.now(), kind, text, durationMs });
    if (this.events.length > EVENTS_MAX) this.events.shift();
  }

  /** Those from this id on. */
  since(id: number): ObservedEvent[] {
    return this.events.filter((event) => event.id >= id);
  }
}
