/**
 * The declarative policy: one schema for each policy, the same for policy strings and for files.
 *
 * Promise: a value of type `PolicySpec` came through its schema, so compilers trust its types and ranges; what
 * depends on the machine (number of workers, ports) is checked when the policy is compiled.
 */

import type { HashTypeName } from '../nic/hash-types.js';
import { TABLE_SIZE_MAX } from '../nic/indirection-table.js';
import { RSS_FUNCTIONS } from '../nic/rss-hash.js';
import { TUNNEL_NAMES } from '../packet/tunnel.js';
import { z } from '../vendor/zod.js';
import { nicKeys } from './nic-spec.js';
import { wholePattern } from './number-pattern.js';
import { poolsSchema } from './pools-spec.js';
import {
  alsoAs,
  commonKeys,
  cpuList,
  decimal,
  implementationKey,
  integer,
  kernelKey,
  keyText,
  nameList,
  numberList,
  oneOf,
  QUEUES_MAX,
  queuesKey,
  stringList,
  symmetricKey,
  typesKey,
  WORKER_MAX,
} from './values.js';

const single = z.strictObject({ policy: z.literal('single'), ...commonKeys });

const rss = z.strictObject({
  policy: z.literal('rss'),
  ...commonKeys,
  /** A profile or the name of a driver; default: what `ethtool` says, else generic. */
  nic: z.string({ error: 'the name of a NIC' }).optional(),
  queues: queuesKey,
  key: keyText().optional(),
  types: typesKey,
  symmetric: symmetricKey,
  /** What turns the input into a hash; default Toeplitz. */
  function: oneOf(RSS_FUNCTIONS).optional(),
  implementation: implementationKey,
  table: integer(1, TABLE_SIZE_MAX).optional(),
  /** Tunnels whose inner packet is hashed instead of the outer one. */
  inner: nameList(TUNNEL_NAMES).optional(),
  /** Output of `ethtool -x` (and `-n … rx-flow-hash`): a file, or - for standard input; read when parsed. */
  ethtool: z.string({ error: 'a file, or -' }).min(1, { error: 'a file, or -' }).optional(),
  /** The whole table; or `weight`, or `equal`, with `start`, as `ethtool -X` fills it. */
  entries: numberList(QUEUES_MAX - 1, 'queues').optional(),
  weight: numberList(TABLE_SIZE_MAX, 'weights', '3+1').optional(),
  equal: integer(1, QUEUES_MAX).optional(),
  start: integer(0, QUEUES_MAX - 1).optional(),
  /** Traffic classes without pools; `queues` and the table are those of one class then. */
  tcs: integer(2, 8).optional(),
  /** Traffic class of each VLAN priority. */
  classes: numberList(7, 'traffic classes').optional(),
  ...nicKeys,
});

const rps = z.strictObject({
  policy: z.literal('rps'),
  ...commonKeys,
  cpus: cpuList(),
  hash: oneOf(['linux', 'toeplitz']).default('linux'),
  key: keyText().optional(),
  implementation: implementationKey,
});

const rfs = z.strictObject({
  policy: z.literal('rfs'),
  ...commonKeys,
  cpus: cpuList(),
  hash: oneOf(['linux', 'toeplitz']).default('linux'),
  key: keyText().optional(),
  implementation: implementationKey,
  /** The socket table (`rps_sock_flow_entries`) and each queue's flow table (`rps_flow_cnt`). */
  entries: integer(1, 1 << 24).default(32768),
  flows: integer(1, 1 << 20).default(4096),
  /** Release whose behaviour it is; default a current one. */
  kernel: kernelKey,
});

const js = z.strictObject({
  policy: z.literal('js'),
  ...commonKeys,
  file: z.string({ error: 'a file' }).min(1, { error: 'a file' }),
  /** For the module; behind the file name in a policy string. */
  options: z
    .record(z.string(), z.union([z.string(), z.number(), z.boolean()]).transform(String), {
      error: 'key: value',
    })
    .default({}),
});

const worker = integer(0, WORKER_MAX);

/** An owner as files give it; `cpu` is another word for `worker` (a worker is an emulated CPU). */
const owner = z
  .strictObject({
    mac: z.string({ error: 'a MAC address' }),
    vlan: integer(0, 4094).optional(),
    worker: worker.optional(),
    cpu: worker.optional(),
  })
  .refine((value) => (value.worker === undefined) !== (value.cpu === undefined), {
    error: 'worker (or cpu) is needed, one of them',
  })
  .meta({ oneOf: [{ required: ['worker'] }, { required: ['cpu'] }] });

/** A number in the JSON Schema of owners. */
const ownerNumber = (maximum: number) => ({
  anyOf: [
    { type: 'integer', minimum: 0, maximum },
    { type: 'string', pattern: `^${wholePattern(0, maximum)}$` },
  ],
});

