/**
 * Programs that run side by side and take turns: all but one are stopped (SIGSTOP) at any time.
 *
 * Promise: a turn lasts a tenth of a second, so that all of a round meet the same machine: where a virtual CPU has
 * been moved to other hardware, the time that a cache line takes from core to core differs by a factor of three, and
 * that changes within seconds. Warm code stays warm between turns. A child ends with this process.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { median } from '../stats.js';

/** A window counts when both threads ran for so much of it. */
const RAN_LEAST = 0.97;
/** Good windows that a turn needs, and how often it is tried. */
const WINDOWS_LEAST = 5;
const TRIES = 6;
const READY_TIMEOUT_MS = 30_000;

/** What a program answers. */
export interface Answer {
  /** Nanoseconds an item, and the share of the window that all threads ran. */
  readonly windows: readonly (readonly [number, number])[];
  /** Pairs of nanoseconds and frames. */
  readonly latency?: readonly (readonly [number, number])[];
  /** p50, p99, p99.9 of each slice of 5 ms. */
  readonly slices?: readonly (readonly number[])[];
  readonly dropped?: number;
  readonly reordered?: number;
}

/** What V8 said during the windows: `--trace-gc` and `--trace-deopt` lines. */
export interface Unsteady {
  readonly collections: string[];
  readonly deoptimisations: string[];
}

export class Contestant {
  readonly collections: string[] = [];
  readonly deoptimisations: string[] = [];
  private readonly process: ChildProcess;
  private waiting: ((line: string | null) => void)[] = [];
  private lines: string[] = [];
  private stderr = '';
  private inside = false;
  private over = false;

  constructor(
    readonly name: string,
    command: readonly string[],
  ) {
    this.process = spawn('setpriv', ['--pdeathsig', 'KILL', ...command], { stdio: ['pipe', 'pipe', 'pipe'] });
    this.process.stdin!.on('error', () => {});
    this.process.stderr!.setEncoding('utf8').on('data', (text: string) => {
      this.stderr = (this.stderr + text).slice(-4000);
    });
    const end = () => {
      this.over = true;
      for (const resolve of this.waiting.splice(0)) resolve(null);
    };
    this.process.on('error', (error) => {
      this.stderr += error.message;
      end();
    });
    createInterface({ input: this.process.stdout! })
      .on('line', (line) => this.take(line))
      .on('close', end);
  }

  /** Sorts what it prints: answers, marks, and what V8 traces between the marks. */
  private take(line: string): void {
    if (line === '#begin' || line === '#end') this.inside = line === '#begin';
    else if (line === 'ready' || line.startsWith('{')) {
      const resolve = this.waiting.shift();
      if (resolve === undefined) this.lines.push(line);
      else resolve(line);
    } else if (this.inside) {
      if (/: (Scavenge|Mark-Compact|Mark-sweep)/.test(line)) this.collections.push(line);
      else if (/^\[bailout/.test(line)) this.deoptimisations.push(line);
    }
  }

  private async next(timeoutMs: number): Promise<string> {
    let timer: NodeJS.Timeout | undefined;
    const line = await new Promise<string | null>((resolve) => {
      const waiting = this.lines.shift();
      if (waiting !== undefined || this.over) {
        resolve(waiting ?? null);
        return;
      }
      timer = setTimeout(() => resolve(null), timeoutMs);
      this.waiting.push(resolve);
    });
    clearTimeout(timer);
    if (line !== null) return line;
    const gist = this.stderr.split('\n').findLast((text) => text.trim() !== '');
    throw new Error(`${this.name}: ${gist ?? `no answer within ${timeoutMs / 1000} s`}`);
  }

  /** Waits until it is up, and stops it. Throws with what it said when it does not come up. */
  async ready(): Promise<void> {
    const line = await this.next(READY_TIMEOUT_MS);
    if (line !== 'ready') throw new Error(`${this.name}: expected "ready", got "${line.slice(0, 80)}"`);
    this.process.kill('SIGSTOP');
  }

  /** One turn: `count` windows of `seconds`. */
  async turn(seconds: number, count: number): Promise<Answer> {
    this.process.kill('SIGCONT');
    try {
      this.process.stdin!.write(`${seconds} ${count}\n`);
      return JSON.parse(await this.next(1000 * seconds * count + 10_000)) as Answer;
    } finally {
      this.process.kill('SIGSTOP');
    }
  }

  /** A turn's median time an item; null where the machine never let it run undisturbed. */
  async time(seconds: number, count: number): Promise<number | null> {
    const good: number[] = [];
    for (let k = 0; k < TRIES && good.length < WINDOWS_LEAST; k++) {
      for (const [ns, ran] of (await this.turn(seconds, count)).windows) if (ran >= RAN_LEAST) good.push(ns);
    }
    return good.length >= WINDOWS_LEAST ? median(good) : null;
  }

  async end(): Promise<void> {
    if (this.over) return;
    const closed = new Promise((resolve) => this.process.once('close', resolve));
    this.process.kill('SIGKILL');
    await closed;
  }
}
