/**
 * Reading in the thread that runs the policies.
 *
 * Promise: chunks in the order of the capture, one at a time.
 */
import type { PacketChoice } from './choice.js';
import { Chunk } from './chunk.js';
import type { ClockOptions } from './clock.js';
import { Ingest } from './ingest.js';
import type { IngestEnd } from './ingest-order.js';
import { CaptureReader } from './reader.js';

/**
 * Milliseconds that the writer of standard input has to finish after an interrupt: it is in the same foreground group
 * (`tcpdump -w - | rxsteer replay -`), got the interrupt too, and writes what it has buffered.
 */
const GRACE_MS = 500;

/** Facts and flows, when the reader has come to the end. */
export function endOf(ingest: Ingest, reader: CaptureReader, clock: ClockOptions): IngestEnd {
  const { packets } = ingest;
  const { chooser, interrupted } = reader;
  const warnings = [...reader.warnings, ...chooser.warnings(packets)];
  if (interrupted) warnings.push(`interrupted after ${packets} packets: what follows was not read`);
  return {
    facts: ingest.facts({ files: reader.paths.length, warnings, interrupted, ...chooser.facts(packets) }),
    flows: ingest.flows.records(),
    virtualNs: ingest.clock.elapsed / (clock.speed ?? 1),
  };
}

/** Reads in this thread, chunk by chunk, until the end or until `signal` aborts. */
export async function ingestHere(
  paths: readonly string[],
  clock: ClockOptions,
  each: (chunk: Chunk) => void,
  choice: PacketChoice = {},
  signal?: AbortSignal,
): Promise<IngestEnd> {
  const reader = new CaptureReader(paths, choice);
  let grace: NodeJS.Timeout | undefined;
  const stop = () => {
    if (paths.includes('-')) grace = setTimeout(() => reader.stop(), GRACE_MS);
    else reader.stop();
  };
  if (signal?.aborted === true) stop();
  signal?.addEventListener('abort', stop, { once: true });
  const ingest = new Ingest(clock);
  const chunk = new Chunk();
  try {
    while (await reader.next(chunk)) {
      ingest.take(chunk, reader.isNewFile);
      reader.isNewFile = false;
      each(chunk);
    }
  } finally {
    clearTimeout(grace);
    signal?.removeEventListener('abort', stop);
    await reader.close();
  }
  return endOf(ingest, reader, clock);
}
