/**
 * `rfs`: receive flow steering. A flow goes to the CPU on which its application was seen last; unknown flows go
 * where `rps` would send them.
 *
 * Promise: the decisions of the kernel's tables (see linux/rps.ts) for one receive queue each, in the version that
 * `kernel=` names. The socket table is shared by all workers, and so is each queue's flow table, where shared memory
 * is given: a worker that follows a dead one goes on with its queues' tables. `recordFlow` tells where an application
 * runs. Who keeps order:
 *   `attach`   the kernel's rule, holes included: a flow leaves a CPU once that has passed the flow's last frame
 *              according to the counters given
 *   `release`  somebody else: the wanted CPU is the answer, always
 *   neither    (replay, explain) the rule of `order=`, with everything steered before a burst finished
 *
 * Threads: `steer`, `settle` belong to the worker that polls the queue; `recordFlow` and `forgetFlow` to anyone.
 */
import { UserError } from '../errors.js';
import { hex32 } from '../hash/hex.js';
import { pow2up } from '../linux/arith.js';
import { onlineCpus, RpsQueue, RpsReason } from '../linux/rps.js';
import { DevFlowTable, FlowSlot, RpsMap, SockFlowTable } from '../linux/rps-tables.js';
import { type LinuxBehaviour, linuxBehaviour, MODERN } from '../linux/version.js';
import { BURST_MAX, type Burst } from '../packet/burst.js';
import { compileFlowHash, type FlowHash } from './flow-hash.js';
import type { RfsSpec } from './spec.js';
import { type CompileContext, type Decision, decisionOf, type Steering } from './steering.js';

/** Queues of one port that are told apart. */
const QUEUES_PER_PORT = 256;

/** Queues whose flow tables lie in shared memory at most, and words of that memory. */
const TABLES_MAX = 64;
const TABLE_WORDS_MAX = 1 << 22;

/** A CPU list that was written while frames flow: how often, how many CPUs, and the CPUs. */
const MapWord = { writes: 0, count: 1, cpus: 2 } as const;
const MAP_CPUS_MAX = 1024;
const MAP_WORDS = MapWord.cpus + MAP_CPUS_MAX;

/** Tables that are written while frames flow, see `RfsSteering.rewriteTables`. */
export interface TableRewrite {
  /** `rps_cpus`: another CPU list. */
  readonly cpus?: readonly number[];
  /** `rps_flow_cnt`: the queues' flow tables begin anew. */
  readonly flows?: true;
  /** `rps_sock_flow_entries`: the socket table begins anew. */
  readonly entries?: true;
}

function sharedTables(spec: RfsSpec): number {
  return Math.max(1, Math.min(TABLES_MAX, Math.floor(TABLE_WORDS_MAX / DevFlowTable.words(spec.flows))));
}

/** Words of shared state: one to agree on who clears the socket table, that, a directory, queues' flow tables, the map. */
export function rfsSharedWords(spec: RfsSpec): number {
  return mapOffset(spec) + MAP_WORDS;
}

function mapOffset(spec: RfsSpec): number {
  return 1 + pow2up(spec.entries) + TABLES_MAX + sharedTables(spec) * DevFlowTable.words(spec.flows);
}

/**
 * What is known of where applications run goes from the shared memory of one policy to that of another with as many
 * entries (else nothing); queues' flow tables do not, because their counters are those of the workers that poll.
 */
export function carrySockTable(
  from: { readonly spec: RfsSpec; readonly shared: SharedArrayBuffer },
  to: { readonly spec: RfsSpec; readonly shared: SharedArrayBuffer },
): void {
  if (pow2up(from.spec.entries) !== pow2up(to.spec.entries)) return;
  const words = 1 + pow2up(to.spec.entries);
  new Int32Array(to.shared, 0, words).set(new Int32Array(from.shared, 0, words));
}

