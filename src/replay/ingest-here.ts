/**
 * Reading in the thread that runs the policies.
 *
 * Promise: chunks in the order of the capture, one at a time.
 */
import { Chunk } from './chunk.js';
import type { ClockOptions } from './clock.js';
import { Ingest } from './ingest.js';
import type { IngestEnd } from './ingest-source.js';
import { CaptureReader } from './reader.js';

/** Facts and flows, when the reader has come to the end. */
export function endOf(ingest: Ingest, reader: CaptureReader, clock: ClockOptions): IngestEnd {
  return {
    facts: ingest.facts({ files: reader.paths.length, warnings: reader.warnings }),
    flows: ingest.flows.records(),
    virtualNs: ingest.clock.elapsed / (clock.speed ?? 1),
  };
}

/** Reads in this thread, chunk by chunk. */
export async function ingestHere(
  paths: readonly string[],
  clock: ClockOptions,
  each: (chunk: Chunk) => void,
): Promise<IngestEnd> {
  const reader = new CaptureReader(paths);
  const ingest = new Ingest(clock);
  const chunk = new Chunk();
  try {
    while (await reader.next(chunk)) {
      ingest.take(chunk, reader.isNewFile);
      reader.isNewFile = false;
      each(chunk);
    }
  } finally {
    await reader.close();
  }
  return endOf(ingest, reader, clock);
}
