/**
 * From what the user asked for to the plan that all workers share: workers, pinning, mode, policy, order, sizes.
 *
 * Promise: whatever contradicts itself is refused here with one line, before any worker starts.
 */

import { availableParallelism, cpus } from 'node:os';
import { UserError } from '../errors.js';
import { BURST_MAX } from '../packet/burst.js';
import type { PolicySpec } from '../policy/spec.js';
import type { EnginePlan } from './engine-memory.js';
import { parseFault } from './faults.js';
import { chooseMode, type SwitchingOptions } from './forwarding.js';
import { DEFAULT_ORDER_LIMITS, type OrderLimits } from './order-guard.js';
import type { OpenPorts } from './ports/open.js';
import type { PortSpec } from './ports/port-spec.js';
import { PORTS_MAX } from './ring.js';

/** What an engine is to do; `engineDefaults` has everything but ports, policy and workers. */
export interface EngineOptions {
  readonly ports: readonly PortSpec[];
  readonly mode?: 'wire' | 'switch';
  readonly policy: PolicySpec;
  readonly policyText: string;
  readonly workers: number;
  /** CPU of each worker; empty = not pinned. */
  readonly cpus: readonly number[];
  readonly backlog: number;
  /** What order=strict makes frames wait at most; default `DEFAULT_ORDER_LIMITS`. */
  readonly orderLimits?: OrderLimits;
  readonly smallFrames: number;
  readonly largeFrames: number;
  readonly spinMaxUs: number;
  readonly switching: SwitchingOptions;
  readonly fault: string | null;
  /** False: no order ledger. For measuring what it costs; goes with order=none only. Default true. */
  readonly watches?: boolean;
  /** Gets one line for what works less well than was asked for. */
  readonly warn: (message: string) => unknown;
}

export const WORKERS_MAX = 256;
/** Frames in one backlog ring: `netdev_max_backlog` is 1000; a descheduled worker needs a little more. */
export const DEFAULT_BACKLOG = 4096;
/** Slots of the whole pool. */
export const DEFAULT_SMALL_FRAMES = 32_768;
export const DEFAULT_LARGE_FRAMES = 1024;
export const DEFAULT_SPIN_US = 5;
const LARGE_FRAMES_LEAST = 128;

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

/** Checks and completes. */
export function planEngine(options: EngineOptions, ports: OpenPorts): EnginePlan {
  const { workers } = options;
  if (options.ports.length > PORTS_MAX) {
    throw new UserError(`${options.ports.length} ports: there can be ${PORTS_MAX} at most`);
  }
  if (options.cpus.length > 0 && options.cpus.length < workers) {
    throw new UserError(
      `--cpus names ${options.cpus.length} CPU(s) for ${workers} workers: name one for each`,
    );
  }
  const present = cpus().length;
  for (const cpu of options.cpus) {
    if (cpu >= present) throw new UserError(`--cpus: there is no CPU ${cpu}: permitted are 0-${present - 1}`);
  }
  if (options.watches === false && options.policy.order !== 'none') {
    throw new UserError(`watches: order=${options.policy.order} needs the order ledger`);
  }
  if (options.fault !== null) parseFault(options.fault);
  const mode = chooseMode(options.ports.length, options.mode);
  let order = options.policy.order;
  for (const [index, live] of ports.live) {
    const name = options.ports[index]!.name;
    if (live.orderLost !== '' && order !== 'none') {
      options.warn(`port ${name}: ${live.orderLost}; order is none`);
      order = 'none';
    }
    if (live.strictRefused !== '' && order === 'strict') {
      throw new UserError(
        `port ${name}: order=strict can't be promised: ${live.strictRefused}; use order=none`,
      );
    }
  }
  const multiQueueWithoutPolling = options.ports.length > 0 && workers > availableParallelism() * 8;
  if (multiQueueWithoutPolling) options.warn(`${workers} workers on ${availableParallelism()} CPUs`);
  const perWorker = (total: number, least: number) => Math.max(least, Math.ceil(total / workers));
  return {
    workers,
    cpus: Array.from({ length: workers }, (_, w) => options.cpus[w] ?? -1),
    ports: ports.infos,
    mode,
    order,
    watches: options.watches ?? true,
    orderLimits: options.orderLimits ?? DEFAULT_ORDER_LIMITS,
    policy: options.policy,
    policyText: options.policyText,
    backlog: options.backlog,
    smallPerWorker: perWorker(options.smallFrames, 4 * BURST_MAX),
    largePerWorker: perWorker(options.largeFrames, workers > 128 ? BURST_MAX : LARGE_FRAMES_LEAST),
    spinMaxUs: options.spinMaxUs,
    burst: BURST_MAX,
    originMs: performance.timeOrigin + performance.now(),
    fault: options.fault,
  };
}
