/**
 * The result of a simulation, as `rxsteer simulate --json` prints it.
 *
 * Promise: plain data. Shares are of one; times are in the unit of their name.
 */
import type { DiskResult } from '../disk/result.js';
import type { CpuClass } from '../machine/classes.js';
import type { ChangeResult } from '../model/changes.js';
import type { Recording } from '../record/shown.js';

/** CPU time by class, as shares of all CPUs' time. */
export type ClassShares = Record<CpuClass, number>;

/** What limits the throughput, found by running again with more of it. */
export interface Limit {
  readonly kind: 'cpu' | 'lock' | 'queue' | 'link' | 'clients';
  readonly name: string;
  readonly utilisation: number;
  readonly why: string;
  /** What was tried: twice as much of each, and the throughput then, relative to before. */
  readonly tried: readonly { readonly kind: Limit['kind']; readonly name: string; readonly gain: number }[];
}

/** One CPU. */
export interface CpuResult {
  readonly id: number;
  readonly busyShare: number;
  readonly classes: ClassShares;
}

/** How long operations took, microseconds: percentiles are right to 1.6 %. */
export interface LatencyResult {
  readonly mean: number;
  readonly p50: number;
  readonly p90: number;
  readonly p99: number;
  readonly p999: number;
}

/** One guest. */
export interface GuestResult {
  readonly name: string;
  /** Operations in the window. */
  readonly packets: number;
  readonly latencyUs: LatencyResult;
  /** CPUs of the host that worked for it. */
  readonly cpus: number;
  /** Exits a second. */
  readonly exits: number;
  /** Shares of its vCPUs' time, by what the guest's kernel did. */
  readonly classes: { readonly irq: number; readonly softirq: number; readonly app: number };
  readonly vcpus: readonly { readonly id: number; readonly exits: number; readonly busyShare: number }[];
}

/** A published figure of any kind. */
export interface PublishedFigure {
  /** Path in the run's result, e.g. `latencyUs.p99`. */
  readonly of: string;
  readonly value: number;
  /** Share by which the simulated figure may differ. */
  readonly within: number;
  /** Costs were fitted to it. */
  readonly fitted: boolean;
}

/** What was published about a run. */
export interface Published {
  /** Operations a second. */
  readonly value?: number | undefined;
  /** Share of all CPUs that is busy. */
  readonly cpu?: number | undefined;
  readonly source: string;
  /** Shares by which value and CPU may differ; default 0.15 and 0.2. */
  readonly within?: number;
  readonly cpuWithin?: number;
  /** Costs were fitted to the value, to the CPU. Default: not. */
  readonly fitted?: boolean;
  readonly cpuFitted?: boolean;
  /** Value and CPU count as ratios to those of this preset. */
  readonly relativeTo?: string | undefined;
  readonly figures?: readonly PublishedFigure[] | undefined;
}

/** One run of a scenario under one policy. */
export interface RunResult {
  readonly policy: string;
  readonly throughput: {
    readonly value: number;
    readonly unit: string;
    /** From the means of 20 parts of the window. */
    readonly ci95: readonly [number, number];
  };
  /** Received or sent bits of operations, a second. */
  readonly bitsPerSecond: number;
  readonly cpu: {
    readonly busyShare: number;
    readonly usPerOperation: number;
    readonly classes: ClassShares;
  };
  readonly latencyUs: LatencyResult;
  readonly perPacket: {
    /** Packets that RPS or a policy of the host gave to another CPU. */
    readonly handOffs: number;
    readonly ipis: number;
    readonly guestIpis: number;
    readonly interrupts: number;
    readonly wakeups: number;
    readonly exits: number;
    readonly userExits: number;
    readonly kicks: number;
    readonly contextSwitches: number;
    readonly remoteLines: number;
    readonly lockWaitNs: number;
    readonly copiedBytes: number;
  };
  /** The same events a second. */
  readonly perSecond: {
    readonly ipis: number;
    readonly guestIpis: number;
    readonly exits: number;
    readonly polls: number;
  };
  readonly limit: Limit | null;
  readonly cpus: readonly CpuResult[];
  readonly guests: readonly GuestResult[];
  readonly locks: readonly {
    readonly name: string;
    readonly utilisation: number;
    readonly taken: number;
    readonly waits: number;
    readonly meanWaitNs: number;
  }[];
  /** In the window, by reason. */
  readonly dropped: Readonly<Record<string, number>>;
  readonly reordered: number;
  /** With `order=strict`, of the whole run: flows that went to another CPU, frames that waited for that on the old one. */
  readonly order?: { readonly moves: number; readonly postponed: number };
  /** Of the whole run: arrived = delivered + dropped + under way. */
  readonly packets: {
    readonly arrived: number;
    readonly delivered: number;
    readonly dropped: number;
    readonly underWay: number;
  };
  /** Where the scenario has disks. */
  readonly disks?: readonly DiskResult[];
  /** As the scenario has it. */
  readonly published?: Published;
  /** What the scenario's `changes` did, where it has some. */
  readonly changes?: readonly ChangeResult[];
  /** Buckets and guests that the rebalancer moved, where there is one. */
  readonly rebalanced?: number;
  /** Where it was asked for. */
  readonly recording?: Recording;
  readonly digest: string;
  readonly events: number;
}

/** A scenario under its policies. */
export interface SimulationResult {
  readonly scenario: string;
  readonly seed: number;
  readonly virtualMs: number;
  readonly events: number;
  /** The same for the same scenario, costs, seed and version. */
  readonly digest: string;
  readonly results: readonly RunResult[];
}
