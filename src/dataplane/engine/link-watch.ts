/**
 * Watches the links of live ports: state, carrier, receive rings that the kernel gave up, descriptors that are replaced.
 *
 * Promise: `look` never throws. It asks the kernel about a link only when netlink or a poller told of a change, while a
 * device is gone, and every two seconds (a change that nobody tells of, an event that was lost). What netlink tells is
 * looked at when it comes, but no more often than leaves the main thread three quarters of its time. When a device's
 * descriptors are replaced workers are told by `Global.portsEpoch`, and the old ones are closed once every worker has
 * attached to the new ones. Main thread only.
 *
 * A receive ring that the kernel has given up is replaced here, not by its poller: the kernel takes tens of milliseconds
 * (RCU), for which a poller's other ports would stand still. A port that keeps losing its ring waits longer each time.
 */

import { type Native, type NativeLinkEvents, RING_DEAD } from '../../addon/native.js';
import { type LivePort, NO_DESCRIPTORS, type OldDescriptors } from '../ports/live-port.js';
import { PortCounter, portBase } from '../shared/counters.js';
import { Global, WorkerWord } from '../shared/words.js';
import type { EngineCore } from './core.js';
import type { Guard } from './guarded.js';
import { PORT_WARNINGS } from './port-warnings.js';

/** Interval of looking at links that nothing was heard of. */
const UNASKED_MS = 2000;
/** A port's ring is replaced again after this time at least; doubled each time up to the most, halved by as long a rest. */
const REPLACE_LEAST_MS = 500;
const REPLACE_MOST_MS = 16_000;

/** What netlink tells is looked at so long after the last look at least, and after so many times what that took. */
const REST_LEAST_MS = 2;
const REST_SHARE = 3;
/** Interval of looking whether all workers have followed a port that told of a change itself. */
const HURRY_MS = 2;

/** When a port's ring may be replaced again, and the wait after that. */
interface Patience {
  notBefore: number;
  waitMs: number;
}

export class LinkWatch {
  /** What tells of changes; null = not open (yet). */
  private events: NativeLinkEvents | null = null;
  private everywhere = false;
  private lookedAt = Number.NEGATIVE_INFINITY;
  private tookMs = 0;
  /** Timer of a look because of what was heard. */
  private told: NodeJS.Timeout | null = null;
  private resting = false;
  /** Timer while workers follow a port that told of a change itself. */
  private hurrying: NodeJS.Timeout | null = null;
  /** What each port was last warned of, by kind: a number of frames. */
  private readonly warned = new WeakMap<LivePort, Map<string, number>>();
  private readonly patience = new WeakMap<LivePort, Patience>();
  /** What pollers said at the last look, by receive queue. */
  private readonly errors = new Map<number, number>();
  /** Ports whose last look failed, and why. */
  private readonly blind = new Map<number, string>();
  /** What is done once all workers have attached to an epoch's descriptors: the old ones closed, the port told. */
  private closing: { port: LivePort; old: OldDescriptors; epoch: number }[] = [];

  constructor(
    private readonly core: EngineCore,
    /** Under which looks run that nobody called for. */
    private readonly guard: Guard,
  ) {}

  /** To be called every 100 ms or so, or less often while not `restless`. */
  look(): void {
    const { core } = this;
    const { live } = core.ports;
    if (live.size === 0 || this.resting) return;
    for (const [index, port] of live) this.noteRefused(index, port);
    const told = this.pollersTold();
    this.mendRings();
    const began = performance.now();
    // Before anything is asked: what is counted here left before whatever is heard of next.
    const sent = new Map([...live.keys()].map((index) => [index, this.sent(index)]));
    if (!this.due() && !told) {
      if (this.events?.queues === true)
        for (const [index, port] of live) port.assure(sent.get(index)!, began);
      return;
    }
    for (const [index, port] of live) {
      const { change, old } = this.check(index, port);
      if (change === 'descriptors') this.replaced(index, port, old);
      if (port.leftNamespace) this.listenEverywhere();
      port.assure(sent.get(index)!, began);
      port.tellSenders(() => this.sent(index));
    }
    if (core.plan.mode === 'wire') {
      const [a, b] = [live.get(0), live.get(1)];
      if (a !== undefined && b !== undefined) {
        a.showCarrier(b.carrier);
        b.showCarrier(a.carrier);
      }
    }
    this.lookedAt = performance.now();
    this.tookMs = this.lookedAt - began;
    this.settle();
  }

