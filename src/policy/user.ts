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
 * -1; what it writes is checked. Its burst is a copy: whatever it writes there besides worker, hash,
 * hashType, bucket and rxq (frame ids, lengths, descriptors, counts) changes nothing. In a model (explain, replay, the library) a module that throws or names a worker or
 * queue that does not exist is an error that names the file. In the forwarder such frames go to worker 0 and are
 * counted, and the count and the first fault are a warning at the end: a fault that depends on the traffic would
 * otherwise kill each new worker in turn, and a frame at the wrong worker is still forwarded. Loaded once in each
 * worker thread; a module without top-level await is needed, because policies are compiled synchronously.
 */
import { createRequire } from 'node:module';
import { resolve } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { UserError } from '../errors.js';
import { HASH_TYPE_NAMES } from '../nic/hash-types.js';
import { TABLE_SIZE_MAX } from '../nic/indirection-table.js';
import { Burst, Field, PARTS } from '../packet/burst.js';
import { DESCRIPTOR_WORDS } from '../packet/descriptor.js';
import { tagOf } from '../packet/flow-tag.js';
import { checkTextFile } from '../text-file.js';
import { QUEUES_MAX } from './numbers.js';
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

/** Modules of this program and of Node: what a user's module got wrong is in none of them. */
const OWN_FOLDER = fileURLToPath(new URL('..', import.meta.url));

/** `FILE:LINE` of the innermost call outside this program; null where the error does not say. */
function positionOf(error: unknown): string | null {
  const { stack } = error as { stack?: unknown };
  if (typeof stack !== 'string') return null;
  for (const [, path, line] of stack.matchAll(/(?:^|[\s(])(?:file:\/\/)?(\/[^\n()]*?):(\d+)(?=[:)\n]|$)/g)) {
    if (!path!.startsWith(OWN_FOLDER)) return `${path}:${line}`;
  }
  return null;
}

/** What was thrown, and where: one line. */
function told(error: unknown): string {
  const message = String((error as Error)?.message ?? error).split('\n')[0]!;
  const position = positionOf(error);
  return position === null ? message : `${message} (at ${position})`;
}

/** @throws UserError for a module that cannot be loaded or has no function to offer. */
function loadFactory(file: string): UserPolicyFactory {
  const path = resolve(file);
  checkTextFile(path, `policy js: ${file}`);
  if (/\.[cm]?ts$/.test(file) && !(process.features as { typescript?: unknown }).typescript) {
    throw new UserError(
      `policy js: ${file}: Node ${process.versions.node} does not load TypeScript: compile it to JavaScript, or use Node 22.18 or newer`,
    );
  }
  let module: unknown;
  try {
    module = createRequire(pathToFileURL(path))(path);
  } catch (error) {
    throw new UserError(`policy js: ${file}: ${told(error)}`);
  }
  const exported = module as { default?: unknown; policy?: unknown } | UserPolicyFactory;
  const factory = typeof exported === 'function' ? exported : (exported?.default ?? exported?.policy);
  if (typeof factory === 'function') return factory as UserPolicyFactory;
  throw new UserError(`policy js: ${file}: it exports no function as default`);
}

/** Fields that dissection and the port fill, in the order of `Field`; the MAC fields between them are unpacked when asked. */
const INPUTS = [
  Field.id,
  Field.off,
  Field.len,
  Field.flags,
  Field.kind,
  Field.ethertype,
  Field.l3,
  Field.l4,
  Field.vlan,
  Field.flow,
];
const FLOW = Field.flow;
const OUTPUTS = [Field.worker, Field.hash, Field.hashType, Field.bucket, Field.rxq];

/** Copies these fields of frames 0 … n-1. */
function copyFields(from: Int32Array, to: Int32Array, fields: readonly number[], n: number): void {
  for (const field of fields) for (let i = field; i < field + n; i++) to[i] = from[i]!;
}

export class UserSteering implements Steering {
  readonly text: string;
  readonly workers: number;
  readonly queues: number;
  readonly #policy: UserPolicy;
  readonly #hasQueues: boolean;
  readonly #isTolerant: boolean;
  /** What the module is given instead of the engine's burst; its fields, and the memory that its frames lie in. */
  #copy: Burst | null = null;
  #words = new Int32Array(0);
  #bytes: Uint8Array | null = null;
  #misled = 0;
  #firstFault = '';

