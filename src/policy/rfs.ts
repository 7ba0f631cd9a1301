/**
 * `rfs`: receive flow steering. A flow goes to the CPU on which its application was seen last; unknown flows go
 * where `rps` would send them.
 *
 * Promise: the decisions of the kernel's tables (see linux/rps.ts) for one receive queue each; the socket table is
 * shared by all workers (and lies in shared memory where it is given). `record` tells where an application runs; a
 * flow moves there only once its old CPU's backlog has passed the flow's last frame, if `attach` has told where the
 * backlogs' counters are. Without counters everything counts as drained.
 */
import { UserError } from '../errors.js';
import { hex32 } from '../hash/hex.js';
import { pow2up } from '../linux/arith.js';
import { onlineCpus, RpsQueue, RpsReason } from '../linux/rps.js';
import { DevFlowTable, RpsMap, SockFlowTable } from '../linux/rps-tables.js';
import type { Burst } from '../packet/burst.js';
import { compileFlowHash, type FlowHash } from './flow-hash.js';
import type { RfsSpec } from './spec.js';
import { type CompileContext, type Decision, decisionOf, type Steering } from './steering.js';

/** Queues of one port that are told apart. */
const QUEUES_PER_PORT = 256;

/** Words of shared state: one to agree on who clears the table, and the table. */
export function rfsSharedWords(spec: RfsSpec): number {
  return 1 + pow2up(spec.entries);
}

/** The compiled `rfs` policy: `record` tells where applications run. */
export class RfsSteering implements Steering {
  readonly text: string;
  readonly workers: number;
  readonly queues = 1;
  /** Where applications run, by flow. */
  readonly sock: SockFlowTable;
  readonly #hash: FlowHash;
  readonly #map: RpsMap;
  readonly #online: Int32Array;
  readonly #queues: (RpsQueue | undefined)[] = [];
  #heads: Int32Array;
  #tails: Int32Array;
  #attached = false;
  /** Reason of each frame of the last burst, for explanations. */
  readonly #reasons: Uint8Array;

  constructor(
    readonly spec: RfsSpec,
    context: CompileContext,
  ) {
    this.text = spec.text;
    this.workers = context.workers;
    const high = spec.cpus.find((cpu) => cpu >= context.workers);
    if (high !== undefined) {
      throw new UserError(`policy rfs: cpus: CPU ${high} is no worker; workers: 0 to ${context.workers - 1}`);
    }
    this.#hash = compileFlowHash(spec, context);
    this.#map = new RpsMap(spec.cpus);
    this.#online = onlineCpus(context.workers);
    this.sock = makeSockTable(spec, context);
    this.#heads = new Int32Array(context.workers);
    this.#tails = new Int32Array(context.workers);
    this.#reasons = new Uint8Array(64);
  }

  /**
   * Tells where the counters of the workers' backlogs are: frames finished (`heads`, read) and this caller's copy of
   * frames accepted (`tails`, advanced for each frame that is steered).
   */
  attach(heads: Int32Array, tails: Int32Array): void {
    this.#heads = heads;
    this.#tails = tails;
    this.#attached = true;
  }

  /** The application of frame `i` of a steered burst runs on `cpu`. */
  record(burst: Burst, i: number, cpu: number): void {
    this.sock.record(burst.hash[i]!, cpu);
  }

  steer(burst: Burst): void {
    this.#hash.hashBurst(burst);
    const queue = this.#queueOf(burst.port, burst.queue);
    // Nobody counts: what was steered before is finished.
    if (!this.#attached) this.#heads.set(this.#tails);
    const { n, hash, worker, bucket, rxq } = burst;
    const heads = this.#heads;
    const tails = this.#tails;
    for (let i = 0; i < n; i++) {
      const cpu = Math.max(0, queue.steer(hash[i]!, heads));
      this.#reasons[i] = queue.reason;
      worker[i] = cpu;
      bucket[i] = queue.index;
      rxq[i] = -1;
      const tail = (tails[cpu]! + 1) | 0;
      tails[cpu] = tail;
      queue.enqueued(tail);
    }
  }

  decision(burst: Burst, i: number): Decision {
    const cpu = burst.worker[i]!;
    const count = this.#map.length;
    const step = `(${hex32(burst.hash[i]!)} * ${count}) >> 32 = index ${burst.bucket[i]} of the CPU list -> CPU ${cpu}`;
    const how: Record<number, string> = {
      [RpsReason.flow]: `the flow's application was seen on CPU ${cpu}`,
      [RpsReason.moved]: `the flow moves to CPU ${cpu}, where its application was seen`,
      [RpsReason.held]: `the flow stays on CPU ${cpu}, whose backlog still holds its frames`,
      [RpsReason.map]: `no application is known; ${step}`,
    };
    const reason = `${this.#hash.why(burst, i)}; ${how[this.#reasons[i]!] ?? 'nothing to steer by'}`;
    return decisionOf(burst, i, this.#hash.details(burst, i), reason, false);
  }

  explain(burst: Burst, i: number): string {
    return this.decision(burst, i).reason;
  }

  #queueOf(port: number, queue: number): RpsQueue {
    const key = port * QUEUES_PER_PORT + (queue & (QUEUES_PER_PORT - 1));
    let found = this.#queues[key];
    if (found === undefined) {
      found = new RpsQueue({
        map: this.#map,
        flows: new DevFlowTable(this.spec.flows),
        sock: this.sock,
        online: this.#online,
        order: this.spec.order === 'strict' ? 'strict' : 'linux',
      });
      this.#queues[key] = found;
    }
    return found;
  }
}

function makeSockTable(spec: RfsSpec, context: CompileContext): SockFlowTable {
  if (context.shared === null) return new SockFlowTable(spec.entries, context.workers);
  const words = new Int32Array(context.shared, 0, rfsSharedWords(spec));
  const entries = words.subarray(1);
  const table = new SockFlowTable(spec.entries, context.workers, { entries });
  // A new table is not all zeros; whoever comes first clears it.
  if (Atomics.compareExchange(words, 0, 0, 1) === 0) table.reset();
  return table;
}
