/**
 * Experiments without ceremony: frames in, spread or explanation out.
 *
 * Promise: the same dissection and the same steering functions as in the forwarder, burst by burst; nothing is
 * sampled. Frames are copied, so the caller may reuse them. One thread; state (owner tables, flow tables) belongs to
 * the experiment. Whoever wants each frame's decision looks at the bursts (`onBurst`).
 */
import { UserError } from '../errors.js';
import { BURST_MAX, Burst } from '../packet/burst.js';
import { dissectBurst } from '../packet/dissect.js';
import { flowFrame, parseFlow } from '../packet/flow-text.js';
import { compilePolicy } from './compile.js';
import { type Explanation, explainFrame } from './explanation.js';
import { parsePolicy } from './parse.js';
import type { PolicySpec } from './spec.js';
import { type Spread, SpreadCounter } from './spread.js';
import type { CompileOptions, Steering } from './steering.js';
import { compileUserPolicy, type UserPolicyFactory } from './user.js';

/**
 * A policy in any form: a policy string (`rss:queues=4`, `@policy.yaml`), its object, a function of one's own as
 * `js:FILE` exports it, what `parsePolicy` gave, or a compiled one.
 */
export type AnyPolicy = string | object | UserPolicyFactory | Steering;

/** Bytes of frames in one burst at most: room for the longest packet that a capture may hold. */
const POOL_BYTES = 1 << 18;

/**
 * Compiles a policy given in any form; a compiled one is passed on (the options then have no effect).
 *
 *     toSteering('rps:cpus=0-3').workers                                          // 4
 *     toSteering(({ workers }) => ({ steer(burst) {} }), { workers: 2 }).workers   // 2
 *
 * @throws UserError for a policy that does not exist or contradicts itself, the workers or the ports.
 */
export function toSteering(policy: AnyPolicy, options: CompileOptions = {}): Steering {
  if (typeof policy === 'function') return compileUserPolicy(policy as UserPolicyFactory, options);
  if (typeof policy === 'object') {
    if ('steer' in policy && 'decision' in policy) return policy as Steering;
    // Only parsing adds the text: the result of parsePolicy.
    if ('text' in policy && 'order' in policy) return compilePolicy(policy as PolicySpec, options);
  }
  return compilePolicy(parsePolicy(policy), options);
}

/** What an experiment may be told. */
export interface ExperimentOptions extends CompileOptions {
  /**
   * Gets each burst after it was dissected and steered, before it is counted and reused: `burst.worker[i]`,
   * `burst.hash[i]`, `steering.explain(burst, i)`, ….
   */
  readonly onBurst?: (burst: Burst, steering: Steering) => void;
}

/** The frame that is meant by a frame or by a flow's text. */
function frameOf(packet: Uint8Array | string): Uint8Array {
  if (packet instanceof Uint8Array) return packet;
  if (typeof packet === 'string') return flowFrame(parseFlow(packet, 'flow'));
  throw new UserError('packet: expected an Ethernet frame (Uint8Array) or a flow as text');
}

/**
 * Feeds frames to one policy and counts where they go. For frames that come over time (captures, several ports, RFS
 * with `steering.record`); for a list of frames `steerFrames` is shorter.
 *
 *     const experiment = new Experiment('rss:nic=ice-e810,queues=8');
 *     for await (const frame of captureFrames('in.pcap')) experiment.add(frame);
 *     console.log(experiment.spread().gini);
 */
export class Experiment {
  /** The compiled policy. */
  readonly steering: Steering;
  readonly #burst: Burst;
  readonly #counter: SpreadCounter;
  readonly #onBurst: ExperimentOptions['onBurst'];
  #end = 0;

  /** @throws UserError see `toSteering`. */
  constructor(policy: AnyPolicy, options: ExperimentOptions = {}) {
    this.steering = toSteering(policy, options);
    this.#burst = new Burst(new Uint8Array(POOL_BYTES), false);
    this.#counter = new SpreadCounter(this.steering.workers, this.steering.queues);
    this.#onBurst = options.onBurst;
  }

  /**
   * Adds a packet, received on the port with this index. It is steered when a burst is full, the port changes, or
   * somebody asks for the spread.
   * @param packet an Ethernet frame, or a flow as text (`tcp 192.0.2.1:1000 > 192.0.2.2:80`), of which it is one.
   * @throws UserError for a frame of more than 262144 bytes, and for what is no flow.
   */
  add(packet: Uint8Array | string, port = 0): void {
    const frame = frameOf(packet);
    if (frame.length > POOL_BYTES) {
      throw new UserError(`frame of ${frame.length} bytes: ${POOL_BYTES} are permitted`);
    }
    const burst = this.#burst;
    if (burst.n === BURST_MAX || this.#end + frame.length > POOL_BYTES || burst.port !== port) this.flush();
    burst.port = port;
    burst.bytes.set(frame, this.#end);
    burst.add(this.#end, frame.length);
    this.#end += frame.length;
  }

  /** Steers and counts what was added and not steered yet. */
  flush(): void {
    const burst = this.#burst;
    if (burst.n > 0) {
      dissectBurst(burst);
      this.steering.steer(burst);
      this.#onBurst?.(burst, this.steering);
      this.#counter.count(burst);
    }
    burst.n = 0;
    this.#end = 0;
  }

  /** Where everything went that was added so far. */
  spread(): Spread {
    this.flush();
    return this.#counter.spread();
  }
}

/**
 * Steers packets by a policy and tells how they spread.
 *
 *     steerFrames('rss:queues=4', ['udp 10.0.0.1:1 > 10.0.0.2:53', 'udp 10.0.0.1:2 > 10.0.0.2:53']).queues
 *
 * @param frames Ethernet frames, or flows as text for one packet each; from a generator for example; read once. With
 * frames that come asynchronously (`captureFrames(path)`) the result is a promise.
 * @throws UserError see `toSteering` and `Experiment.add`.
 */
export function steerFrames(
  policy: AnyPolicy,
  frames: Iterable<Uint8Array | string>,
  options?: ExperimentOptions,
): Spread;
export function steerFrames(
  policy: AnyPolicy,
  frames: AsyncIterable<Uint8Array | string>,
  options?: ExperimentOptions,
): Promise<Spread>;
export function steerFrames(
  policy: AnyPolicy,
  frames: Iterable<Uint8Array | string> | AsyncIterable<Uint8Array | string>,
  options: ExperimentOptions = {},
): Spread | Promise<Spread> {
  const experiment = new Experiment(policy, options);
  if (Symbol.asyncIterator in frames) return steerLater(experiment, frames);
  if (!(Symbol.iterator in frames)) throw new UserError('frames: expected a list or a generator of frames');
  for (const frame of frames) experiment.add(frame);
  return experiment.spread();
}

async function steerLater(
  experiment: Experiment,
  frames: AsyncIterable<Uint8Array | string>,
): Promise<Spread> {
  for await (const frame of frames) experiment.add(frame);
  return experiment.spread();
}

/**
 * Where one packet goes under a policy, and why.
 *
 *     explain('rss:nic=ixgbe-82599,queues=16,key=microsoft', 'tcp 66.9.149.187:2794 > 161.142.100.80:1766').queue   // 8
 *
 * @param packet an Ethernet frame, or a flow as text (`tcp 192.0.2.1:1000 > 192.0.2.2:80`; see `parseFlow`).
 * @throws UserError see `toSteering` and `parseFlow`.
 */
export function explain(
  policy: AnyPolicy,
  packet: Uint8Array | string,
  options: CompileOptions = {},
): Explanation {
  return explainFrame(toSteering(policy, options), frameOf(packet));
}