  /** A port that is open gets to know its engine: before workers attach to it. @throws UserError */
  follow(index: number): void {
    const port = this.core.ports.live.get(index);
    const changed = () => this.guard.run(`port ${port?.spec.name}`, () => this.changed(index, port));
    const { lentSlots: lent, views, compiled: steering } = this.core;
    port?.follow({ changed, frames: views.pool.bytes, lent, steering });
  }

  private changed(index: number, port: LivePort | undefined): void {
    if (this.resting || port === undefined || this.core.ports.live.get(index) !== port) return;
    const { change, old } = this.check(index, port);
    if (change === 'descriptors') this.replaced(index, port, old);
    port.tellSenders(() => this.sent(index));
    this.hurry();
  }

  /** What waits for the workers waits no longer than they need: a guest may wait for it. */
  private hurry(): void {
    if (this.hurrying !== null) clearTimeout(this.hurrying);
    this.hurrying = null;
    this.settle();
    if (this.closing.length === 0 || this.resting) return;
    const again = () => this.guard.run('ports that changed', () => this.hurry());
    this.hurrying = setTimeout(again, HURRY_MS).unref();
  }

  /** Lets go of what was replaced, as far as all workers have attached to what came for it. */
  private settle(): void {
    const { core } = this;
    const hosted = core.hosted.map((w) => core.views.workers[w]!);
    this.closing = this.closing.filter(({ port, old, epoch }) => {
      if (hosted.some((words) => ((Atomics.load(words, WorkerWord.epochSeen) - epoch) | 0) < 0)) return true;
      port.closeOld(old);
      port.attached();
      return false;
    });
  }

  /** Frames that workers have sent to a port. */
  private sent(index: number): number {
    const at = portBase(index) + PortCounter.txPackets;
    return this.core.views.counters.port.reduce((sum, counters) => sum + counters[at]!, 0);
  }

  /** Something was heard: at once, or after a rest. */
  private hear(): void {
    if (this.told !== null || this.resting) return;
    const rest = Math.max(REST_LEAST_MS, REST_SHARE * this.tookMs);
    const wait = this.lookedAt + rest - performance.now();
    const look = () => {
      this.told = null;
      if (!this.resting) this.guard.run('links', () => this.look());
    };
    if (wait <= 0) look();
    else this.told = setTimeout(look, wait).unref();
  }

  /** Something waits for the next look: a device that is gone, descriptors that workers still use. */
  get restless(): boolean {
    if (this.closing.length > 0 || this.blind.size > 0) return true;
    for (const { state } of this.core.ports.live.values()) if (state === 'gone') return true;
    return false;
  }

  private due(): boolean {
    const now = performance.now();
    // Drained first: what changes while the ports are looked at is heard of the next time.
    const heard = this.heard(this.core.ports.native);
    return heard || this.restless || now - this.lookedAt >= UNASKED_MS;
  }

  /** Without a socket (no descriptor left) everything is looked at every time. */
  private heard(native: Native | null): boolean {
    // Without the addon there is no port of an interface.
    if (native === null) return false;
    try {
      if (this.events !== null) return this.events.take();
      this.events = new native.LinkEvents(() => this.hear());
    } catch {
      // Tried again.
    }
    return true;
  }

  /** Where a port's device is in another namespace: it is looked at every two seconds where this is not permitted. */
  private listenEverywhere(): void {
    if (this.everywhere || this.events === null) return;
    this.everywhere = true;
    this.events.everywhere();
  }

  /** Looks no more by itself: the engine stops. */
  rest(): void {
    this.resting = true;
    for (const timer of [this.told, this.hurrying]) if (timer !== null) clearTimeout(timer);
    this.events?.close();
    this.events = null;
  }

  /** Closes what is left. When no worker runs any more. */
  close(): void {
    this.rest();
    this.finish();
  }

