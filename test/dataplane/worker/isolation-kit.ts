/**
 * One worker that receives and steers, others that take, finish, or stand still as the test says; no threads, no clock.
 * Frames are taken from the pool as a receive call takes them: where no slot of the class is left it stops there.
 */

import { planEngine } from '#rxsteer/dataplane/engine/plan.js';
import { RingProducer } from '#rxsteer/dataplane/memory/producer.js';
import { Progress } from '#rxsteer/dataplane/memory/progress.js';
import { RingConsumer } from '#rxsteer/dataplane/memory/ring.js';
import { QUEUE_SLOTS } from '#rxsteer/dataplane/order/flow-slot.js';
import { OrderHistory } from '#rxsteer/dataplane/order/history.js';
import { Ledger } from '#rxsteer/dataplane/order/ledger.js';
import { openPorts } from '#rxsteer/dataplane/ports/open.js';
import { DROP_REASONS, WorkerCounter } from '#rxsteer/dataplane/shared/counters.js';
import { allocateEngineMemory, attachEngine } from '#rxsteer/dataplane/shared/engine-memory.js';
import type { EnginePlan } from '#rxsteer/dataplane/shared/plan.js';
import { RxStage } from '#rxsteer/dataplane/worker/receive.js';
import type { RxStageParts } from '#rxsteer/dataplane/worker/rx-parts.js';
import { BATCH_MAX, Batch } from '#rxsteer/forward/batch.js';
import { ethernet, ipv4, udp } from '#rxsteer/packet/build.js';
import { Burst } from '#rxsteer/packet/burst.js';
import { engineOptions } from '../engine/run-engine.js';

/** A frame that is offered: one of the flows of a worker, its length, and where it is wanted (default: there). */
export interface Offer {
  readonly worker: number;
  readonly flow: number;
  readonly length: number;
  readonly wanted?: number;
}

/** What the command line's defaults make of so many workers. */
export async function defaultPlan(workers: number): Promise<EnginePlan> {
  const options = engineOptions({
    ports: ['a=memory:source', 'b=memory:sink'],
    workers,
    more: { smallFrames: 32_768, largeFrames: 1024, maxWorkers: workers, warn: () => {} },
  });
  const ports = await openPorts(options.ports, options);
  const plan = planEngine(options, ports);
  ports.close();
  return plan;
}

function headOf({ worker, flow }: Offer): Uint8Array {
  const ends = { src: '02:00:00:00:00:01', dst: '02:00:00:00:00:02' };
  const udpFrame = udp({ sport: 1 + worker * 64 + flow, dport: 9 });
  return ethernet(ends, ipv4({ src: '10.0.0.1', dst: '10.0.0.2' }, udpFrame));
}

export class Home {
  /** Frames that worker w finished. */
  readonly finished: number[];
  /** Frames that it has taken and not finished. */
  private readonly hands: number[];
  readonly views;
  private readonly rxStage: RxStage;
  private readonly producer: RingProducer;
  private readonly own: Batch;
  private readonly burst: Burst;
  private readonly consumers: RingConsumer[] = [];
  private readonly status = new Int32Array(16);
  private readonly heads = new Map<number, Uint8Array>();
  private offered: readonly Offer[] = [];

  constructor(readonly plan: EnginePlan) {
    const { workers } = plan;
    const none = new SharedArrayBuffer(8);
    const events = new Array<number>(workers).fill(-1);
    const views = attachEngine(plan, allocateEngineMemory(plan, { policy: none, switching: none, events }));
    this.views = views;
    this.burst = new Burst(views.pool.bytes);
    const progress = new Progress(views.rings, 0, workers);
    this.producer = new RingProducer(views.rings.slice(0, workers), 0, plan.backlog);
    this.own = new Batch(this.producer.ownBatch());
    const parts = {
      plan,
      views,
      worker: 0,
      burst: this.burst,
      status: this.status,
      steering: {
        spec: { stage: 'cpu' },
        steer: (b: Burst) => {
          for (let i = 0; i < b.n; i++) {
            const { worker, wanted = worker } = this.offered[i]!;
            b.worker[i] = wanted;
          }
        },
      },
      ledger: new Ledger(views.ledger, progress, new OrderHistory(views.orderHistory, QUEUE_SLOTS)),
      progress,
      census: { samples: () => false, enter() {} },
      trace: { armed: () => false },
      waker: { wake: () => false },
      fault: { reach() {} },
    };
    this.rxStage = new RxStage(parts as unknown as RxStageParts, this.own, this.producer);
    for (let w = 0; w < workers; w++) this.consumers.push(new RingConsumer(views.rings[w]!));
    this.finished = new Array<number>(workers).fill(0);
    this.hands = new Array<number>(workers).fill(0);
  }

  /** Offers a burst; returns how many of its frames were received. */
  receive(frames: readonly Offer[]): number {
    const { burst, status } = this;
    const { pool } = this.views;
    this.offered = frames;
    const receiver = {
      receive: () => {
        status.fill(0);
        let n = 0;
        for (const offer of frames) {
          const id = pool.take(0, offer.length);
          if (id < 0) {
            status[0] = 1;
            break;
          }
          const off = pool.offsetOf(id);
          pool.bytes.set(this.head(offer), off);
          burst.id[n] = id;
          burst.off[n] = off;
          burst.len[n] = offer.length;
          burst.flags[n] = 0;
          n++;
        }
        return n;
      },
    };
    const n = this.rxStage.receive({ port: 0, queue: 0, global: 0, finite: false, receiver } as never);
    this.processOwn();
    return n;
  }

  private head(offer: Offer): Uint8Array {
    const key = offer.worker * 64 + offer.flow;
    const head = this.heads.get(key) ?? headOf(offer);
    this.heads.set(key, head);
    return head;
  }

  private processOwn(): void {
    this.finished[0]! += this.own.n;
    this.producer.completeOwn();
    this.views.pool.reclaim(0);
    this.producer.rewind();
    this.own.n = 0;
  }

  /** Lets go of held frames whose time has come. */
  releaseDue(): void {
    this.rxStage.releaseDue(() => this.processOwn());
    this.processOwn();
  }

  /** Frames that are held for a move. */
  get holding(): number {
    return this.rxStage.holding();
  }

  /** Worker `w` takes and finishes what is in its ring. */
  run(w: number): void {
    const batch = new Batch();
    this.finish(w, this.hands[w]!);
    this.hands[w] = 0;
    for (;;) {
      const count = this.consumers[w]!.take(batch, BATCH_MAX);
      if (count === 0) return;
      this.finish(w, count);
      batch.n = 0;
    }
  }

  private finish(w: number, count: number): void {
    this.consumers[w]!.complete(count);
    this.finished[w]! += count;
  }

  /** Worker `w` takes what is in its ring, and stands still with that in its hands. */
  grab(w: number): void {
    if (this.hands[w] === 0) this.hands[w] = this.consumers[w]!.take(new Batch(), BATCH_MAX);
  }

  dropped(): Record<(typeof DROP_REASONS)[number], number> {
    const c = this.views.counters.worker[0]!;
    return Object.fromEntries(DROP_REASONS.map((name, i) => [name, c[WorkerCounter.dropped + i]!])) as never;
  }
}
