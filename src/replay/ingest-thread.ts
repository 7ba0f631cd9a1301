/**
 * The thread that reads: fills free chunks and posts them; ends with the facts. See ingest-source.
 *
 * Keep its imports few: it is started before everything else so that it reads while the policies are loaded.
 */
import { parentPort } from 'node:worker_threads';
import { errorCode, UserError } from '../errors.js';
import { Chunk } from './chunk.js';
import { Ingest } from './ingest.js';
import { endOf } from './ingest-here.js';
import { type IngestMessage, type IngestOrder, STOP_READING } from './ingest-order.js';
import { CaptureReader } from './reader.js';

const port = parentPort!;
function say(message: IngestMessage): void {
  port.postMessage(message);
}

/** Numbers of the chunks that may be filled. */
const free: number[] = [];
let wake: (() => void) | null = null;
let reader: CaptureReader | null = null;
port.once('message', (order: IngestOrder) => {
  port.on('message', (index: number) => {
    if (index === STOP_READING) {
      reader?.stop();
      return;
    }
    free.push(index);
    wake?.();
  });
  void main(order);
});

async function nextFree(): Promise<number> {
  while (free.length === 0) {
    await new Promise<void>((resolve) => {
      wake = resolve;
    });
    wake = null;
  }
  // The last one released is the one that is still in a cache.
  return free.pop()!;
}

async function main({ paths, clock, choice, chunks: memories }: IngestOrder): Promise<void> {
  for (let index = memories.length - 1; index >= 0; index--) free.push(index);
  const chunks = memories.map((memory) => new Chunk(memory));
  const ingest = new Ingest(clock);
  try {
    reader = new CaptureReader(paths, choice);
    for (;;) {
      const index = await nextFree();
      const chunk = chunks[index]!;
      if (!(await reader.next(chunk))) break;
      ingest.take(chunk, reader.isNewFile);
      reader.isNewFile = false;
      say({ note: chunk.note(index) });
    }
    say({ end: endOf(ingest, reader, clock) });
  } catch (error) {
    say({
      message: (error as Error).message,
      isUserError: error instanceof UserError,
      code: errorCode(error),
    });
  } finally {
    await reader?.close();
    port.close();
  }
}
