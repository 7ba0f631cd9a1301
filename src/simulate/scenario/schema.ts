/**
 * The scenario file: everything that a user may vary, without code.
 *
 * Promise: one schema for YAML, JSON and objects; what is left out has a default that is told here. Names of costs are
 * those of `costs/schema.ts`. CPUs are lists such as `0-3+8`.
 */

import { cpuList, decimal, integer, oneOf, stringList } from '../../policy/values.js';
import { z } from '../../vendor/zod.js';
import { type PartialCosts, partialCostsSchema } from '../costs/schema.js';
import { disksSchema } from '../disk/spec.js';
import { LOCK_KINDS } from '../machine/lock.js';
import { WAKE_RULES } from '../machine/task.js';
import { PATH_NAMES } from '../paths/names.js';

/** Switches of a host. */
export const SWITCHES = ['bridge', 'macvlan', 'ovs', 'none'] as const;
/** One of `SWITCHES`. */
export type SwitchKind = (typeof SWITCHES)[number];

const text = (error: string) => z.string({ error }).min(1, { error });
const truth = () => z.boolean({ error: 'true or false' });
const name = () =>
  z
    .string({ error: 'a name' })
    .regex(/^[A-Za-z][\w.-]{0,40}$/, { error: 'a name of letters, digits, "-", "_" and "."' });
const us = () => decimal(0, 1e9);
/** A policy as `--policy` takes it, or its object. */
const policy = () =>
  z.union([z.string(), z.record(z.string(), z.unknown())], { error: 'a policy such as rss:queues=4' });

/** The host's CPUs. They are numbered socket by socket; siblings come after all cores, or beside each other. */
const machine = z
  .strictObject({
    sockets: integer(1, 16).default(1),
    nodesPerSocket: integer(1, 16).default(1),
    /** Of the whole socket. */
    cores: integer(1, 128).default(2),
    threads: integer(1, 8).default(1),
    /** Last-level caches of a socket; cores are divided among them in order. */
    caches: integer(1, 32).default(1),
    siblings: oneOf(['last', 'beside']).default('last'),
  })
  .refine((m) => m.sockets * m.cores * m.threads <= 128, { error: 'at most 128 CPUs' })
  .refine((m) => m.cores % m.nodesPerSocket === 0 && m.cores % m.caches === 0, {
    error: 'cores that divide evenly by nodesPerSocket and by caches',
  });

/** The receive softirq of a kernel (`net.core`). */
const softirq = z.strictObject({
  weight: integer(1, 65536).default(64),
  budget: integer(1, 1_000_000).default(300),
  timeUs: us().default(2000),
  maxBacklog: integer(1, 1 << 20).default(1000),
  /** CPUs with `flow_limit_cpu_bitmap` set; its table's length. */
  flowLimitCpus: cpuList().optional(),
  flowLimitTable: integer(1, 65536).default(4096),
});

/** RPS, RFS and accelerated RFS of a device, as sysfs has them. */
const rps = z.strictObject({
  /** `rps_cpus`: one list for all queues, or one for each; an empty list = off. */
  cpus: z
    .union([cpuList(), z.array(z.union([cpuList(), z.tuple([])]))], {
      error: 'CPU ids such as 1-7, or a list of such lists',
    })
    .optional(),
  /** `rps_flow_cnt` of each queue, and `rps_sock_flow_entries`: both make RFS. */
  flows: integer(1, 1 << 24).optional(),
  sockEntries: integer(1, 1 << 28).optional(),
  /** Accelerated RFS: moving flows to the queue nearest to their CPU. */
  accelerated: truth().default(false),
});

/** A device's transmit side. */
const transmit = z.strictObject({
  queues: integer(1, 1024).default(1),
  /** `cpus`: XPS, each CPU a queue in turn; `hash`: by the flow; or `xps_cpus` of each queue. */
  select: z
    .union([oneOf(['cpus', 'hash']), z.array(cpuList())], { error: 'cpus, hash, or a list of CPU lists' })
    .default('hash'),
  lock: oneOf(LOCK_KINDS).default('ticket'),
  /** A queueing discipline in front, with a lock of its own, and the lock in front of that (`busylock`). */
  qdisc: truth().default(false),
  busylock: truth().default(true),
  /** `txqueuelen`. */
  limit: integer(1, 1_000_000).default(1000),
});