/** Owners as a list, or short as `mac: worker`. */
const owners = alsoAs(
  z.preprocess(
    (value) =>
      typeof value === 'object' && value !== null && !Array.isArray(value)
        ? Object.entries(value).map(([mac, entry]) =>
            typeof entry === 'object' && entry !== null ? { mac, ...entry } : { mac, worker: entry },
          )
        : value,
    z.array(owner, { error: 'a list of { mac, vlan, worker }, or MAC: worker' }),
  ),
  {
    type: 'object',
    additionalProperties: {
      anyOf: [
        ownerNumber(WORKER_MAX),
        {
          type: 'object',
          properties: {
            mac: { type: 'string' },
            vlan: ownerNumber(4094),
            worker: ownerNumber(WORKER_MAX),
            cpu: ownerNumber(WORKER_MAX),
          },
          additionalProperties: false,
          oneOf: [{ required: ['worker'] }, { required: ['cpu'] }],
        },
      ],
    },
  },
);

const mac = z.strictObject({
  policy: z.literal('mac'),
  ...commonKeys,
  assign: oneOf(['least-loaded', 'follow-cpu', 'static']).default('least-loaded'),
  owners: owners.default([]),
  /** Owner (CPU of the consumer) of a port, by its name. */
  ports: z.record(z.string(), worker, { error: 'port: worker' }).default({}),
  /** Ports with strangers behind them: nothing is learned there. */
  uplink: stringList().default([]),
  guests: integer(1, 65536).default(4096),
  guestsPerPort: integer(1, 65536).default(1024),
  /** Seconds without a frame from it after which a learned guest is forgotten. */
  age: integer(1, 1_000_000).default(300),
  /** Share of each worker in what is placed by load, one weight a worker. */
  weights: numberList(1000, 'weights', '3+1').optional(),
  /** follow-cpu: a worker takes its ports' guests up to so many times its share of all; then the least loaded. */
  bound: decimal(1, 1000).optional(),
});

const macHash = z.strictObject({
  policy: z.literal('mac-hash'),
  ...commonKeys,
  fields: oneOf(['dst', 'src', 'both']).default('dst'),
  queues: queuesKey,
  key: keyText().optional(),
});

const roundRobin = z.strictObject({ policy: z.literal('round-robin'), ...commonKeys });

/** Schemas by name: the policies that exist. */
export const schemas = {
  single,
  rss,
  rps,
  rfs,
  mac,
  'mac-hash': macHash,
  pools: poolsSchema,
  'round-robin': roundRobin,
  js,
} as const;

/** Name of a policy. */
export type PolicyName = keyof typeof schemas;
/** Names of all policies. */
export const POLICY_NAMES = Object.keys(schemas) as PolicyName[];

/** Promise of order: every flow in order, as Linux keeps it, or none. */
export type Order = 'strict' | 'linux' | 'none';
/** Where steering happens: in the NIC (the queue chooses the worker), or on the CPU that received. */
export type Stage = 'nic' | 'cpu';

/** What parsing adds to the values: the policy as the user gave it, and the defaults that depend on the context. */
interface Given {
  readonly text: string;
  readonly order: Order;
  readonly stage: Stage;
}

type Spec<T extends z.ZodType> = Omit<z.infer<T>, keyof Given> & Given;

/** A `single` policy with its defaults filled. */
export type SingleSpec = Spec<typeof single>;
/** Something that is not known of a NIC and was taken to be so. */
export interface Assumption {
  /** Hash types of the packets that it concerns; empty = all packets. */
  readonly types: readonly HashTypeName[];
  /** A sentence without its stop. */
  readonly text: string;
}

/** A `rss` policy with its defaults filled. */
export type RssSpec = Omit<Spec<typeof rss>, 'nic'> & {
  readonly nic: string;
  /** With `ethtool`: what its output does not say. */
  readonly assumed?: readonly Assumption[];
};
/** A `rps` policy with its defaults filled. */
export type RpsSpec = Spec<typeof rps>;
/** A `rfs` policy with its defaults filled. */
export type RfsSpec = Spec<typeof rfs>;
/** A `mac` policy with its defaults filled. */
export type MacSpec = Spec<typeof mac>;
/** A `mac-hash` policy with its defaults filled. */
export type MacHashSpec = Spec<typeof macHash>;
/** A `pools` policy with its defaults filled. */
export type PoolsSpec = Spec<typeof poolsSchema>;
/** A `round-robin` policy with its defaults filled. */
export type RoundRobinSpec = Spec<typeof roundRobin>;
/** A `js` policy with its defaults filled. */
export type JsSpec = Spec<typeof js>;
/** Any validated policy; `policy` tells which. */
export type PolicySpec =
  | SingleSpec
  | RssSpec
  | RpsSpec
  | RfsSpec
  | MacSpec
  | MacHashSpec
  | PoolsSpec
  | RoundRobinSpec
  | JsSpec;

/** Where a policy is used: the forwarder keeps order strictly and has no NIC of its own. */
export type PolicyContext = 'forward' | 'model';

/** Order where a policy does not say: strict in `forward`, else linux for rps and rfs, none for the others. */
export function defaultOrder(policy: PolicyName, context: PolicyContext): Order {
  if (policy === 'round-robin') return 'none';
  if (context === 'forward') return 'strict';
  return policy === 'rps' || policy === 'rfs' ? 'linux' : 'none';
}

/** Stage where a policy does not say: nic for rss and pools in a model (replay, explain), cpu for all else and in `forward`. */
export function defaultStage(policy: PolicyName, context: PolicyContext): Stage {
  return context === 'model' && (policy === 'rss' || policy === 'pools') ? 'nic' : 'cpu';
}
