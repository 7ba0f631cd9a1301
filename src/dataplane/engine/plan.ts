/**
 * From what the user asked for to the plan that all workers share: workers, pinning, mode, policy, order, sizes.
 *
 * Promise: whatever contradicts itself is refused here with one line, before any worker starts.
 */

import { randomFillSync } from 'node:crypto';
import { availableParallelism } from 'node:os';
import { UserError } from '../../errors.js';
import { BURST_MAX, FLOW_KEYS } from '../../packet/burst.js';
import type { PolicySpec } from '../../policy/spec.js';
import { LARGE_SLOT_BYTES, SMALL_SLOT_BYTES } from '../memory/layout.js';
import { PORTS_MAX } from '../memory/ring.js';
import { DEFAULT_ORDER_LIMITS, type OrderLimits } from '../order/guard.js';
import type { PortSpec } from '../ports/kinds.js';
import type { LivePort } from '../ports/live-port.js';
import type { OpenPorts } from '../ports/open.js';
import { formatCpuList, permittedCpus } from '../shared/cpus.js';
import { dealQueues } from '../shared/deal.js';
import { parseFaults } from '../shared/faults.js';
import { chooseMode, type SwitchingOptions } from '../shared/forwarding.js';
import { checkLimit, WORKERS_MAX } from '../shared/limits.js';
import type { EnginePlan, Latency, PlanRoom } from '../shared/plan.js';
import type { PortInfo } from '../shared/port-info.js';
import { checkConsumers } from './consumers.js';

/** What an engine is to do; `engineDefaults` has everything but ports, policy and workers. */
export interface EngineOptions {
  readonly ports: readonly PortSpec[];
  readonly mode?: 'wire' | 'switch';
  readonly policy: PolicySpec;
  readonly policyText: string;
  readonly workers: number;
  /** Workers that there can be later on (`addWorker`); default: as many as CPUs, at least `workers`. */
  readonly maxWorkers?: number;
  /** CPU of each worker; empty = not pinned. */
  readonly cpus: readonly number[];
  readonly backlog: number;
  /** What order=strict makes frames wait at most; default `DEFAULT_ORDER_LIMITS`. */
  readonly orderLimits?: OrderLimits;
  readonly smallFrames: number;
  readonly largeFrames: number;
  readonly spinMaxUs: number;
  /** `low`: workers poll on while traffic comes, and sleep a second after the last frame; default `normal`. */
  readonly latency?: Latency;
  /**
   * Each worker runs its loops on made-up frames before it reports, so that the first real ones find compiled code; takes
   * some 50 ms of CPU time a worker. Default: where a port is a device.
   */
  readonly warmUp?: boolean;
  /** MiB that the kernel may hold for the receive queues of all ports together; default `DEFAULT_RECEIVE_MIB`. */
  readonly receiveMib?: number;
  readonly switching: SwitchingOptions;
  readonly fault: string | null;
  /** Where sequence numbers and ring positions begin, for tests of what they do at 2^31 and 2^32; default 0. */
  readonly firstNumber?: number;
  /** Keys of flow tags, for tests that repeat a run exactly; default: drawn at random. */
  readonly flowKeys?: Int32Array;
  /** False: no order ledger. For measuring what it costs; goes with order=none only. Default true. */
  readonly watches?: boolean;
  /** Called when all ports are open and no worker runs yet; what it throws ends the start. */
  readonly opened?: () => void;
  /** Gets one line for what works less well than was asked for. What it throws is ignored. */
  readonly warn: (message: string) => unknown;
  /** Ends the opening of ports, which then throws its reason; no effect once they are open. */
  readonly signal?: AbortSignal;
}

/** Frames in one backlog ring: `netdev_max_backlog` is 1000; a descheduled worker needs a little more. */
export const DEFAULT_BACKLOG = 4096;
/** Slots of the whole pool. */
export const DEFAULT_SMALL_FRAMES = 32_768;
export const DEFAULT_LARGE_FRAMES = 1024;
export const DEFAULT_SPIN_US = 5;
const DEFAULT_ADDRESS_BYTES = 2 ** 30;
/** Ports that a switch may grow to, and queues of ports that are added. */
const SWITCH_PORTS = 256;
const SPARE_QUEUES = 64;
const SPARE_TX_QUEUES = 512;
/** Slots for devices of ports that are added: two AF_XDP queues' worth. */
const SPARE_LENT = 10_240;