  constructor(
    readonly spec: JsSpec,
    context: CompileContext,
    factory: UserPolicyFactory = loadFactory(spec.file),
  ) {
    this.text = spec.text;
    this.workers = context.workers;
    this.#isTolerant = context.faults === 'count';
    let queues: unknown;
    try {
      this.#policy = factory({
        workers: context.workers,
        // Copies: the originals are the engine's.
        ports: (context.ports ?? []).map(({ name }) => ({ name })),
        seed: spec.seed,
        options: { ...spec.options },
      });
      queues = this.#policy?.queues;
    } catch (error) {
      throw this.#fault(told(error));
    }
    if (typeof this.#policy?.steer !== 'function') {
      throw this.#fault('its function gives no object with steer(burst)');
    }
    const isCount = Number.isInteger(queues) && Number(queues) >= 1 && Number(queues) <= QUEUES_MAX;
    if (queues !== undefined && !isCount) {
      throw this.#fault(`queues ${String(queues)}: expected a whole number from 1 to ${QUEUES_MAX}`);
    }
    this.#hasQueues = queues !== undefined;
    this.queues = (queues as number | undefined) ?? 1;
  }

  steer(burst: Burst): void {
    const { n } = burst;
    reset(burst, n);
    const problem = this.#ask(this.#copyOf(burst));
    if (problem !== null) {
      if (!this.#isTolerant) throw this.#fault(problem);
      this.#note(problem, n);
      return;
    }
    copyFields(this.#words, burst.words, OUTPUTS, n);
    this.#check(burst);
  }

  /** The burst as the module gets it: with all fields as they are, in arrays that the engine does not read again. */
  #copyOf(burst: Burst): Burst {
    const { n, bytes } = burst;
    let copy = this.#copy;
    if (copy === null || this.#bytes !== bytes) {
      copy = new Burst(bytes, burst.packs);
      this.#copy = copy;
      this.#bytes = bytes;
      this.#words = copy.words;
    }
    const words = this.#words;
    copy.n = n;
    copy.port = burst.port;
    copy.queue = burst.queue;
    copy.bad = burst.bad;
    copy.hasMacs = false;
    copyFields(burst.words, words, INPUTS, n);
    copyFields(burst.words, words, OUTPUTS, n);
    // By the copy's own keys, the default ones: a policy steers alike in every engine, and offline.
    for (let i = 0; i < n; i++) words[FLOW + i] = tagOf(words, burst, i);
    const end = PARTS + n * DESCRIPTOR_WORDS;
    for (let i = PARTS; i < end; i++) words[i] = burst.words[i]!;
    return copy;
  }

  /** What went wrong so far, one line; null where nothing did. */
  complaint(): string | null {
    if (this.#misled === 0) return null;
    return `policy js: ${this.spec.file}: ${this.#misled} frames went to worker 0 instead; first: ${this.#firstFault}`;
  }

  decision(burst: Burst, i: number): Decision {
    let own: unknown;
    try {
      own = this.#policy.explain?.(this.#copyOf(burst), i);
    } catch (error) {
      const fault = this.#fault(`explain: ${told(error)}`);
      if (!this.#isTolerant) throw fault;
      own = fault.message;
    }
    const reason =
      own === undefined ? `${this.spec.file} chose worker ${burst.worker[i]}` : String(own).split('\n')[0]!;
    return decisionOf(burst, i, null, reason, this.#hasQueues);
  }

  explain(burst: Burst, i: number): string {
    return this.decision(burst, i).reason;
  }

  /** Lets the module steer; what it did wrong as a whole, or null. */
  #ask(burst: Burst): string | null {
    try {
      const result: unknown = this.#policy.steer(burst);
      if (result === undefined || result === null || !(result instanceof Promise)) return null;
      // Nobody waits for it; without a handler its failure would end the process.
      result.catch(() => {});
      return 'steer gives a promise: it must steer before it returns';
    } catch (error) {
      return told(error);
    }
  }

  /** Workers and queues that do not exist. */
  #check(burst: Burst): void {
    const { n, worker, rxq, bucket, hashType } = burst;
    const queues = this.#hasQueues ? this.queues : Number.POSITIVE_INFINITY;
    const types = HASH_TYPE_NAMES.length;
    for (let i = 0; i < n; i++) {
      const isWorker = worker[i]! >>> 0 < this.workers;
      const isQueue = rxq[i]! >= -1 && rxq[i]! < queues;
      const isBucket = bucket[i]! < TABLE_SIZE_MAX;
      if (isWorker && isQueue && isBucket && hashType[i]! >>> 0 < types) continue;
      const problem = !isWorker
        ? `worker ${worker[i]} does not exist; workers: 0 to ${this.workers - 1}`
        : !isQueue
          ? `queue ${rxq[i]} does not exist; queues: 0 to ${this.queues - 1}`
          : !isBucket
            ? `bucket ${bucket[i]} does not exist; buckets: 0 to ${TABLE_SIZE_MAX - 1}`
            : `hash type ${hashType[i]} does not exist; hash types: 0 to ${types - 1}`;
      if (!this.#isTolerant) throw this.#fault(problem);
      worker[i] = 0;
      rxq[i] = -1;
      bucket[i] = -1;
      hashType[i] = 0;
      this.#note(problem, 1);
    }
  }

  #note(problem: string, frames: number): void {
    if (this.#misled === 0) this.#firstFault = problem;
    this.#misled += frames;
  }

  #fault(problem: string): UserError {
    return new UserError(`policy js: ${this.spec.file}: ${problem}`);
  }
}

/** The neutral values that a module finds. */
function reset(burst: Burst, n: number): void {
  burst.worker.fill(0, 0, n);
  burst.hash.fill(0, 0, n);
  burst.hashType.fill(0, 0, n);
  burst.bucket.fill(-1, 0, n);
  burst.rxq.fill(-1, 0, n);
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
    faults: options.faults ?? 'throw',
  };
  return new UserSteering(spec, context, factory);
}
