/**
 * What may watch a run: told what each CPU spends its time on, and where packets wait.
 *
 * Promise: a recorder only listens. It enters no event, draws no number and changes nothing, so a run with one has the
 * same digest as without. Where there is none it costs a comparison.
 */

/** What a recorder sees of a CPU. */
export interface RecordedCpu {
  readonly id: number;
  /** Class of what is spent; the context that it works for, which is `root` outside guests. */
  readonly class: number;
  readonly context: { readonly class: number };
  readonly root: unknown;
  /** The packet being worked on; -1 = none. */
  readonly packet: number;
  readonly stepLabel: string;
}

/** Listens to CPUs and packets. Times in picoseconds. */
export interface Recorder {
  /** A CPU spends time from `start` on, in its present class, on its present packet (`cpu.packet`; -1 = on none). */
  spent(cpu: RecordedCpu, start: number, time: number): void;
  /** A CPU has waited for a lock, or looked for work, which was no work on a step. */
  passed(cpu: RecordedCpu, cls: number, start: number, time: number): void;
  /** A CPU takes a packet on. */
  loaded(cpu: RecordedCpu, packet: number): void;
  /** A packet begins, or begins again as another request. */
  begun(packet: number): void;
  /** A packet waits in a queue that drops under this name. */
  queued(packet: number, reason: string): void;
  /** A packet has done what it was sent for. */
  completed(packet: number): void;
  /** A packet is gone, and its number free for another. */
  gone(packet: number): void;
}
