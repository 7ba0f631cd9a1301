/**
 * The program in the kernel that chooses the receive queue of a port: a fanout group's, or a multi-queue TAP's.
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
import type { FrameStart } from '../../programs/frame.js';
import { gatherProgram } from '../../programs/queue-program.js';

/** The queues that are chosen. */
export interface SteeredQueues {
  readonly queues: number;
  readonly start: FrameStart;
  /** Puts a program in charge; where there are no sockets at this moment nothing happens. @throws Error */
  attach(program: number): void;
  /** Frames wait in a queue that no worker has taken. */
  waits(queue: number): boolean;
  /** Frames that may wait in a queue at most. */
  capacity(): number;
}

export class QueueSteering {
  readonly #native: Native;
  readonly #gather: LoadedProgram;
  #loaded: LoadedProgram | null = null;
  #program: Program | null = null;
  #isGathering = true;

  /** @throws Error where the kernel loads no programs for this process */
  constructor(
    native: Native,
    readonly to: SteeredQueues,
  ) {
    this.#native = native;
    this.#gather = loadProgram(native, gatherProgram());
  }

  /** This program chooses already. */
  has(program: Program): boolean {
    return !this.#isGathering && isDeepStrictEqual(this.#program, program);
  }

  /** Loads a program without using it. @throws Error with the verifier's reason */
  load(program: Program): LoadedProgram {
    return loadProgram(this.#native, program);
  }

  /** Every frame goes to queue 0 from now on; when it returns none is on its way to another. */
  gather(): void {
    this.to.attach(this.#gather.program);
    this.#isGathering = true;
    this.#native.gracePeriod();
  }

  /** A loaded program chooses from now on; it is closed when the next one is used. */
  use(program: Program, loaded: LoadedProgram): void {
    this.to.attach(loaded.program);
    this.#native.gracePeriod();
    this.#loaded?.close();
    this.#loaded = loaded;
    this.#program = program;
    this.#isGathering = false;
  }

  /** The sockets are others now. @throws Error */
  again(): void {
    const { program } = this.#isGathering ? this.#gather : this.#loaded!;
    this.to.attach(program);
  }

  close(): void {
    this.#gather.close();
    this.#loaded?.close();
    this.#loaded = null;
  }
}
