/**
 * What one worker holds of the ports: the receive queues that it polls, its senders, and the locks of transmit queues
 * that it shares. Follows the plan from one to the next.
 *
 * Promise: a receive queue has one poller at a time. The word of the queue (`EngineViews.pollers`) names it; the
 * holder gives it back (`release`) only when the caller has finished every frame that it received there, and the next
 * one takes it by compare-and-swap (`acquire`). A queue's cursor, sequence numbers and ledger slots lie in shared
 * memory, so the next poller goes on where the last one stopped.
 *
 * Memory order: giving the word back is a sequentially consistent store, taking it a compare-and-swap, so all plain
 * writes of the former poller are seen by the next. One object per worker thread.
 */

import { attachReceiver, attachSender, type ReceiveQueue } from '../ports/attach.js';
import type { AttachParts } from '../ports/attacher.js';
import type { Sender } from '../ports/port.js';
import { pollerOf } from '../shared/deal.js';
import { type EnginePlan, lockIndex } from '../shared/plan.js';
import type { PortInfo } from '../shared/port-info.js';
import type { Waker } from '../shared/waker.js';
import { WorkerWord } from '../shared/words.js';
import { PollList } from './poll-list.js';

/** What a queue may still give when its device has gone: the largest ring. */
const RETIRED_FRAMES = 1 << 18;

interface Held {
  readonly port: number;
  readonly generation: number;
  readonly queue: number;
  /** The port's epoch before `receiver` was opened. */
  readonly epoch: number;
  readonly receiver: ReceiveQueue | null;
}

export class WorkerPorts {
  /** Receive queues that are open. Replaced as a whole. */
  receivers: ReceiveQueue[] = [];
  /** Those of them that are to be asked. */
  readonly polled: PollList;
  /** By port; null = the port cannot send. The array stays, its elements are replaced. */
  readonly senders: (Sender | null)[];
  /** 1 for ports that take part in flooding. */
  readonly floods: Uint8Array;
  /** Copies a second that floods from each port may cost; 0 = no limit. */
  readonly floodRates: Float64Array;
  /** Lock of the transmit queue that this worker uses at each port; -1 = the queue is its own. */
  readonly lockOf: Int32Array;
  /** Complaints of sources and sinks that were closed meanwhile. */
  readonly complaints: string[] = [];
  /**
   * Called for a queue that is taken over from another worker, or (`own`) again after this one, or a dead predecessor of
   * it, before anything is received there.
   */
  takeOverQueue: (queue: number, own: boolean) => void = () => {};
  /** Called before a queue is given back. */
  leave: (queue: number) => void = () => {};
  private readonly held = new Map<number, Held>();
  private readonly generations: Int32Array;
  /** By port: its epoch before the sender was opened. */
  private readonly epochs: Int32Array;

  constructor(
    private readonly p: AttachParts,
    private readonly waker: Waker,
  ) {
    const { ports } = p.plan.room;
    this.polled = new PollList(p.native);
    this.senders = new Array<Sender | null>(ports).fill(null);
    this.floods = new Uint8Array(ports);
    this.floodRates = new Float64Array(ports);
    this.lockOf = new Int32Array(ports).fill(-1);
    this.generations = new Int32Array(ports).fill(-1);
    this.epochs = new Int32Array(ports);
  }

  /**
   * Gives back what is not this worker's under the plan, and brings the senders up to date.
   * @param span workers 0 … span - 1 may send: those that run, join or leave
   */
  release(plan: EnginePlan, span: number): void {
    const { p, held } = this;
    const { pollers } = p.views;
    p.plan = plan;
    for (const [global, { port, generation, queue, receiver }] of held) {
      const info = plan.ports[port];
      const same = info !== undefined && info.generation === generation && queue < info.rxQueues;
      if (same && pollerOf(plan, info, queue) === p.worker) continue;
      if (receiver !== null) this.closeReceiver(receiver);
      held.delete(global);
      this.leave(global);
      Atomics.store(pollers, global, -(p.worker + 1));
    }
    for (const port of plan.ports) {
      for (let q = 0; q < port.rxQueues; q++) {
        const next = pollerOf(plan, port, q);
        if (next === p.worker) continue;
        // Also what a dead predecessor held.
        Atomics.compareExchange(pollers, port.firstQueue + q, p.worker + 1, -(p.worker + 1));
        if (next >= 0) this.waker.wake(next);
      }
      if (this.generations[port.index] !== port.generation) this.replaceSender(port);
      this.share(port, span);
    }
    this.collect();
  }

  /**
   * A transmit queue that no other worker maps to needs no lock. Before a worker joins all others have been told a span
   * with it, and after one has left they are told the lower one, so that at no time one takes the lock and another one,
   * which sends to the same queue, does not.
   */
  private share({ index, txQueues, choosesQueue }: PortInfo, span: number): void {
    const { plan, worker } = this.p;
    if (choosesQueue === true) {
      this.lockChosen(index);
      return;
    }
    const queue = txQueues === 0 ? 0 : worker % txQueues;
    const workers = Math.max(span, worker + 1);
    const users = txQueues === 0 ? 0 : Math.ceil((workers - queue) / txQueues);
    this.lockOf[index] = users > 1 ? lockIndex(plan, index, queue) : -1;
  }

