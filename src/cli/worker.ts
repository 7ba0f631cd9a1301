/**
 * `rxsteer worker`: computes cells of sweeps that come through a queue.
 *
 * Promise: prints `ready` on standard error when it takes cells. Ends at SIGINT or SIGTERM, after the cells in hand; at
 * the second one at once, and others do those cells; with `--drain` when nothing is left. Cells whose files are not
 * here as the coordinator has them are refused, and said so.
 */
import { availableParallelism, hostname } from 'node:os';
import type { Command } from 'commander';
import { parseQueueAddress } from '../sweep/queue/address.js';
import { connectQueue, queueName, Troubles } from '../sweep/queue/connect.js';
import { cacheFolder } from '../sweep/queue/download.js';
import { parseMap, WorkerFiles } from '../sweep/queue/files.js';
import type { ThreadTask } from '../sweep/queue/thread.js';
import { QueueWorker } from '../sweep/queue/worker.js';
import type { ScenarioAnswer } from '../sweep/scenario-worker.js';
import { startPool } from '../sweep/sweep.js';
import type { SweepAnswer } from '../sweep/worker.js';
import { Interrupt } from './interrupt.js';
import { wholeNumber } from './numbers.js';
import { note, noteLine, print, printJson } from './output.js';
import { version } from './version.js';

interface WorkerFlags {
  readonly queue: string;
  readonly jobs?: string;
  readonly map?: string[];
  readonly cache?: string;
  readonly lock?: string;
  readonly drain?: boolean;
  readonly allowJs?: boolean;
  readonly json?: boolean;
}

const LOCK_SECONDS = 30;
const say = (text: string) => noteLine(`rxsteer: ${text}`);

async function run(flags: WorkerFlags): Promise<void> {
  const { jobs, lock } = flags;
  const threads = jobs === undefined ? availableParallelism() : wholeNumber(jobs, 1, 256, '--jobs');
  const lockSeconds = lock === undefined ? LOCK_SECONDS : wholeNumber(lock, 1, 86_400, '--lock');
  const files = new WorkerFiles({
    maps: (flags.map ?? []).map(parseMap),
    cache: cacheFolder(flags.cache),
    allowCode: flags.allowJs === true,
  });
  const address = parseQueueAddress(flags.queue, process.env);
  const connected = await connectQueue(address);
  const troubles = new Troubles(address, say);
  connected.redis.on('error', (error) => troubles.add(error));
  const name = `${hostname().replace(/[^\w.-]/g, '_')}/${process.pid}`;
  const interrupt = new Interrupt(() =>
    say('ends when the cells in hand are done; a second signal ends it now'),
  );
  const pool = await startPool<ThreadTask, SweepAnswer | ScenarioAnswer>(threads, 'queue/thread.js');
  try {
    const worker = new QueueWorker(connected, {
      ...{ queue: queueName(version()), name, threads, lockMs: 1000 * lockSeconds },
      ...{ untilEmpty: flags.drain === true, files, pool, troubles, note: say },
    });
    interrupt.signal.addEventListener('abort', () => worker.stop());
    await worker.run(() => {
      say(`worker ${name}: ${threads} thread${threads === 1 ? '' : 's'}, ${address.shown}`);
      note('ready');
    });
    const { done, late } = worker;
    if (flags.json === true) printJson({ worker: name, cells: done, late });
    else print(`${done} cells${late > 0 ? `, ${late} more that others had finished` : ''}`);
  } finally {
    interrupt.release();
    connected.close();
    await pool.destroy();
  }
}

/** Adds the command to the program. */
export function register(program: Command): void {
  program
    .command('worker')
    .description('compute cells of sweeps that come through a queue')
    .requiredOption('--queue <url>', 'the queue: redis://HOST:PORT[/DB], as in sweep')
    .option('--jobs <n>', 'threads (default: the processors)')
    .option(
      '--map </from=/to>',
      'captures below /from on the coordinator are below /to, or http://…, here (several)',
      (text: string, all: string[] = []) => [...all, text],
    )
    .option('--cache <folder>', 'where captures behind http:// are kept (default: ~/.cache/rxsteer)')
    .option(
      '--lock <s>',
      'seconds after which cells of a worker that stands still go to others (default: 30)',
    )
    .option('--drain', 'end when nothing is left to do')
    .option('--allow-js', 'run policies js:FILE: programs that lie on this machine')
    .option('--json', 'one JSON document on standard output, at the end')
    .action(run);
}
