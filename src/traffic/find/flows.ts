/**
 * Flows that a policy sends to a queue or a worker.
 *
 * Promise: every flow that is given was built anew as a packet and steered by the compiled policy, and went there.
 * Where there is none, the UserError says so, and `solve.ts` how certain that is. Flows are like a given one: first
 * other source ports are looked at, then other source addresses, then both. Deterministic.
 */
import { UserError } from '../../errors.js';
import { parseMac } from '../../mac/address.js';
import { BURST_MAX } from '../../packet/burst.js';
import { describeFrame } from '../../packet/describe.js';
import { type FlowFrameOptions, flowFrame, parseFlow } from '../../packet/flow-text.js';
import type { HashDetails, Steering } from '../../policy/steering.js';
import { FlowLook, type Target, wentTo } from './look.js';
import { type Solution, solveSpace } from './solve.js';
import { FIELD_WORDS, FLOW_FIELDS, type FlowField, FlowSpace } from './space.js';

/** The flow that others are like where nobody says. */
export const DEFAULT_FLOW = 'tcp 10.0.0.1:40000 > 10.1.0.1:80';
/** Flows that are given at most. */
export const FLOWS_MAX = 100_000;

/** What is looked for. One of `queue` and `worker`. */
export interface FlowQuery {
  readonly queue?: number;
  readonly worker?: number;
  /** Default 10, at most `FLOWS_MAX`. */
  readonly count?: number;
  /** Default `DEFAULT_FLOW`. */
  readonly like?: string;
  /** Fields that may differ; default: source port, source address, then both; for mac-hash the hashed addresses. */
  readonly vary?: readonly FlowField[];
  /** Link layer of the flows. */
  readonly link?: FlowFrameOptions;
}

/** One flow, and where it goes. */
export interface FoundFlow {
  /** As `rxsteer explain --flow` takes it. */
  readonly flow: string;
  readonly src: string;
  readonly dst: string;
  readonly protocol: number;
  readonly sport: number | null;
  readonly dport: number | null;
  readonly srcMac: string;
  readonly dstMac: string;
  readonly hash: HashDetails | null;
  readonly bucket: number | null;
  readonly queue: number | null;
  readonly worker: number;
}

/** What was found. */
export interface FoundFlows {
  readonly like: string;
  /** Fields in which the flows differ from `like`. */
  readonly varied: readonly FlowField[];
  /** `algebra` is complete and exact; `search` asks the policy flow by flow, 2^20 times at most. */
  readonly method: 'algebra' | 'search';
  /** How many such flows go there, and of how many; null where they are more than a port's and were not counted. */
  readonly matching: number | null;
  readonly candidates: number | null;
  /** Share of all values of the varied fields that leads there: exact, or of those that were tried. */
  readonly share: number;
  readonly flows: readonly FoundFlow[];
}

/** Policies for which no flow stands for a worker. */
const WITHOUT_FLOWS: Readonly<Record<string, string>> = {
  'round-robin': 'it steers packets, not flows',
  mac: 'it assigns guests by their MAC addresses, whatever the flow',
};

/** @throws UserError for a place that the policy does not have */
function targetOf(steering: Steering, query: FlowQuery, look: FlowLook): Target {
  const { queue, worker } = query;
  if ((queue === undefined) === (worker === undefined)) {
    throw new UserError(
      `${queue === undefined ? 'no place' : '--queue and --worker'} given: one of --queue, --worker is needed`,
    );
  }
  const { policy } = steering.spec;
  const why = WITHOUT_FLOWS[policy];
  if (why !== undefined) throw new UserError(`policy ${policy}: ${why}`);
  if (worker !== undefined) {
    if (worker >= steering.workers)
      throw new UserError(`--worker ${worker}: the workers are 0 to ${steering.workers - 1}`);
    return { kind: 'worker', number: worker };
  }
  if (steering.decision(look.burst, 0).queue === null)
    throw new UserError(`--queue: policy ${policy} has workers only: --worker`);
  if (queue! >= steering.queues)
    throw new UserError(`--queue ${queue}: the queues are 0 to ${steering.queues - 1}`);
  return { kind: 'queue', number: queue! };
}

/** Sets of fields, in the order in which they are tried. */
function spacesFor(steering: Steering, query: FlowQuery, hasPorts: boolean): readonly FlowField[][] {
  if (query.vary !== undefined) {
    const unknown = query.vary.find((field) => !FLOW_FIELDS.includes(field));
    if (unknown !== undefined || query.vary.length === 0 || new Set(query.vary).size < query.vary.length)
      throw new UserError(`--vary "${query.vary.join('+')}": expected some of ${FLOW_FIELDS.join('+')}`);
    return [FLOW_FIELDS.filter((field) => query.vary!.includes(field))];
  }
  if (steering.spec.policy === 'mac-hash') {
    const { fields } = steering.spec;
    return [fields === 'both' ? ['src-mac', 'dst-mac'] : [fields === 'src' ? 'src-mac' : 'dst-mac']];
  }
  return hasPorts ? [['sport'], ['src'], ['sport', 'src']] : [['src']];
}