  /** Others may come to this queue, or leave it, at any time that they attach: it is locked always. */
  private lockChosen(index: number): void {
    const { txQueue } = this.senders[index] ?? {};
    this.lockOf[index] = txQueue === undefined ? -1 : lockIndex(this.p.plan, index, txQueue);
  }

  /** Opens the queues of this worker that nobody holds; true when it has all of its queues. */
  acquire(): boolean {
    let complete = true;
    let opened = false;
    for (const port of this.p.plan.ports) {
      for (let q = 0; q < port.rxQueues; q++) {
        if (pollerOf(this.p.plan, port, q) !== this.p.worker || this.held.has(port.firstQueue + q)) continue;
        if (this.take(port.firstQueue + q)) {
          this.open(port, q);
          opened = true;
        } else complete = false;
      }
    }
    if (opened) this.collect();
    return complete;
  }

  /** True when a queue that this worker waits for was given back: the check before sleeping. */
  canAcquire(): boolean {
    const { plan, worker, views } = this.p;
    return plan.ports.some((port) => {
      for (let q = 0; q < port.rxQueues; q++) {
        if (pollerOf(plan, port, q) !== worker || this.held.has(port.firstQueue + q)) continue;
        if (Atomics.load(views.pollers, port.firstQueue + q) <= 0) return true;
      }
      return false;
    });
  }

  /**
   * Descriptors were replaced: opens anew what is of those ports. Everything else stays as it is: mapping a receive ring
   * takes half a millisecond, and another port's frames must not wait for an interface that comes or goes. A queue that
   * has frames still gives them first (`settle`). True when nothing is held of descriptors that were replaced.
   */
  reattach(): boolean {
    const { plan } = this.p;
    for (const { port, epoch, receiver } of this.held.values()) {
      if (receiver !== null && this.epochOf(port) !== epoch) this.polled.retire(receiver, RETIRED_FRAMES);
    }
    for (const port of plan.ports) {
      if (this.epochOf(port.index) !== this.epochs[port.index]) this.replaceSender(port);
    }
    return this.settle();
  }

  /** Opens anew the queues of changed ports that have nothing more to give. True when those are all. */
  settle(): boolean {
    let changed = false;
    let complete = true;
    for (const [global, { port, epoch, queue, receiver }] of [...this.held]) {
      if (this.epochOf(port) === epoch) continue;
      if (receiver !== null && receiver.left > 0) {
        complete = false;
        continue;
      }
      if (receiver !== null) this.closeReceiver(receiver);
      this.held.delete(global);
      this.open(this.p.plan.ports[port]!, queue);
      changed = true;
    }
    if (changed) this.collect();
    return complete;
  }

  /** Read before descriptors are: should they be replaced meanwhile, they differ at the next look. */
  private epochOf(port: number): number {
    return Atomics.load(this.p.views.portEpochs, port);
  }

  close(): void {
    for (const { receiver } of this.held.values()) if (receiver !== null) this.closeReceiver(receiver);
    this.held.clear();
    this.receivers = [];
    this.polled.close();
    for (const sender of this.senders) this.closeSender(sender);
    this.senders.fill(null);
  }

  private take(global: number): boolean {
    const { views, worker } = this.p;
    const me = worker + 1;
    const before = Atomics.load(views.pollers, global);
    if (before > 0 && before !== me) return false;
    if (Atomics.compareExchange(views.pollers, global, before, me) !== before) return false;
    if (before !== 0) this.takeOverQueue(global, before === me || before === -me);
    return true;
  }

  private open(port: PortInfo, q: number): void {
    const { index, generation } = port;
    const epoch = this.epochOf(index);
    const receiver = attachReceiver(this.p, port, q);
    this.held.set(port.firstQueue + q, { port: index, generation, queue: q, epoch, receiver });
    if (!port.finite) return;
    Atomics.store(this.p.views.workers[this.p.worker]!, WorkerWord.sourcesDone, 0);
  }

  private replaceSender(port: PortInfo): void {
    const { index } = port;
    this.closeSender(this.senders[index]!);
    this.epochs[index] = this.epochOf(index);
    this.senders[index] = attachSender(this.p, port);
    this.generations[index] = port.generation;
    this.floods[index] = this.senders[index] === null || port.removed ? 0 : 1;
    this.floodRates[index] = port.removed ? 0 : (port.flood ?? 0);
    if (port.choosesQueue === true) this.lockChosen(index);
  }

  private collect(): void {
    this.receivers = [...this.held.values()].flatMap(({ receiver }) => (receiver === null ? [] : [receiver]));
    this.polled.adopt(this.receivers);
  }

  private closeReceiver(queue: ReceiveQueue): void {
    this.complain(queue.receiver.warning?.());
    queue.receiver.close();
  }

  private closeSender(sender: Sender | null): void {
    this.complain(sender?.problem?.());
    sender?.close();
  }

  private complain(line: string | null | undefined): void {
    if (line !== null && line !== undefined) this.complaints.push(line);
  }
}