  /** Closes descriptors that were replaced: no worker runs any more. */
  finish(): void {
    for (const { port, old } of this.closing.splice(0)) port.closeOld(old);
  }

  /** A look at a link must not end the run: what fails (no descriptor left, netlink overrun) is tried again. */
  private check(index: number, port: LivePort): ReturnType<LivePort['check']> {
    try {
      const result = port.check();
      this.blind.delete(index);
      return result;
    } catch (error) {
      const { message } = error as Error;
      if (this.blind.get(index) !== message) this.core.warn(`port ${port.spec.name}: ${message}`);
      this.blind.set(index, message);
      return { change: 'none', old: NO_DESCRIPTORS };
    }
  }

  /** Workers are to attach to a port's new descriptors; the old ones are closed when all have. */
  private replaced(index: number, port: LivePort, old: OldDescriptors): void {
    const { views } = this.core;
    port.publish();
    Atomics.add(views.portEpochs, index, 1);
    const epoch = Atomics.add(views.global, Global.portsEpoch, 1) + 1;
    this.closing.push({ port, old, epoch });
    this.core.wakeAll();
  }

  /** True when a poller met a device that is down or gone since the last look. */
  private pollersTold(): boolean {
    let told = false;
    for (const [queue, error] of this.queueErrors()) {
      if (error !== 0 && error !== RING_DEAD && this.errors.get(queue) !== error) told = true;
      this.errors.set(queue, error);
    }
    return told;
  }

  private *queueErrors(): Generator<[queue: number, error: number, port: LivePort, q: number]> {
    const { plan, ports, views } = this.core;
    for (const [index, port] of ports.live) {
      const info = plan.ports[index];
      if (info === undefined || info.removed) continue;
      for (let q = 0; q < info.rxQueues; q++) {
        yield [info.firstQueue + q, views.queueErrors[info.firstQueue + q]!, port, q];
      }
    }
  }

  /** Replaces receive sockets whose pollers said that their ring is dead. */
  private mendRings(): void {
    for (const [queue, error, port, q] of [...this.queueErrors()]) {
      if (error !== RING_DEAD || !this.mayReplace(port)) continue;
      try {
        const old = port.replaceReceive(q);
        if (old.others.length === 0) continue;
        this.core.views.queueErrors[queue] = 0;
        for (const [index, live] of this.core.ports.live) if (live === port) this.replaced(index, port, old);
      } catch (error) {
        this.core.warn(`port ${port.spec.name}: its receive ring is dead: ${(error as Error).message}`);
      }
    }
  }

  private mayReplace(port: LivePort): boolean {
    const now = performance.now();
    const patience = this.patience.get(port) ?? { notBefore: now, waitMs: REPLACE_LEAST_MS };
    if (now < patience.notBefore) return false;
    const rested = now - patience.notBefore > patience.waitMs;
    const waitMs = rested ? Math.max(REPLACE_LEAST_MS, patience.waitMs / 2) : patience.waitMs;
    this.patience.set(port, { notBefore: now + waitMs, waitMs: Math.min(REPLACE_MOST_MS, 2 * waitMs) });
    return true;
  }

  /** Warns of the first frame of each kind that a port may not have, the tenth, the hundredth … */
  private noteRefused(index: number, port: LivePort): void {
    const { name } = port.spec;
    const { views, baselines } = this.core;
    const at = portBase(index);
    const before = baselines.get(index);
    for (const { kind, counter, of, text } of PORT_WARNINGS) {
      let count = before === undefined ? 0 : -of(before);
      for (const counters of views.counters.port) count += counters[at + counter]!;
      if (count > 0) this.note(port, kind, count, `port ${name}: ${text(port.device)}`);
    }
    for (const { kind, count, text } of port.counted()) {
      if (count > 0) this.note(port, kind, count, `port ${name}: ${text}`);
    }
  }

  private note(port: LivePort, kind: string, count: number, text: string): void {
    const warned = this.warned.get(port) ?? new Map<string, number>();
    if (count < Math.max(1, 10 * (warned.get(kind) ?? 0))) return;
    this.warned.set(port, warned.set(kind, count));
    this.core.warn(`${text} (${count} so far)`);
  }
}
