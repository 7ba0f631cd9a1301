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
import type { HeavyFlows } from '../control/flows.js';
import type { Summary } from '../dataplane/engine/summary.js';
import type { History } from '../observe/history.js';

const EVERY_MS = 1000;
/** Flows that are told, and the turns after which they are looked for again. */
const FLOWS_TOLD = 12;
const FLOWS_EVERY = 2;
/** Bytes that may wait for a page, and turns that it may take nothing of them. */
const WAITING_MAX = 1 << 20;
const STALLED_TURNS = 30;

/** What a page is told. */
export interface Told {
  readonly status: Status & { readonly allowApply?: boolean };
  readonly stats: Summary;
  readonly policy: PolicyState;
  /** The heaviest flows, as they were some turns ago at most. */
  readonly flows: HeavyFlows;
  /** All of it, or what is new. */
  readonly history: History;
}

interface Page {
  readonly response: ServerResponse;
  /** Number of the next row that it needs; 0: all. */
  next: number;
  nextEvent: number;
  /** The forwarder that these are of; 0: none yet. */
  started: number;
  /** Turns since it took something while something waited. */
  stalled: number;
}

export class Feed {
  private readonly pages = new Set<Page>();
  private timer: NodeJS.Timeout | null = null;
  private asking = false;
  private flows: HeavyFlows | null = null;
  private turns = 0;

  constructor(private readonly socket: string) {}

  get watching(): number {
    return this.pages.size;
  }

  /** A page looks, until its connection ends. */
  add(response: ServerResponse): void {
    const page: Page = { response, next: 0, nextEvent: 0, started: 0, stalled: 0 };
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
    const pages = this.listening();
    try {
      if (pages.length === 0) return;
      // A pass over all slots of the ledger, which nobody needs every second.
      if (this.flows === null || this.turns++ % FLOWS_EVERY === 0) {
        this.flows = await ask<HeavyFlows>(this.socket, 'GET', `/flows?n=${FLOWS_TOLD}`);
      }
      const { flows } = this;
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
        const isAnew = page.started !== 0 && later.started !== page.started;
        page.started = isAnew ? 0 : later.started;
        page.next = isAnew ? 0 : later.next;
        page.nextEvent = isAnew ? 0 : later.nextEvent;
        if (!isAnew) send(page.response, 'told', { status, stats, policy, flows, history: later });
      }
    } catch (error) {
      for (const { response } of pages) send(response, 'gone', { error: (error as Error).message });
    } finally {
      this.asking = false;
    }
  }

  /** Pages that take what they are sent; one that has not for long is not waited for: others want its place. */
  private listening(): Page[] {
    const pages: Page[] = [];
    for (const page of this.pages) {
      const { response } = page;
      page.stalled = response.writableLength === 0 ? 0 : page.stalled + 1;
      if (page.stalled > STALLED_TURNS) response.destroy();
      else if (response.writableLength < WAITING_MAX) pages.push(page);
      else page.next = page.nextEvent = 0;
    }
    return pages;
  }
}

/** One server-sent event. */
function send(response: ServerResponse, event: string, data: unknown): void {
  if (!response.destroyed) response.write(`event: ${event}\ndata: ${JSON.stringify(data)}\n\n`);
}
