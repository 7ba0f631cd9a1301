/**
 * `js:FILE`: a policy of the user's, an ES module (or CommonJS) with one function.
 *
 *     // even-odd.mjs
 *     export default ({ workers }) => ({
 *       steer(burst) {
 *         for (let i = 0; i < burst.n; i++) burst.worker[i] = burst.flow[i] & 1 ? 1 % workers : 0;
 *       },
 *     });
 *
 * Promise: the module gets dissected bursts and a context (`workers`, `ports`, `seed`, `options`: every key=value
 * behind the file name) and gives a `UserPolicy`. Before each call worker is 0, hash and hashType 0, bucket and rxq
 * -1; what it writes is checked, and a worker (queue, bucket, hash type) that does not exist is an error, not a lost frame. Loaded once in each
 * worker thread; a module without top-level await is needed, because policies are compiled synchronously.
 */
import { createRequire } from 'node:module';
import { resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { UserError } from '../errors.js';
import { HASH_TYPE_NAMES } from '../nic/hash-types.js';
import { TABLE_SIZE_MAX } from '../nic/indirection-table.js';
import type { Burst } from '../packet/burst.js';
import type { JsSpec } from './spec.js';
import {
  type CompileContext,
  type CompileOptions,
  type Decision,
  decisionOf,
  type PolicyPort,
  type Steering,
} from './steering.js';

/** What a user's module is told. */
export interface UserPolicyContext {
  readonly workers: number;
  /** Ports by index; empty where they are not known. */
  readonly ports: readonly PolicyPort[];
  readonly seed: number;
  /** Values behind the file name, as text. */
  readonly options: Readonly<Record<string, string>>;
}

/** What a user's module gives back. */
export interface UserPolicy {
  /** Fills `burst.worker`, and where it makes sense hash, bucket and rxq. */
  steer(burst: Burst): void;
  /** Why frame `i` went where it went, one line. */
  explain?(burst: Burst, i: number): string;
  /** Queues that the policy knows; default 1, and then `queue` is null in explanations. */
  readonly queues?: number;
}

/** What a user's module exports. Called once for each worker thread. */
export type UserPolicyFactory = (context: UserPolicyContext) => UserPolicy;

function firstLine(error: unknown): string {
  return String((error as Error)?.message ?? error).split('\n')[0]!;
}

/** @throws UserError for a module that cannot be loaded or has no function to offer. */
function loadFactory(file: string): UserPolicyFactory {
  const path = resolve(file);
  let module: unknown;
  try {
    module = createRequire(pathToFileURL(path))(path);
  } catch (error) {
    throw new UserError(`policy js: ${file}: ${firstLine(error)}`);
  }
  const exported = module as { default?: unknown; policy?: unknown } | UserPolicyFactory;
  const factory = typeof exported === 'function' ? exported : (exported?.default ?? exported?.policy);
  if (typeof factory === 'function') return factory as UserPolicyFactory;
  throw new UserError(`policy js: ${file}: it exports no function as default`);
}

export class UserSteering implements Steering {
  readonly text: string;
  readonly workers: number;
  readonly queues: number;
  readonly #policy: UserPolicy;
  readonly #hasQueues: boolean;

  constructor(
    readonly spec: JsSpec,
    context: CompileContext,
    factory: UserPolicyFactory = loadFactory(spec.file),
  ) {
    this.text = spec.text;
    this.workers = context.workers;
    try {
      this.#policy = factory({
        workers: context.workers,
        ports: context.ports ?? [],
        seed: spec.seed,
        options: spec.options,
      });
    } catch (error) {
      throw new UserError(`policy js: ${spec.file}: ${firstLine(error)}`);
    }
    if (typeof this.#policy?.steer !== 'function') {
      throw new UserError(`policy js: ${spec.file}: its function gives no object with steer(burst)`);
    }
    this.#hasQueues = this.#policy.queues !== undefined;
    this.queues = this.#policy.queues ?? 1;
  }

  steer(burst: Burst): void {
    const { n, worker, rxq, bucket, hashType } = burst;
    worker.fill(0, 0, n);
    burst.hash.fill(0, 0, n);
    hashType.fill(0, 0, n);
    bucket.fill(-1, 0, n);
    rxq.fill(-1, 0, n);
    this.#policy.steer(burst);
    for (let i = 0; i < n; i++) {
      if (worker[i]! >>> 0 >= this.workers) this.#refuse('worker', worker[i]!, this.workers);
      if (rxq[i]! >= this.queues) this.#refuse('queue', rxq[i]!, this.queues);
      if (bucket[i]! >= TABLE_SIZE_MAX) this.#refuse('bucket', bucket[i]!, TABLE_SIZE_MAX);
      if (hashType[i]! >>> 0 >= HASH_TYPE_NAMES.length) {
        this.#refuse('hash type', hashType[i]!, HASH_TYPE_NAMES.length);
      }
    }
  }

  decision(burst: Burst, i: number): Decision {
    const own = this.#policy.explain?.(burst, i);
    const reason = own === undefined ? `${this.spec.file} chose worker ${burst.worker[i]}` : firstLine(own);
    return decisionOf(burst, i, null, reason, this.#hasQueues);
  }

  explain(burst: Burst, i: number): string {
    return this.decision(burst, i).reason;
  }

  #refuse(what: string, value: number, count: number): never {
    throw new UserError(
      `policy js: ${this.spec.file}: ${what} ${value} does not exist; ${what}s: 0 to ${count - 1}`,
    );
  }
}

/**
 * A policy of one's own that is a function here instead of a file: `js:FILE` without the file, for experiments.
 *
 *     compileUserPolicy(({ workers }) => ({
 *       steer(burst) {
 *         for (let i = 0; i < burst.n; i++) burst.worker[i] = burst.len[i] % workers;
 *       },
 *     }), { workers: 4 })
 *
 * @param options.workers default 1.
 * @throws UserError when the function throws or gives no object with `steer(burst)`.
 */
export function compileUserPolicy(factory: UserPolicyFactory, options: CompileOptions = {}): Steering {
  const file = factory.name || 'function';
  const spec: JsSpec = {
    policy: 'js',
    file,
    text: `js:${file}`,
    options: {},
    seed: 1,
    order: 'none',
    stage: 'cpu',
  };
  const context: CompileContext = {
    workers: options.workers ?? 1,
    ports: options.ports ?? null,
    shared: options.shared ?? null,
  };
  return new UserSteering(spec, context, factory);
}
