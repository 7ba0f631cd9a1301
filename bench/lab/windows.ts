/**
 * The measured side of `Contestant`, for programs of ours: answers lines "SECONDS COUNT" on standard input with
 * windows, as peers/windows.h does for the C programs.
 *
 * Promise: a window is a time an item and the share of the window that both threads really ran; one in which a
 * thread had to wait for its CPU says nothing about the program. The main thread sleeps in between and is no part
 * of what is measured.
 */
import { closeSync, openSync, readdirSync, readSync } from 'node:fs';
import { createInterface } from 'node:readline';

const sleepWord = new Int32Array(new SharedArrayBuffer(4));

/** Sleeps without the event loop, whose timers are a millisecond coarse. */
function sleepMs(ms: number): void {
  Atomics.wait(sleepWord, 0, 0, ms);
}

/** CPU time of one thread of this process, from the scheduler, in nanoseconds. */
class ThreadClock {
  private readonly fd: number;
  private readonly buffer = Buffer.alloc(128);

  constructor(task: string) {
    this.fd = openSync(`/proc/self/task/${task}/schedstat`, 'r');
  }

  ns(): number {
    const length = readSync(this.fd, this.buffer, 0, 128, 0);
    return Number(this.buffer.toString('latin1', 0, length).split(' ')[0]);
  }

  close(): void {
    closeSync(this.fd);
  }
}

/** Clocks of the `count` threads that run most in a few milliseconds from now on: the ones that work. */
function busiestThreads(count: number): ThreadClock[] {
  const all = readdirSync('/proc/self/task').map((task) => {
    const clock = new ThreadClock(task);
    return { clock, before: clock.ns(), ran: 0 };
  });
  sleepMs(30);
  for (const one of all) one.ran = one.clock.ns() - one.before;
  all.sort((a, b) => b.ran - a.ran);
  for (const { clock } of all.slice(count)) clock.close();
  return all.slice(0, count).map(({ clock }) => clock);
}

/**
 * Serves until standard input ends.
 * @param threads how many threads work
 * @param done items finished so far
 * @param before called when a request has come
 * @param more further fields of the answer
 */
export async function serveWindows(
  threads: number,
  done: () => number,
  before: () => void,
  more: () => object,
): Promise<void> {
  const clocks = busiestThreads(threads);
  process.stdout.write('ready\n');
  for await (const line of createInterface({ input: process.stdin })) {
    const [seconds, count] = line.split(' ').map(Number) as [number, number];
    before();
    process.stdout.write('#begin\n');
    const windows: number[][] = [];
    for (let w = 0; w < count; w++) {
      const cpu = clocks.map((clock) => clock.ns());
      const start = performance.now();
      const first = done();
      sleepMs(seconds * 1000);
      const items = done() - first;
      const ns = (performance.now() - start) * 1e6;
      const ran = clocks.map((clock, t) => (clock.ns() - cpu[t]!) / ns);
      if (items > 0) windows.push([ns / items, Math.min(1, ...ran)]);
    }
    process.stdout.write('#end\n');
    process.stdout.write(`${JSON.stringify({ windows, ...more() })}\n`);
  }
}