/** Everything but ports, policy and workers, as `rxsteer forward` has it without flags. Warnings go to standard error. */
export const engineDefaults = {
  cpus: [],
  backlog: DEFAULT_BACKLOG,
  smallFrames: DEFAULT_SMALL_FRAMES,
  largeFrames: DEFAULT_LARGE_FRAMES,
  spinMaxUs: DEFAULT_SPIN_US,
  switching: { ageingSeconds: 300, learnLimit: 4096, fdb: [] },
  fault: null,
  /** Writes to standard error. */
  warn: (message: string) => process.stderr.write(`rxsteer: warning: ${message}\n`),
} as const;

/** @throws UserError for a number that is none or outside its limits. For `Engine.start`, before ports are opened. */
export function checkNumbers(options: EngineOptions): void {
  for (const key of ['workers', 'backlog', 'smallFrames', 'largeFrames', 'spinMaxUs'] as const) {
    checkLimit(key, options[key]);
  }
  const { orderLimits, receiveMib, switching } = options;
  if (receiveMib !== undefined) checkLimit('receiveMib', receiveMib);
  if (orderLimits !== undefined) {
    for (const key of ['postponeMaxMs', 'holdMaxFrames', 'holdMaxMs'] as const) {
      checkLimit(key, orderLimits[key], `orderLimits.${key}`);
    }
  }
  for (const key of ['ageingSeconds', 'learnLimit'] as const) {
    checkLimit(key, switching[key], `switching.${key}`);
  }
}

/**
 * Everything that can be checked before any port is opened; gives the mode.
 * @throws UserError
 */
export function checkOptions(options: EngineOptions): 'wire' | 'switch' {
  checkNumbers(options);
  const { workers } = options;
  if (options.ports.length > PORTS_MAX) {
    throw new UserError(`${options.ports.length} ports: there can be ${PORTS_MAX} at most`);
  }
  if (options.cpus.length > 0 && options.cpus.length < workers) {
    throw new UserError(
      `--cpus names ${options.cpus.length} CPU(s) for ${workers} workers: name one for each`,
    );
  }
  const permitted = options.cpus.length === 0 ? [] : permittedCpus();
  for (const cpu of options.cpus) {
    if (permitted.includes(cpu)) continue;
    throw new UserError(`--cpus: there is no CPU ${cpu}: permitted are ${formatCpuList(permitted)}`);
  }
  if (options.watches === false && options.policy.order !== 'none') {
    throw new UserError(`watches: order=${options.policy.order} needs the order ledger`);
  }
  checkConsumers(options.ports, workers);
  if (options.fault !== null) parseFaults(options.fault);
  workerCapacity(options);
  return chooseMode(options.ports.length, options.mode);
}

/** Checks and completes. */
export function planEngine(options: EngineOptions, ports: OpenPorts): EnginePlan {
  const { workers } = options;
  const mode = checkOptions(options);
  const order = settleOrder(options.policy, ports.live.values(), options.warn);
  const multiQueueWithoutPolling = options.ports.length > 0 && workers > availableParallelism() * 8;
  if (multiQueueWithoutPolling) options.warn(`${workers} workers on ${availableParallelism()} CPUs`);
  const { smallPerWorker, largePerWorker } = slotsPerWorker(options);
  const capacity = workerCapacity(options);
  return {
    workers: capacity,
    active: workers,
    room: portRoom(mode, ports.infos),
    cpus: Array.from({ length: capacity }, (_, w) => options.cpus[w] ?? -1),
    ports: dealQueues(ports.infos, workers, options.policy),
    attachers: ports.attachers,
    mode,
    order,
    watches: options.watches ?? true,
    flowKeys: options.flowKeys ?? randomFillSync(new Int32Array(FLOW_KEYS)),
    orderLimits: options.orderLimits ?? DEFAULT_ORDER_LIMITS,
    policy: options.policy,
    policyText: options.policyText,
    backlog: options.backlog,
    smallPerWorker,
    largePerWorker,
    lentSlots: lentRoom(mode, ports.infos),
    spinMaxUs: options.spinMaxUs,
    latency: options.latency ?? 'normal',
    warmUp: options.warmUp ?? ports.live.size > 0,
    burst: BURST_MAX,
    originMs: performance.timeOrigin + performance.now(),
    fault: options.fault,
  };
}