const nic = z.strictObject({
  queues: integer(1, 1024).default(1),
  ring: integer(1, 1 << 16).default(512),
  /** How the NIC chooses its queue where the policy under test works behind it. */
  policy: policy().optional(),
  /** CPU of each queue's interrupt, repeated as often as needed. */
  irqs: cpuListRepeated().default([0]),
  moderationUs: us().default(0),
  /** Packets that interrupt before that time has passed; 0 = none. */
  moderationPackets: integer(0, 65536).default(0),
  node: integer(0, 255).optional(),
  /** Rate of the link each way; absent = without limit. */
  gbps: decimal(0.001, 10_000).optional(),
  /** One way to the other end. */
  wireUs: us().default(10),
  rps: rps.optional(),
  transmit: transmit.optional(),
});

/** CPUs, where one may come several times. */
function cpuListRepeated() {
  return z.preprocess(
    (value) => (typeof value === 'string' || typeof value === 'number' ? [value] : value),
    z
      .array(cpuList(), { error: 'CPU ids such as 0-3, or a list' })
      .min(1, { error: 'at least one CPU' })
      .transform((lists) => lists.flat()),
  );
}

/** An application of the host or of a guest. */
const app = z.strictObject({
  name: name().default('app'),
  /**
   * echo answers, sink takes, send sends without end, forward routes packets on and drop throws them away (both in the
   * softirq, without a thread), ping wakes
   * another thread that wakes it, ipi interrupts another CPU and waits for its answer, block asks a disk.
   */
  kind: oneOf(['echo', 'sink', 'send', 'forward', 'drop', 'ping', 'ipi', 'block']).default('echo'),
  /** Threads; `flow` = one for each flow. Flows go to threads in turn. */
  threads: z
    .union([z.literal('flow'), integer(1, 65536)], { error: 'a number of threads, or flow' })
    .default('flow'),
  /** CPUs that threads may use; default all. With `pin` each thread gets one of them, in turn. */
  cpus: cpuList().optional(),
  pin: truth().default(true),
  /** Share of the threads that run where their flow's softirq runs. */
  local: decimal(0, 1).default(0),
  wake: oneOf(WAKE_RULES).default('home'),
  /** Probability that `affine` pulls a thread to its waker. */
  affinity: decimal(0, 1).default(1),
  /** Work for a message, and for each byte of it; default `application`. */
  workNs: decimal(0, 1e10).optional(),
  byteNs: decimal(0, 1000).default(0),
  /** Interference that its work suffers, as a multiple of `interference`. */
  pressure: decimal(0, 1000).default(1),
  /** Bytes of an answer; default those of the message. */
  replyBytes: integer(1, 1 << 20).optional(),
  /** Packets that a socket may hold. */
  socket: integer(1, 1 << 24).default(4096),
  /**
   * The reader locks its socket while it frees what it has read, and must empty the backlog that grows meanwhile
   * (`release_sock`). `unlimited` and `limited`: whether senders are refused before that lock.
   */
  socketLock: oneOf(['none', 'unlimited', 'limited']).default('none'),
  /** For send: flows of a thread, and to which guest (default: out of the first NIC). */
  flows: integer(1, 65536).default(1),
  to: name().optional(),
  /** For send: bytes of a packet, packets a second of a thread (default: as fast as it can). */
  bytes: integer(1, 1 << 20).default(64),
  rate: decimal(0.001, 1e9).optional(),
  /** For send, sink, forward, drop: packets bypass the stack (AF_XDP, pktgen, a poll-mode driver). */
  bypass: truth().default(false),
  /** For forward: a switch instead of the route, and the lock that it takes for its statistics. */
  switch: oneOf(SWITCHES).optional(),
  switchLock: oneOf(LOCK_KINDS).default('none'),
  /** For block: requests under way of each thread, and the disk's own time. */
  depth: integer(1, 65536).default(1),
  deviceUs: us().default(0),
});

