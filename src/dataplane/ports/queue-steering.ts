/**
 * The program in the kernel that chooses the receive queue of a port: a fanout group's, a multi-queue TAP's, or that in front
 * of the AF_XDP sockets of an interface.
 *
 * Promise: from the opening on every frame goes to queue 0, until a program is given; sockets that are opened anew get the
 * program that is there (`again`). What the kernel refuses throws, and the choice is what it was.
 *
 * Main thread only; in what order programs are changed is the engine's affair (`engine/port-programs.ts`).
 */
import { isDeepStrictEqual } from 'node:util';
import { type LoadedProgram, loadProgram } from '../../addon/bpf.js';
import type { Native } from '../../addon/native.js';
import type { Program } from '../../bpf/assembler.js';
import { gatherProgram, type QueueChoice } from '../../programs/queue-program.js';

/** How a verifier refuses what it does not know; of XDP that is bpf_xdp_load_bytes (3f364222d032). */
const UNKNOWN_HELPER: ReadonlySet<string> = new Set(['EINVAL', 'EACCES']);
const XDP_READS = 'such programs read frames in Linux 5.18 and later';

/** A program, loaded. */
export interface ReadyProgram {
  readonly program: Program;
  readonly loaded: LoadedProgram;
}

/** The queues that are chosen. */
export interface SteeredQueues extends QueueChoice {
  /** Puts a program in charge; where there are no sockets at this moment nothing happens. @throws Error */
  attach(program: ReadyProgram): void;
  /** Frames wait in a queue that no worker has taken. */
  waits(queue: number): boolean;
  /** Frames that may wait in a queue at most. */
  capacity(): number;
  /** Where a policy has no program workers hand over; else the change is refused. */
  readonly mayHandOver: boolean;
}

export class QueueSteering {
  readonly #native: Native;
  readonly #gather: ReadyProgram;
  #chosen: ReadyProgram | null = null;
  #isGathering = true;
  /** The policy that it carries out; null: none, it was opened a moment ago or workers hand over. */
  policy: string | null = null;

  /** @throws Error where the kernel loads no programs for this process */
  constructor(
    native: Native,
    readonly to: SteeredQueues,
  ) {
    this.#native = native;
    const program = gatherProgram(to);
    this.#gather = { program, loaded: loadProgram(native, program) };
  }

  /** This program chooses already. */
  has(program: Program): boolean {
    return !this.#isGathering && isDeepStrictEqual(this.#chosen?.program, program);
  }

  /** Loads a program without using it. @throws Error with the verifier's reason */
  load(program: Program): ReadyProgram {
    try {
      return { program, loaded: loadProgram(this.#native, program) };
    } catch (error) {
      const { code = '', message } = error as NodeJS.ErrnoException;
      if (this.to.start !== 'xdp' || !UNKNOWN_HELPER.has(code)) throw error;
      throw Object.assign(new Error(`${message} (${XDP_READS})`), { code });
    }
  }

  /** Every frame goes to queue 0 from now on; when it returns none is on its way to another. */
  gather(): void {
    this.to.attach(this.#gather);
    this.#isGathering = true;
    this.#native.gracePeriod();
  }

  /** A loaded program chooses from now on; it is closed when the next one is used. */
  use(ready: ReadyProgram): void {
    this.to.attach(ready);
    this.#native.gracePeriod();
    this.#chosen?.loaded.close();
    this.#chosen = ready;
    this.#isGathering = false;
  }

  /** The sockets are others now. @throws Error */
  again(): void {
    this.to.attach(this.#isGathering ? this.#gather : this.#chosen!);
  }

  close(): void {
    this.#gather.loaded.close();
    this.#chosen?.loaded.close();
    this.#chosen = null;
  }
}