/**
 * Slots of the pool that each worker gets: those asked for, shared out among the workers at the start. No fewer than
 * four bursts: then each ring may have a whole burst under way while another one is stuck (`shares.ts`). With very many
 * workers large slots are fewer, since offsets into the pool are 32-bit integers.
 */
function slotsPerWorker({ workers, smallFrames, largeFrames }: EngineOptions) {
  const share = (total: number, least: number) => Math.max(least, Math.ceil(total / workers));
  return {
    smallPerWorker: share(smallFrames, 4 * BURST_MAX),
    largePerWorker: share(largeFrames, (workers > 128 ? 1 : workers > 64 ? 2 : 4) * BURST_MAX),
  };
}

/**
 * Workers that memory is laid out for. Pages that no worker touches cost no memory, only addresses; without a wish
 * the frames of all workers together stay within `DEFAULT_ADDRESS_BYTES`.
 */
export function workerCapacity(options: EngineOptions): number {
  const { workers, maxWorkers } = options;
  if (maxWorkers !== undefined) {
    if (Number.isInteger(maxWorkers) && maxWorkers >= workers && maxWorkers <= WORKERS_MAX) return maxWorkers;
    throw new UserError(`--max-workers ${maxWorkers}: expected ${workers} (--workers) to ${WORKERS_MAX}`);
  }
  const { smallPerWorker, largePerWorker } = slotsPerWorker(options);
  const bytes = smallPerWorker * SMALL_SLOT_BYTES + largePerWorker * LARGE_SLOT_BYTES;
  const fits = Math.floor(DEFAULT_ADDRESS_BYTES / bytes);
  return Math.max(workers, Math.min(availableParallelism(), fits, WORKERS_MAX));
}

/** Slots for devices: of the ports that there are, and of some that may be added. */
function lentRoom(mode: 'wire' | 'switch', ports: readonly PortInfo[]): number {
  const lent = ports.reduce((sum, { lends = 0 }) => sum + lends, 0);
  return mode === 'wire' ? lent : lent + SPARE_LENT;
}

/** Ports, receive and transmit queues that memory is laid out for: a wire is what it is, a switch may grow. */
function portRoom(mode: 'wire' | 'switch', ports: readonly PortInfo[]): PlanRoom {
  const queues = ports.reduce((sum, port) => sum + port.rxQueues, 0);
  const txQueues = ports.reduce((sum, port) => sum + port.txQueues, 0);
  if (mode === 'wire') return { ports: ports.length, queues, txQueues };
  return {
    ports: Math.max(ports.length, SWITCH_PORTS),
    queues: queues + SPARE_QUEUES,
    txQueues: txQueues + SPARE_TX_QUEUES,
  };
}

/**
 * The order that a policy gets on these live ports; warns where a port loses it.
 * @throws UserError where a port can't keep the strict order that the policy promises.
 */
export function settleOrder(
  policy: PolicySpec,
  ports: Iterable<Pick<LivePort, 'spec' | 'orderLost' | 'strictRefused'>>,
  warn: (message: string) => unknown,
): EnginePlan['order'] {
  let { order } = policy;
  for (const { spec, orderLost, strictRefused } of ports) {
    if (orderLost !== '' && order !== 'none') {
      warn(`port ${spec.name}: ${orderLost}; order is none`);
      order = 'none';
    }
    if (strictRefused !== '' && order === 'strict') {
      throw new UserError(
        `port ${spec.name}: order=strict can't be promised: ${strictRefused}; use order=none`,
        { code: 'RXS_ORDER' },
      );
    }
  }
  return order;
}
