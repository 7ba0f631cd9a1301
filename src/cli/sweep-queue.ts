/**
 * `rxsteer sweep --queue`: cells go to workers through a queue.
 *
 * Promise: whether the packages and the server are there is known before anything else is done. What workers refuse and
 * troubles of the connection are lines on standard error, each once; the bar shows the cells of all workers.
 */

import { parseQueueAddress } from '../sweep/queue/address.js';
import { connectQueue, queueName, Troubles } from '../sweep/queue/connect.js';
import { Coordinator, type QueuedCell } from '../sweep/queue/coordinator.js';
import type { z } from '../vendor/zod.js';
import { Interrupt } from './interrupt.js';
import { noteLine } from './output.js';
import type { LocalRun } from './sweep-kind.js';
import { Bar } from './sweep-progress.js';
import { version } from './version.js';

/** A queue that is there. */
export interface OpenQueue {
  /** Cells that workers could not compute, and why. */
  readonly failures: ReadonlyMap<string, string>;
  /** Has cells computed; true where it was interrupted. */
  compute<L extends { readonly key: string }>(
    cells: readonly QueuedCell<L>[],
    results: { readonly schema: z.ZodType<L> },
    run: LocalRun<L>,
  ): Promise<boolean>;
  close(): void;
}

const say = (text: string) => noteLine(`rxsteer: ${text}`);

/** @throws UserError where it cannot be used */
export async function openQueue(text: string): Promise<OpenQueue> {
  const address = parseQueueAddress(text, process.env);
  const connected = await connectQueue(address);
  const troubles = new Troubles(address, say);
  connected.redis.on('error', (error) => troubles.add(error));
  let failures: ReadonlyMap<string, string> = new Map();
  return {
    get failures() {
      return failures;
    },
    async compute(cells, { schema }, run) {
      const bar = new Bar(cells.length, run.done, run.all);
      const interrupt = new Interrupt();
      const shares = new Map<string, number>();
      let isTold = false;
      const coordinator = new Coordinator(cells, connected, {
        ...{ queue: queueName(version()), schema, troubles, signal: interrupt.signal, note: say },
        onLine: (line, worker) => {
          shares.set(worker, (shares.get(worker) ?? 0) + 1);
          run.onLine(line);
          bar.add(1, 1);
        },
        onWorkers: (names) => {
          bar.workers(names.length);
          if (names.length > 0 || isTold) return;
          isTold = true;
          say(`no worker yet: rxsteer worker --queue ${address.shown}`);
        },
      });
      failures = coordinator.failures;
      try {
        return await coordinator.run();
      } finally {
        bar.stop();
        interrupt.release();
        const each = [...shares].map(([name, count]) => `${name} ${count}`).join(', ');
        if (shares.size > 0) say(`cells by worker: ${each}`);
      }
    },
    close: () => connected.close(),
  };
}
