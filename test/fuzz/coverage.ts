/**
 * What code an input has run, from V8's own block coverage: no instrumented build, works for ES modules as they are.
 *
 * Promise: `fresh` says how many source characters of the watched modules ran since the last call for the first time
 * ever; with `learn` off they stay unknown, so that the same question can be asked of each input of a batch alone.
 */
import { Session } from 'node:inspector';

interface Script {
  readonly url: string;
  readonly functions: readonly {
    readonly ranges: readonly {
      readonly startOffset: number;
      readonly endOffset: number;
      readonly count: number;
    }[];
  }[];
}

export class Coverage {
  readonly #session = new Session();
  readonly #seen = new Map<string, Uint8Array>();

  /** @param covers modules whose coverage counts, by their URL */
  constructor(private readonly covers: RegExp) {
    this.#session.connect();
    this.#post('Profiler.enable');
    this.#post('Profiler.startPreciseCoverage', { callCount: false, detailed: true });
  }

  /** Characters that ran since the last call, and never before. */
  fresh(learn: boolean): number {
    const { result } = this.#post('Profiler.takePreciseCoverage') as { result: Script[] };
    let count = 0;
    for (const { url, functions } of result) {
      if (!this.covers.test(url)) continue;
      const end = functions.reduce((most, { ranges }) => Math.max(most, ranges[0]!.endOffset), 0);
      const now = new Uint8Array(end);
      // Outer functions and blocks come first, what lies inside them overwrites.
      for (const { ranges } of functions) {
        for (const range of ranges) now.fill(range.count > 0 ? 1 : 0, range.startOffset, range.endOffset);
      }
      count += this.#merge(url, now, learn);
    }
    return count;
  }

  /** Characters that have run at any time. */
  get size(): number {
    let sum = 0;
    for (const seen of this.#seen.values()) for (const ran of seen) sum += ran;
    return sum;
  }

  close(): void {
    this.#session.disconnect();
  }

  #merge(url: string, now: Uint8Array, learn: boolean): number {
    let seen = this.#seen.get(url) ?? new Uint8Array(0);
    if (seen.length < now.length) {
      const grown = new Uint8Array(now.length);
      grown.set(seen);
      seen = grown;
    }
    let count = 0;
    for (let i = 0; i < now.length; i++) {
      if (now[i] === 0 || seen[i] === 1) continue;
      count++;
      if (learn) seen[i] = 1;
    }
    if (learn) this.#seen.set(url, seen);
    return count;
  }

  #post(method: string, params: object = {}): unknown {
    let answer: unknown;
    // Without a message loop in between: the callback runs inside the call.
    this.#session.post(method, params, (error, result) => {
      if (error !== null) throw new Error(`${method}: ${error.message}`);
      answer = result;
    });
    return answer;
  }
}
