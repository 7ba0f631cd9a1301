/**
 * What a forwarder says, asked once a second for however many pages look.
 *
 * Promise: nobody looks, nobody asks. A page begins with everything and gets what is new from then on; one that reads
 * slowly misses seconds and is given everything again, so nothing piles up for it. A forwarder that does not answer is
 * said to be gone, and asked again.
 */
import type { ServerResponse } from 'node:http';
import { ask } from '../control/client.js';
import type { PolicyState, Status } from '../control/controller.js';
import type { Summary } from '../dataplane/engine/summary.js';
import type { History } from '../observe/history.js';

const EVERY_MS = 1000;
/** Bytes that may wait for a page. */
const WAITING_MAX = 1 << 20;

/** What a page is told. */
export interface Told {
  readonly status: Status & { readonly allowApply?: boolean };
  readonly stats: Summary;
  readonly policy: PolicyState;
  /** All of it, or what is new. */
  readonly history: History;
}

interface Page {
  readonly response: ServerResponse;
  /** Number of the next row that it needs; 0: all. */
  next: number;
  nextEvent: number;
}

export class Feed {
  private readonly pages = new Set<Page>();
  private timer: NodeJS.Timeout | null = null;
  private asking = false;

  constructor(private readonly socket: string) {}

  get watching(): number {
    return this.pages.size;
  }

  /** A page looks, until its connection ends. */
  add(response: ServerResponse): void {
    const page: Page = { response, next: 0, nextEvent: 0 };
    this.pages.add(page);
    const end = () => {
      this.pages.delete(page);
      if (this.pages.size === 0) this.rest();
    };
    response.once('close', end).on('error', end);
    this.timer ??= setInterval(() => void this.turn(), EVERY_MS);
    void this.turn();
  }

  close(): void {
    this.rest();
    for (const { response } of this.pages) response.destroy();
    this.pages.clear();
  }

  private rest(): void {
    if (this.timer !== null) clearInterval(this.timer);
    this.timer = null;
  }

  private async turn(): Promise<void> {
    // A forwarder that takes long to answer is not asked twice.
    if (this.asking) return;
    this.asking = true;
    try {
      const pages = [...this.pages].filter(({ response }) => response.writableLength < WAITING_MAX);
      for (const page of this.pages) if (!pages.includes(page)) page.next = page.nextEvent = 0;
      if (pages.length === 0) return;
      const [status, stats, policy] = await Promise.all([
        ask<Told['status']>(this.socket, 'GET', '/status'),
        ask<Summary>(this.socket, 'GET', '/stats'),
        ask<PolicyState>(this.socket, 'GET', '/policy'),
      ]);
      const histories = new Map<string, Promise<History>>();
      for (const page of pages) {
        const query = `/history?since=${page.next}&events=${page.nextEvent}`;
        const history = histories.get(query) ?? ask<History>(this.socket, 'GET', query);
        histories.set(query, history);
        const later = await history;
        // The forwarder was started anew: its rows begin again.
        const isAnew = later.next < page.next;
        page.next = isAnew ? 0 : later.next;
        page.nextEvent = isAnew ? 0 : later.nextEvent;
        if (!isAnew) send(page.response, 'told', { status, stats, policy, history: later });
      }
    } catch (error) {
      for (const { response } of this.pages) send(response, 'gone', { error: (error as Error).message });
    } finally {
      this.asking = false;
    }
  }
}

/** One server-sent event. */
function send(response: ServerResponse, event: string, data: unknown): void {
  if (!response.destroyed) response.write(`event: ${event}\ndata: ${JSON.stringify(data)}\n\n`);
}