/** The compiled `rfs` policy: `record` tells where applications run. */
export class RfsSteering implements Steering {
  readonly text: string;
  readonly workers: number;
  readonly queues = 1;
  /** Where applications run, by flow. */
  readonly sock: SockFlowTable;
  readonly #hash: FlowHash;
  #map: RpsMap;
  /** The map that was written last, by any thread (`MapWord`), and how many writes are known here; null without. */
  readonly #mapWords: Int32Array | null;
  #mapWrites = 0;
  readonly #online: Int32Array;
  readonly #queues: (RpsQueue | undefined)[] = [];
  /** Flow tables of queues in shared memory: number of the queue + 1 for each, then the tables; null without. */
  readonly #directory: Int32Array | null;
  readonly #tables: Int32Array | null;
  readonly #kernel: LinuxBehaviour;
  #heads: Int32Array;
  #tails: Int32Array;
  #taken: Int32Array;
  #here = 0;
  #mode: 'model' | 'attached' | 'released' = 'model';
  /** Per frame of the last burst: reason, slot used, and that slot's tail before the frame was accepted. */
  readonly #reasons = new Uint8Array(BURST_MAX);
  readonly #slots = new Int32Array(BURST_MAX);
  readonly #before = new Int32Array(BURST_MAX);

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
    this.#kernel = spec.kernel === undefined ? MODERN : linuxBehaviour(spec.kernel);
    this.#hash = compileFlowHash(spec, context);
    this.#map = new RpsMap(spec.cpus);
    this.#online = onlineCpus(context.workers);
    const words = context.shared === null ? null : new Int32Array(context.shared, 0, rfsSharedWords(spec));
    this.sock = makeSockTable(spec, context.workers, words, this.#kernel);
    const directoryAt = 1 + pow2up(spec.entries);
    this.#directory = words?.subarray(directoryAt, directoryAt + sharedTables(spec)) ?? null;
    this.#tables = words?.subarray(directoryAt + TABLES_MAX, mapOffset(spec)) ?? null;
    this.#mapWords = words?.subarray(mapOffset(spec)) ?? null;
    this.#heads = new Int32Array(context.workers);
    this.#tails = new Int32Array(context.workers);
    this.#taken = this.#heads;
  }

  /**
   * The kernel's rule with real counters, free-running 32-bit words per CPU, brought up to date before each burst:
   * frames finished (`heads`), frames accepted (`tails`; advanced here for each frame that is steered), and frames
   * taken off the backlog, which kernels before 3.0 took for finished (`taken`). `here` is the CPU that polls the
   * queues: it keeps what nothing steers.
   */
  attach(heads: Int32Array, tails: Int32Array, taken: Int32Array = heads, here = 0): void {
    this.#heads = heads;
    this.#tails = tails;
    this.#taken = taken;
    this.#here = here;
    this.#mode = 'attached';
  }

  /** Order is kept by the caller: steers to where a flow is wanted, whatever is outstanding elsewhere. */
  release(): void {
    this.#mode = 'released';
  }

  /** The application of frame `i` of a steered burst runs on `cpu`. */
  record(burst: Burst, i: number, cpu: number): void {
    this.sock.record(burst.hash[i]!, cpu);
  }

  /**
   * The application of the flow with this hash runs on `worker` (`sock_rps_record_flow`). One store; the last one
   * wins. Throws UserError for a worker that does not exist.
   */
  recordFlow(hash: number, worker: number): void {
    if (!Number.isInteger(worker) || worker < 0 || worker >= this.workers) {
      throw new UserError(`recordFlow: worker ${worker} does not exist; workers: 0 to ${this.workers - 1}`);
    }
    this.sock.record(hash | 0, worker);
  }

