/**
 * What a recording shows, as plain data.
 *
 * Promise: shares are of one; times are microseconds since the packet began, or milliseconds where the name says so.
 */
import type { CpuClass } from '../machine/classes.js';

/** A part of a packet's way. */
export interface PathSpan {
  /** `work` on the packet; `around`: what a CPU did to get at it; `wait`: nobody worked on it. */
  readonly kind: 'work' | 'around' | 'wait';
  /** Null while it waits. */
  readonly cpu: number | null;
  readonly class: CpuClass | null;
  /** The step; of a wait the queue or `link`. */
  readonly label: string;
  /** Inside a guest. */
  readonly inGuest: boolean;
  readonly startUs: number;
  readonly endUs: number;
}

/** The way of a packet across the CPUs, from its arrival (or its being made) to its end. */
export interface PacketPath {
  /** Guest that it belongs to; null = the host. */
  readonly guest: string | null;
  readonly latencyUs: number;
  /** CPUs that worked on it, in the order in which they got it. */
  readonly cpus: readonly number[];
  /** In order of time. */
  readonly spans: readonly PathSpan[];
  /** Packets that were followed; it is the one with the median latency. */
  readonly of: number;
}

/** What was recorded of a run. */
export interface Recording {
  /** Length of a column of the heat map, milliseconds. */
  readonly columnMs: number;
  /** For each CPU and each class that it had, its share of each column. */
  readonly cpus: readonly {
    readonly id: number;
    readonly classes: Partial<Record<CpuClass, readonly number[]>>;
  }[];
  readonly path: PacketPath | null;
}