const guest = z.strictObject({
  /** Guests of this kind; their names get a number. */
  count: integer(1, 1024).default(1),
  vcpus: integer(1, 128).default(1),
  path: oneOf(PATH_NAMES).default('vhost-tap'),
  /** Receive and transmit queues. */
  queues: integer(1, 128).default(1),
  transmitQueues: integer(1, 128).optional(),
  ring: integer(1, 1 << 16).default(256),
  tapRing: integer(1, 1 << 16).default(500),
  /** CPUs of the vCPUs: one each in turn (guest by guest), or, with `pin: false`, any of them. */
  cpus: cpuList().optional(),
  pin: truth().default(true),
  /** Node of the guest's memory; default that of its first vCPU. */
  node: integer(0, 255).optional(),
  /** Device threads: one for each device or queue, or so many for a device (block). */
  workers: z
    .union([oneOf(['device', 'queue']), integer(1, 128)], { error: 'device, queue, or a number' })
    .default('device'),
  workerCpus: cpuList().optional(),
  workerWake: oneOf(WAKE_RULES).default('home'),
  /** Microseconds that a worker polls before it sleeps. */
  workerPollUs: us().default(0),
  /** Microseconds that vCPUs poll before they halt, and the host before it puts them to sleep. */
  guestPollUs: us().default(0),
  hostPollUs: us().default(0),
  /** Interrupts of the device: through the host, or posted to the vCPU. */
  interrupts: oneOf(['relayed', 'posted']).default('relayed'),
  /** Interrupts between vCPUs: an exit for each target, one for each poll, or none. */
  ipis: oneOf(['exits', 'hypercall', 'offload']).default('exits'),
  /** vCPU of each queue's interrupt, in turn; default all in order. */
  irqs: cpuListRepeated().optional(),
  moderationUs: us().default(0),
  /** How the device chooses the guest's queue, e.g. rss:nic=virtio-net; default the tap's own rule. */
  policy: policy().optional(),
  /** RPS inside the guest. */
  rps: rps.optional(),
  transmit: transmit.optional(),
  switch: oneOf(SWITCHES).optional(),
  switchLock: oneOf(LOCK_KINDS).default('none'),
  /** Lock of the tap's ring: `shared` by both ends, one for each end, or none. */
  tapLock: oneOf(['shared', 'split', 'none']).default('split'),
  tapLockKind: oneOf(LOCK_KINDS).default('ticket'),
  /** Packets of one call into tun. */
  batch: integer(1, 1024).default(1),
  zeroCopy: truth().default(false),
  /** Registers that an emulated device's driver touches for each packet received and sent. */
  registers: z
    .strictObject({
      receive: integer(0, 100).default(1),
      transmit: integer(0, 100).default(1),
    })
    .default({ receive: 1, transmit: 1 }),
  softirq: softirq.optional(),
  apps: z.array(app, { error: 'a list of applications' }).optional(),
});

/** What comes from outside. */
const load = z.strictObject({
  name: name().optional(),
  /** closed: clients that wait for answers; open: packets at a rate; capture: the packets of a file. */
  kind: oneOf(['closed', 'open', 'capture']).default('open'),
  /** Guests (names or kinds) or `host`; default all guests, or the host where there are none. */
  to: stringList().optional(),
  nic: name().optional(),
  app: name().optional(),
  bytes: integer(1, 1 << 20).default(64),
  flows: integer(1, 1_000_000).default(64),
  // open
  /** Packets a second, together. */
  rate: decimal(0.001, 1e9).default(100_000),
  arrival: oneOf(['poisson', 'constant', 'bursts']).default('poisson'),
  burst: integer(1, 65536).default(32),
  skew: decimal(0, 10).default(0),
  elephants: integer(0, 65536).default(0),
  elephantShare: decimal(0, 1).default(0.5),
  // closed
  clients: integer(1, 1_000_000).default(1),
  thinkUs: us().default(0),
  think: oneOf(['constant', 'exponential']).default('exponential'),
  /** The clients run on a second host that is like the first. */
  mirror: truth().default(false),
  /** Time after which a client whose request or answer was lost asks again. */
  retryMs: decimal(0.001, 1e6).default(200),
  // capture
  file: text('a capture file').optional(),
  speed: decimal(1e-6, 1e6).default(1),
  startMs: decimal(0, 1e6).default(0),
  protocol: oneOf(['tcp', 'udp']).optional(),
});

/** What happens while it runs. */
const change = z.strictObject({
  atMs: decimal(0, 1e6),
  nic: name().optional(),
  /** The policy from then on, of the same stage: planned and applied as by a running forwarder. */
  policy: policy().optional(),
  /** Buckets or guests moved a second, where the plan goes step by step; default all at once. */
  budget: decimal(0.001, 1e9).optional(),
  /** Buckets, guests (MAC addresses) and flows that must stay where they are. */
  freeze: stringList().optional(),
  /** Undoes the last change of policy, table or owners that was not undone. */
  rollback: truth().default(false),
  /** `rps_cpus` of all queues of the NIC. */
  rpsCpus: cpuList().optional(),
});