  /** The flow's socket was closed: wipes its entry, whoever owns that by now, in kernels that do (6.16). */
  forgetFlow(hash: number): void {
    if (this.#kernel.deleteAtUnhash) this.sock.remove(hash | 0);
  }

  /**
   * Writes tables as `/sys` and `/proc` do, while frames flow and without a look at what is outstanding: with
   * `order=linux` flows lose order by it where the kernel's do, under the data plane's strict order they do not.
   * `flows` and `entries` are writes of the size that they have: the kernel forgets all entries by that, too. Any
   * thread; whoever steers sees a CPU list with its next burst, empty tables at once. Flow tables that found no room
   * in shared memory (the 65th queue on) are left alone. It is no change of the policy: whatever compiles that anew,
   * in other memory, begins with its own list.
   *
   * @throws UserError for CPUs that are no workers; nothing is written then.
   */
  rewriteTables({ cpus, flows, entries }: TableRewrite): void {
    if (cpus !== undefined) this.#writeMap(cpus);
    if (flows === true) this.#resetFlows();
    if (entries === true) this.sock.reset();
  }

  #writeMap(cpus: readonly number[]): void {
    const high = cpus.find((cpu) => !Number.isInteger(cpu) || cpu < 0 || cpu >= this.workers);
    if (high !== undefined || cpus.length === 0 || cpus.length > MAP_CPUS_MAX) {
      const what = high === undefined ? `${cpus.length} CPUs` : `CPU ${high}`;
      throw new UserError(`rps_cpus: ${what}: expected workers, 0 to ${this.workers - 1}`);
    }
    const words = this.#mapWords;
    if (words === null) {
      this.#useMap(new RpsMap(cpus));
      return;
    }
    words.set(cpus, MapWord.cpus);
    words[MapWord.count] = cpus.length;
    Atomics.add(words, MapWord.writes, 1);
  }

  #useMap(map: RpsMap): void {
    this.#map = map;
    for (const queue of this.#queues) if (queue !== undefined) queue.map = map;
  }

