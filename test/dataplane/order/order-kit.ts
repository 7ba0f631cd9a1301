/** The ledger's two sides on memory of their own, with rings whose consumers the test plays. */

import { allocateShared, Carver, LINE_WORDS } from '#rxsteer/dataplane/memory/layout.js';
import { Progress } from '#rxsteer/dataplane/memory/progress.js';
import { State } from '#rxsteer/dataplane/memory/ring.js';
import { carveLedger, Owner, QUEUE_SLOTS, Slot } from '#rxsteer/dataplane/order/flow-slot.js';
import { GuestTable } from '#rxsteer/dataplane/order/guest-sharing.js';
import { carveHistory, OrderHistory } from '#rxsteer/dataplane/order/history.js';
import { Ledger } from '#rxsteer/dataplane/order/ledger.js';
import { classBase, OrderCounter, OrderMeter } from '#rxsteer/dataplane/order/meter.js';
import { Batch } from '#rxsteer/forward/batch.js';
import { Kind } from '#rxsteer/packet/burst.js';
import { makeRing } from '../memory/shared-kit.js';

export const UDP = Kind.ipv4 | Kind.addresses | Kind.ports | (17 << Kind.protocolShift);

export interface OrderKit {
  readonly ledger: Ledger;
  readonly progress: Progress;
  /** Worker `w` has finished its first `count` frames. */
  done(w: number, count: number): void;
  /** Worker `w` has finished all that it was sent. */
  doneAll(w: number): void;
  /** `n` frames of other flows come and end, `at` being the number of the first. On worker `w`. */
  pass(w: number, at: number, n: number, queue?: number): void;
  /** Frame `seq` of `flow` goes to `worker`: what it carries, or `UNWATCHED`. */
  send(flow: number, seq: number, worker?: number, queue?: number): number;
  /** It finishes; true when it was reordered. `how`: dropped frames do not arrive. */
  finish(word: number, seq: number, how?: 'sent' | 'dropped'): boolean;
  /** Figures of the class of `UDP`. */
  figures(): Record<keyof typeof OrderCounter, number>;
  /** Touched guests. */
  readonly touch: Int32Array;
}

/** The most that `pass` lets by between two bursts. */
const STEP = 1 << 27;

/** @param start where positions of rings begin */
export function orderKit({ workers = 4, queues = 1, start = 0, completions = 0 } = {}): OrderKit {
  const rings = Array.from({ length: workers }, () => makeRing(2, start));
  const progress = new Progress(rings, 0, workers);
  const shared = <T>(carve: (c: Carver) => T): T => carve(new Carver(allocateShared(carve)));
  const memory = shared((c) => carveLedger(c, queues));
  const histories = shared((c) => carveHistory(c, queues));
  // The second word of each counts its completions.
  for (let h = 0; h < 64; h++) histories[(h * histories.length) / (64 * queues) + 1] = completions;
  const history = new OrderHistory(histories, QUEUE_SLOTS);
  const ledger = new Ledger(memory, progress, history);
  const counters = new Float64Array(64);
  const touch = new Int32Array(2 + 2 * 8192);
  const meter = new OrderMeter(memory.finished, history, counters, new GuestTable(touch));
  const tails = new Int32Array(workers).fill(start);
  const batch = new Batch();
  const none = new Int32Array(256);
  const one = new Int32Array(256).fill(1);
  const done = (w: number, position: number) => Atomics.store(rings[w]!.index, 2 * LINE_WORDS, position | 0);
  const give = (w: number, n: number) => {
    tails[w] = (tails[w]! + n) | 0;
    const { area, state } = rings[w]!;
    area[state + State.position] = tails[w]!;
  };
  return {
    ledger,
    progress,
    touch,
    done: (w, count) => void done(w, start + count),
    doneAll: (w) => void done(w, tails[w]!),
    pass(w, at, n, queue = 0) {
      for (let passed = 0; passed < n; passed += STEP) {
        const step = Math.min(STEP, n - passed);
        ledger.begin(queue, (at + passed) | 0, step);
        give(w, step);
        done(w, tails[w]!);
      }
    },
    send(flow, seq, worker = 0, queue = 0) {
      ledger.begin(queue, seq, 1);
      const s = ledger.slotFor(flow, UDP, queue, seq);
      ledger.refresh(s, queue);
      const word = ledger.carried(s);
      if ((ledger.slots[s + Slot.owner]! & Owner.worker) !== worker + 1) ledger.move(s, worker);
      give(worker, 1);
      ledger.note(s, seq, tails[worker]!);
      return word < 0 ? word : ledger.slots[s + Slot.word]!;
    },
    finish(word, seq, how = 'sent') {
      batch.n = 0;
      batch.add({ ledger: word, seq });
      return meter.commit(batch, how === 'sent' ? one : none, 1) === 1;
    },
    figures() {
      const base = classBase(2);
      return Object.fromEntries(
        Object.entries(OrderCounter).map(([name, at]) => [name, counters[base + at]]),
      ) as Record<keyof typeof OrderCounter, number>;
    },
  };
}
