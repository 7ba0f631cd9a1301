/**
 * `--write DIR`: the packets of a capture, divided by the queue or worker that a policy gave them.
 *
 * Promise: a file for each queue (each worker, where the policy has no queues), also for those that got nothing; pcap
 * with nanoseconds, Ethernet frames, timestamps and lengths on the wire as in the capture. With several policies each
 * has a directory of its own. What cannot be written is a UserError when it is opened, and one line at the end if it
 * fails later.
 */
import { join } from 'node:path';
import { fileProblem } from '../capture/format.js';
import { CaptureWriter } from '../capture/writer.js';
import { UserError } from '../errors.js';
import type { Burst } from '../packet/burst.js';
import type { Steering } from '../policy/steering.js';
import { makeFolder } from '../text-file.js';
import type { Chunk } from './chunk.js';
import type { PacketTaker } from './policy-run.js';

/** Files at most: each has a buffer of 512 KiB and a descriptor. */
const FILES_MAX = 256;

/** `3-rps-cpus-0-3`: a directory's name for a policy. */
function directoryName(index: number, text: string): string {
  const name = text.replace(/[^A-Za-z0-9.]+/g, '-').replace(/^[-.]+|[-.]+$/g, '');
  return `${index + 1}-${name.slice(0, 60)}`;
}

/** Policies that choose among queues of their own. */
const WITH_QUEUES: ReadonlySet<string> = new Set(['rss', 'pools', 'mac-hash']);

/** Files of one policy. */
class Division {
  readonly #writers: readonly CaptureWriter[];
  readonly #byQueue: boolean;

  constructor(directory: string, steering: Steering) {
    this.#byQueue = steering.queues > 1 || WITH_QUEUES.has(steering.spec.policy);
    const count = this.#byQueue ? steering.queues : steering.workers;
    if (count > FILES_MAX)
      throw new UserError(`--write: ${count} files for ${steering.text}; ${FILES_MAX} at most`);
    try {
      makeFolder(directory);
    } catch (error) {
      throw fileProblem(directory, error);
    }
    const what = this.#byQueue ? 'queue' : 'worker';
    this.#writers = Array.from({ length: count }, (_, id) =>
      CaptureWriter.create(join(directory, `${what}-${id}.pcap`)),
    );
  }

  write(burst: Burst, chunk: Chunk, from: number): void {
    for (let i = 0; i < burst.n; i++) {
      const target = this.#byQueue ? Math.max(0, burst.rxq[i]!) : burst.worker[i]!;
      const at = from + i;
      this.#writers[target]!.write(
        chunk.bytes,
        chunk.off[at]!,
        chunk.len[at]!,
        Math.min(chunk.wire[at]! + chunk.extra[at]!, 0xffff_ffff),
        chunk.seconds[at]!,
        chunk.nanoseconds[at]!,
      );
    }
  }

  /** Closes all files; gives the first problem. */
  close(): string | null {
    for (const writer of this.#writers) writer.close();
    return this.#writers.find(({ problem }) => problem !== null)?.problem ?? null;
  }
}

/** The captures that a replay writes: `takers` for `replay`, and `close` at the end. */
export class Divider {
  readonly #divisions: Division[] = [];

  constructor(readonly directory: string) {}

  readonly takers = (steerings: readonly Steering[]): PacketTaker[] =>
    steerings.map((steering, index) => {
      const directory =
        steerings.length === 1 ? this.directory : join(this.directory, directoryName(index, steering.text));
      const division = new Division(directory, steering);
      this.#divisions.push(division);
      return (burst, chunk, from) => division.write(burst, chunk, from);
    });

  /** Closes all files; one line for each policy whose packets could not all be written. */
  close(): string[] {
    return this.#divisions.map((division) => division.close()).filter((problem) => problem !== null);
  }
}