  /** Another thread has written the map. */
  #takeMap(words: Int32Array, writes: number): void {
    this.#mapWrites = writes;
    const count = words[MapWord.count]!;
    this.#useMap(new RpsMap([...words.subarray(MapWord.cpus, MapWord.cpus + count)]));
  }

  #resetFlows(): void {
    const { flows } = this.spec;
    const words = DevFlowTable.words(flows);
    this.#directory?.forEach((queue, t) => {
      const slots = this.#tables!.subarray(t * words, (t + 1) * words);
      if (queue !== 0) new DevFlowTable(flows, { slots }).reset();
    });
    for (const queue of this.#queues) queue?.flows?.reset();
  }

  steer(burst: Burst): void {
    const written = this.#mapWords;
    if (written !== null) {
      const writes = Atomics.load(written, MapWord.writes);
      if (writes !== this.#mapWrites) this.#takeMap(written, writes);
    }
    this.#hash.hashBurst(burst);
    if (this.#mode === 'released') {
      this.#steerFreely(burst);
      return;
    }
    const queue = this.#queueOf(burst.port, burst.queue);
    // Nobody counts: what was steered before is finished.
    if (this.#mode === 'model') this.#heads.set(this.#tails);
    const { n, hash, worker, bucket, rxq } = burst;
    const heads = this.#heads;
    const tails = this.#tails;
    const taken = this.#taken;
    const slots = this.#slots;
    const flows = queue.flows!.slots;
    const forgets = this.#kernel.tailCounter === 'head+length';
    for (let i = 0; i < n; i++) {
      let cpu = queue.steer(hash[i]!, heads);
      if (cpu < 0) cpu = this.#here;
      this.#reasons[i] = queue.reason;
      worker[i] = cpu;
      bucket[i] = queue.index;
      rxq[i] = -1;
      const slot = queue.slot;
      slots[i] = slot;
      const tail = (tails[cpu]! + 1) | 0;
      tails[cpu] = tail;
      if (slot < 0) continue;
      this.#before[i] = flows[slot + FlowSlot.lastQueueTail]!;
      queue.enqueued(forgets ? (heads[cpu]! + tail - taken[cpu]!) | 0 : tail);
    }
  }

  /**
   * Some frames of the last burst were refused by a full backlog: their slots get what the kernel leaves there, the
   * others the tails that they really had. Attached only.
   *
   * @param fates what became of each frame; `dropped` marks those refused
   * @param before each CPU's tail before the burst
   */
  settle(burst: Burst, fates: Int32Array, dropped: number, before: Int32Array): void {
    const flows = this.#queueOf(burst.port, burst.queue).flows!.slots;
    const tails = this.#tails;
    tails.set(before);
    const forgets = this.#kernel.tailCounter === 'head+length';
    for (let i = burst.n - 1; i >= 0; i--) {
      const slot = this.#slots[i]!;
      if (slot >= 0) flows[slot + FlowSlot.lastQueueTail] = this.#before[i]!;
    }
    for (let i = 0; i < burst.n; i++) {
      const slot = this.#slots[i]!;
      const cpu = burst.worker[i]!;
      // A move within the burst set the slot's tail anew.
      if (slot >= 0 && this.#reasons[i] === RpsReason.moved) {
        flows[slot + FlowSlot.lastQueueTail] = this.#before[i]!;
      }
      if (fates[i] === dropped) continue;
      const tail = (tails[cpu]! + 1) | 0;
      tails[cpu] = tail;
      if (slot < 0) continue;
      flows[slot + FlowSlot.lastQueueTail] = forgets
        ? (this.#heads[cpu]! + tail - this.#taken[cpu]!) | 0
        : tail;
    }
  }

  /** Where each flow is wanted. */
  #steerFreely(burst: Burst): void {
    const { n, hash, worker, bucket, rxq } = burst;
    const { cpus } = this.#map;
    const { sock, workers } = this;
    for (let i = 0; i < n; i++) {
      const h = hash[i]!;
      const wanted = sock.wanted(h);
      const known = wanted >= 0 && wanted < workers;
      const index = this.#map.index(h);
      worker[i] = known ? wanted : cpus[index]!;
      bucket[i] = known ? -1 : index;
      rxq[i] = -1;
      this.#reasons[i] = known ? RpsReason.flow : RpsReason.map;
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
        flows: this.#flowTable(key),
        sock: this.sock,
        online: this.#online,
        order: this.#mode === 'model' && this.spec.order === 'strict' ? 'strict' : 'linux',
        singleCpuShortcut: this.#kernel.singleCpuShortcut,
      });
      this.#queues[key] = found;
    }
    return found;
  }

  /** A queue's flow table: in shared memory, kept across the death of its worker, as long as there is room. */
  #flowTable(queue: number): DevFlowTable {
    const { flows } = this.spec;
    const { flowSlot } = this.#kernel;
    const directory = this.#directory;
    if (directory === null) return new DevFlowTable(flows, { flowSlot });
    const words = DevFlowTable.words(flows);
    for (let t = 0; t < directory.length; t++) {
      const owner = Atomics.compareExchange(directory, t, 0, queue + 1);
      if (owner !== 0 && owner !== queue + 1) continue;
      const slots = this.#tables!.subarray(t * words, (t + 1) * words);
      const table = new DevFlowTable(flows, { slots, flowSlot });
      if (owner === 0) table.reset();
      return table;
    }
    return new DevFlowTable(flows, { flowSlot });
  }
}

function makeSockTable(
  spec: RfsSpec,
  workers: number,
  words: Int32Array | null,
  { sockEntry }: LinuxBehaviour,
): SockFlowTable {
  if (words === null) return new SockFlowTable(spec.entries, workers, { sockEntry });
  const entries = words.subarray(1, 1 + pow2up(spec.entries));
  const table = new SockFlowTable(spec.entries, workers, { entries, sockEntry });
  // A new table is not all zeros; whoever comes first clears it.
  if (Atomics.compareExchange(words, 0, 0, 1) === 0) table.reset();
  return table;
}