const rebalance = z.strictObject({
  everyMs: decimal(0.001, 1e6).default(1),
  threshold: decimal(1, 1000).optional(),
  intervals: integer(1, 3600).optional(),
  gain: decimal(0, 1000).optional(),
  moves: integer(1, 65536).optional(),
  bound: decimal(1, 1000).optional(),
  least: integer(0, 1e9).optional(),
});

/** A published figure of another kind than throughput and CPU. */
const figure = z.strictObject({
  /** Path in the run's result, e.g. `latencyUs.p99`, `perSecond.ipis`, `guests.0.vcpus.31.exits`. */
  of: text('a path in the result'),
  value: decimal(0, 1e12),
  /** Share by which the simulated figure may differ. */
  within: decimal(0, 1e6).default(0.1),
  fitted: truth().default(false),
});

/** What was published about a run, for `--validate`. */
const published = z.strictObject({
  /** Operations a second, in the unit of the result. */
  value: decimal(0, 1e12).optional(),
  /** Share of all CPUs that is busy. */
  cpu: decimal(0, 1).optional(),
  source: z.string().default(''),
  /** Shares by which value and CPU may differ. */
  within: decimal(0, 1e6).default(0.15),
  cpuWithin: decimal(0, 1e6).default(0.2),
  /** Costs were fitted to the value, to the CPU: they are reproduced, not predicted. */
  fitted: truth().default(false),
  cpuFitted: truth().default(false),
  /** Value and CPU are held against those of this preset, published and simulated: ratios. */
  relativeTo: z.string().optional(),
  figures: z.array(figure).optional(),
});

const whole = z.strictObject({
  name: z.string({ error: 'a name' }).min(1).max(100).default('unnamed'),
  about: z.string({ error: 'a text' }).optional(),
  /** Measured, after the warm-up. */
  durationMs: decimal(0.001, 1e6).default(100),
  warmupMs: decimal(0, 1e6).default(20),
  seed: integer(0, 0xffffffff).default(1),
  /** A set's name, or costs over a set (`base`). */
  costs: z
    .union([z.string(), partialCostsSchema], { error: 'the name of a set of costs, or an object' })
    .optional(),
  /** How costs vary from packet to packet. */
  variation: oneOf(['none', 'uniform', 'exponential']).default('uniform'),
  spread: decimal(0, 1).default(0.3),
  /** Policies that are compared; `--policy` takes their place. */
  policies: z.array(policy(), { error: 'a list of policies' }).min(1).optional(),
  /** CPU of each worker of a policy that knows workers (mac, js, …); default all CPUs in order. */
  workers: cpuListRepeated().optional(),
  host: z
    .strictObject({
      cpus: machine.prefault({}),
      softirq: softirq.prefault({}),
      apps: z.array(app).optional(),
    })
    .prefault({}),
  nics: z.record(name(), nic, { error: 'NICs by name' }).prefault({ eth0: {} }),
  guests: z.record(name(), guest, { error: 'guests by name' }).default({}),
  disks: disksSchema.optional(),
  load: z.array(load, { error: 'a list of loads' }).default([]),
  changes: z.array(change, { error: 'a list of changes' }).default([]),
  rebalance: rebalance.optional(),
  published: z.union([published, z.record(z.string(), published)]).optional(),
});

/** The form of a scenario. */
export const scenarioSchema = whole;

/** A scenario with its defaults filled. */
export type Scenario = Omit<z.infer<typeof whole>, 'costs'> & {
  readonly costs?: string | PartialCosts | undefined;
};
/** A scenario as it is written. */
export type ScenarioInput = z.input<typeof whole>;
export type NicSpec = z.infer<typeof nic>;
export type GuestSpec = z.infer<typeof guest>;
export type AppSpec = z.infer<typeof app>;
export type LoadSpec = z.infer<typeof load>;
export type RpsSettings = z.infer<typeof rps>;
export type TransmitSettings = z.infer<typeof transmit>;
export type SoftirqSettings = z.infer<typeof softirq>;
export type MachineSpec = z.infer<typeof machine>;
export type ChangeSpec = z.infer<typeof change>;

/** Defaults of parts that are optional. */
export const DEFAULT_TRANSMIT: TransmitSettings = transmit.parse({});
export const DEFAULT_APP: AppSpec = app.parse({});
export const DEFAULT_SOFTIRQ: SoftirqSettings = softirq.parse({});