const macText = (bytes: Uint8Array) => Buffer.from(bytes).toString('hex').match(/../g)!.join(':');

/** The text of frame `i`'s flow, with the protocol's name as it was given. */
function flowText(name: string, look: FlowLook, i: number): string {
  const { src, dst, sport, dport } = describeFrame(look.burst, i);
  const end = (address: string | null, port: number | null) => {
    const text = address!.includes(':') ? `[${address}]` : address!;
    return port === null ? text : `${text}:${port}`;
  };
  return `${name} ${end(src, sport)} > ${end(dst, dport)}`;
}

/** A flow's text and link layer, from its packet. */
interface Drawn {
  readonly text: string;
  readonly srcMac: string;
  readonly dstMac: string;
}

/** Packets of a solution, as texts. */
function drawn(look: FlowLook, space: FlowSpace, solution: Solution, name: string): Drawn[] {
  const all: Drawn[] = [];
  look.each(space, solution.differences, (_, burst, i) => {
    const at = burst.off[i]!;
    const mac = (from: number) => macText(burst.bytes.slice(at + from, at + from + 6));
    all.push({ text: flowText(name, look, i), srcMac: mac(6), dstMac: mac(0) });
    return true;
  });
  return all;
}

/** Builds each flow's packet from its text and steers it. @throws UserError where one does not go to the target */
function steered(
  look: FlowLook,
  flows: readonly Drawn[],
  target: Target,
  link: FlowFrameOptions,
): FoundFlow[] {
  const found: FoundFlow[] = [];
  for (let from = 0; from < flows.length; from += BURST_MAX) {
    const some = flows.slice(from, from + BURST_MAX);
    const burst = look.frames(
      some.map(({ text, srcMac, dstMac }) => flowFrame(parseFlow(text, 'flow'), { ...link, srcMac, dstMac })),
    );
    some.forEach(({ text, srcMac, dstMac }, i) => {
      if (!wentTo(target, burst, i)) {
        const { policy } = look.steering.spec;
        throw new UserError(
          `policy ${policy}: it sends "${text}" to ${target.kind} ${target.number} at one time, elsewhere at another`,
        );
      }
      const { src, dst, protocol, sport, dport } = describeFrame(burst, i);
      const { hash, bucket, queue, worker } = look.steering.decision(burst, i);
      const ends = { src: src!, dst: dst!, protocol: protocol!, sport, dport, srcMac, dstMac };
      found.push({ flow: text, ...ends, hash, bucket, queue, worker });
    });
  }
  return found;
}

/**
 * Flows that a compiled policy sends to `query.queue` or `query.worker`.
 *
 *     findFlows(toSteering('rss:nic=ixgbe-82599,queues=16'), { queue: 5, count: 3 }).flows.map(({ flow }) => flow)
 *
 * @throws UserError where there is none, and for a policy that does not steer by flow.
 */
export function findFlows(steering: Steering, query: FlowQuery): FoundFlows {
  const { like = DEFAULT_FLOW, count = 10, link = {} } = query;
  if (!Number.isSafeInteger(count) || count < 1 || count > FLOWS_MAX)
    throw new UserError(`--count ${count}: expected 1 to ${FLOWS_MAX}`);
  for (const mac of [link.srcMac, link.dstMac]) if (mac !== undefined) parseMac(mac, 'link');
  const base = parseFlow(like, '--like');
  const look = new FlowLook(steering, flowFrame(base, link));
  const target = targetOf(steering, query, look);
  const hasPorts = describeFrame(look.burst, 0).sport !== null;
  const { reason } = steering.decision(look.burst, 0);
  let best: { space: FlowSpace; solution: Solution } | null = null;
  let tried = '';
  for (const fields of spacesFor(steering, query, hasPorts)) {
    const space = new FlowSpace(fields, look.frames([look.frame]));
    const solution = solveSpace(look, space, target, count);
    if (best === null || solution.differences.length > best.solution.differences.length)
      best = { space, solution };
    tried = fields.map((field) => FIELD_WORDS[field]).join(' and ');
    if (solution.differences.length >= count) break;
  }
  const { space, solution } = best!;
  const place = `${target.kind} ${target.number}`;
  if (solution.differences.length === 0) {
    const sure = solution.method === 'algebra' ? 'no flow' : 'no flow found';
    const others = `${sure} like "${like}" that goes to ${place}, whatever the ${tried}`;
    throw new UserError(`${others}; of that one: ${reason}`, { code: 'RXS_NO_FLOW' });
  }
  const flows = steered(look, drawn(look, space, solution, base.protocol), target, link);
  const { differences: _, ...rest } = solution;
  return { like, varied: space.fields, flows, ...rest };
}
