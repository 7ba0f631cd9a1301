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
import { explained } from '../explained.js';
import { LOCK_KINDS } from '../machine/lock.js';
import { WAKE_RULES } from '../machine/task.js';
import { PATH_NAMES } from '../paths/names.js';
import * as words from './words.js';

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
const machine = explained(
  {
    sockets: integer(1, 16).default(1),
    nodesPerSocket: integer(1, 16).default(1),
    cores: integer(1, 128).default(2),
    threads: integer(1, 8).default(1),
    caches: integer(1, 32).default(1),
    siblings: oneOf(['last', 'beside']).default('last'),
  },
  words.MACHINE,
  { siblings: { threads: { least: 2 } } },
)
  .refine((m) => m.sockets * m.cores * m.threads <= 128, { error: 'at most 128 CPUs' })
  .refine((m) => m.cores % m.nodesPerSocket === 0 && m.cores % m.caches === 0, {
    error: 'cores that divide evenly by nodesPerSocket and by caches',
  });

/** The receive softirq of a kernel (`net.core`). */
const softirq = explained(
  {
    weight: integer(1, 65536).default(64),
    budget: integer(1, 1_000_000).default(300),
    timeUs: us().default(2000),
    maxBacklog: integer(1, 1 << 20).default(1000),
    flowLimitCpus: cpuList().optional(),
    flowLimitTable: integer(1, 65536).default(4096),
  },
  words.SOFTIRQ,
  { flowLimitTable: { flowLimitCpus: 'given' } },
);

/** RPS, RFS and accelerated RFS of a device, as sysfs has them. */
const rps = explained(
  {
    cpus: z
      .union([cpuList(), z.array(z.union([cpuList(), z.tuple([])]))], {
        error: 'CPU ids such as 1-7, or a list of such lists',
      })
      .optional(),
    flows: integer(1, 1 << 24).optional(),
    sockEntries: integer(1, 1 << 28).optional(),
    accelerated: truth().default(false),
  },
  words.RPS,
  {
    flows: { sockEntries: 'given' },
    sockEntries: { flows: 'given' },
    accelerated: { flows: 'given', sockEntries: 'given' },
  },
);

/** A device's transmit queues. */
const transmitQueues = {
  queues: integer(1, 1024).default(1),
  select: z
    .union([oneOf(['cpus', 'hash']), z.array(cpuList())], { error: 'cpus, hash, or a list of CPU lists' })
    .default('hash'),
  lock: oneOf(LOCK_KINDS).default('ticket'),
};
/** That of a guest's device. */
const guestTransmit = explained(transmitQueues, words.TRANSMIT_QUEUES);
/** That of a NIC. */
const transmit = explained(
  {
    ...transmitQueues,
    qdisc: truth().default(false),
    busylock: truth().default(true),
    limit: integer(1, 1_000_000).default(1000),
  },
  { ...words.TRANSMIT_QUEUES, ...words.TRANSMIT },
  { busylock: { qdisc: [true] }, limit: { qdisc: [true] } },
);

const nic = explained(
  {
    queues: integer(1, 1024).default(1),
    ring: integer(1, 1 << 16).default(512),
    policy: policy().optional(),
    irqs: cpuListRepeated().default([0]),
    moderationUs: us().default(0),
    moderationPackets: integer(0, 65536).default(0),
    node: integer(0, 255).optional(),
    gbps: decimal(0.001, 10_000).optional(),
    wireUs: us().default(10),
    rps: rps.optional(),
    transmit: transmit.optional(),
    dispatch: oneOf(['each', 'poll']).optional(),
  },
  words.NIC,
  { moderationPackets: { moderationUs: { least: 0.001 } } },
);

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

/** Kinds with threads, those whose threads sleep, that read sockets, and those that others send to. */
const THREADED = ['echo', 'sink', 'send', 'ping', 'ipi', 'block'] as const;
const SLEEPING = ['echo', 'sink', 'send', 'ping', 'block'] as const;
const READERS = ['echo', 'sink'] as const;
const RECEIVERS = ['echo', 'sink', 'forward', 'drop'] as const;
/** Where an application works for a message: what bypasses the stack sends without. */
const WORKS = [
  { kind: ['echo', 'sink', 'ping', 'ipi', 'block'] },
  { kind: ['send'], bypass: [false] },
] as const;

/** An application of the host or of a guest. */
const app = explained(
  {
    name: name().default('app'),
    kind: oneOf(['echo', 'sink', 'send', 'forward', 'drop', 'ping', 'ipi', 'block']).default('echo'),
    threads: z
      .union([z.literal('flow'), integer(1, 65536)], { error: 'a number of threads, or flow' })
      .default('flow'),
    cpus: cpuList().optional(),
    pin: truth().default(true),
    local: decimal(0, 1).default(0),
    wake: oneOf(WAKE_RULES).default('home'),
    affinity: decimal(0, 1).default(1),
    workNs: decimal(0, 1e10).optional(),
    byteNs: decimal(0, 1000).default(0),
    pressure: decimal(0, 1000).default(1),
    replyBytes: integer(1, 1 << 20).optional(),
    socket: integer(1, 1 << 24).default(4096),
    socketLock: oneOf(['none', 'unlimited', 'limited']).default('none'),
    flows: integer(1, 65536).default(1),
    to: name().optional(),
    bytes: integer(1, 1 << 20).default(64),
    rate: decimal(0.001, 1e9).optional(),
    bypass: truth().default(false),
    switch: oneOf(SWITCHES).optional(),
    switchLock: oneOf(LOCK_KINDS).default('none'),
    depth: integer(1, 65536).default(1),
    deviceUs: us().default(0),
  },
  words.APP,
  {
    threads: { kind: THREADED },
    cpus: { kind: THREADED },
    pin: { kind: SLEEPING },
    local: { kind: READERS, threads: ['flow'] },
    wake: { kind: SLEEPING },
    affinity: { kind: ['echo', 'sink', 'ping', 'block'], wake: ['affine'] },
    ...{ workNs: WORKS, byteNs: WORKS, pressure: WORKS },
    replyBytes: { kind: ['echo'] },
    socket: { kind: READERS },
    socketLock: { kind: READERS },
    ...{ flows: { kind: ['send'] }, to: { kind: ['send'] }, rate: { kind: ['send'] } },
    bytes: { kind: ['send', 'block'] },
    bypass: { kind: ['send', ...RECEIVERS] },
    switch: { kind: ['forward'], bypass: [false] },
    switchLock: { kind: ['forward'], switch: ['bridge', 'macvlan', 'ovs'] },
    ...{ depth: { kind: ['block'] }, deviceUs: { kind: ['block'] } },
  },
);

/** Paths with device threads that may sleep, those with a tap, and those that copy in the kernel. */
const SLEEPERS = ['qemu-virtio', 'qemu-e1000', 'vhost-tap', 'vhost-macvtap', 'vhost-scsi'] as const;
const TAPS = ['qemu-virtio', 'qemu-e1000', 'vhost-tap', 'vhost-macvtap'] as const;
const NETWORK = [...TAPS, 'vhost-user', 'sriov'] as const;

const guest = explained(
  {
    count: integer(1, 1024).default(1),
    vcpus: integer(1, 128).default(1),
    path: oneOf(PATH_NAMES).default('vhost-tap'),
    queues: integer(1, 128).default(1),
    transmitQueues: integer(1, 128).optional(),
    ring: integer(1, 1 << 16).default(256),
    tapRing: integer(1, 1 << 16).default(500),
    cpus: cpuList().optional(),
    pin: truth().default(true),
    node: integer(0, 255).optional(),
    workers: z
      .union([oneOf(['device', 'queue']), integer(1, 128)], { error: 'device, queue, or a number' })
      .default('device'),
    workerCpus: cpuList().optional(),
    workerWake: oneOf(WAKE_RULES).default('home'),
    workerPollUs: us().default(0),
    guestPollUs: us().default(0),
    hostPollUs: us().default(0),
    interrupts: oneOf(['relayed', 'posted']).default('relayed'),
    ipis: oneOf(['exits', 'hypercall', 'offload']).default('exits'),
    irqs: cpuListRepeated().optional(),
    moderationUs: us().default(0),
    policy: policy().optional(),
    rps: rps.optional(),
    transmit: guestTransmit.optional(),
    switch: oneOf(SWITCHES).optional(),
    switchLock: oneOf(LOCK_KINDS).default('none'),
    tapLock: oneOf(['shared', 'split', 'none']).default('split'),
    tapLockKind: oneOf(LOCK_KINDS).default('ticket'),
    batch: integer(1, 1024).default(1),
    device: oneOf(['tap', 'veth']).optional(),
    enter: oneOf(['each', 'poll']).optional(),
    zeroCopy: truth().default(false),
    registers: explained(
      {
        receive: integer(0, 100).default(1),
        transmit: integer(0, 100).default(1),
      },
      words.REGISTERS,
    ).default({ receive: 1, transmit: 1 }),
    softirq: softirq.optional(),
    apps: z.array(app, { error: 'a list of applications' }).optional(),
  },
  words.GUEST,
  {
    tapRing: { path: [...TAPS, 'vhost-user'] },
    workers: { path: [...SLEEPERS, 'vhost-user'] },
    workerCpus: [{ path: [...SLEEPERS, 'vhost-user'] }, { path: ['sriov'], interrupts: ['relayed'] }],
    workerWake: { path: [...SLEEPERS, 'vhost-user'], workerCpus: 'absent' },
    workerPollUs: { path: SLEEPERS },
    node: { path: NETWORK },
    policy: { path: NETWORK },
    switch: { path: TAPS },
    switchLock: { path: TAPS },
    tapLock: { path: TAPS },
    tapLockKind: { path: TAPS, tapLock: ['shared', 'split'] },
    batch: { path: TAPS },
    device: { path: TAPS },
    enter: { path: TAPS },
    zeroCopy: { path: ['vhost-tap', 'vhost-macvtap'] },
    registers: { path: ['qemu-e1000'] },
  },
);

const OPEN = { kind: ['open'] } as const;
const CLOSED = { kind: ['closed'] } as const;
const CAPTURE = { kind: ['capture'] } as const;

/** What comes from outside. */
const load = explained(
  {
    name: name().optional(),
    kind: oneOf(['closed', 'open', 'capture']).default('open'),
    to: stringList().optional(),
    nic: name().optional(),
    app: name().optional(),
    bytes: integer(1, 1 << 20).default(64),
    flows: integer(1, 1_000_000).default(64),
    rate: decimal(0.001, 1e9).default(100_000),
    arrival: oneOf(['poisson', 'constant', 'bursts']).default('poisson'),
    burst: integer(1, 65536).default(32),
    skew: decimal(0, 10).default(0),
    elephants: integer(0, 65536).default(0),
    elephantShare: decimal(0, 1).default(0.5),
    clients: integer(1, 1_000_000).default(1),
    thinkUs: us().default(0),
    think: oneOf(['constant', 'exponential']).default('exponential'),
    mirror: truth().default(false),
    retryMs: decimal(0.001, 1e6).default(200),
    file: text('a capture file').optional(),
    speed: decimal(1e-6, 1e6).default(1),
    startMs: decimal(0, 1e6).default(0),
    protocol: oneOf(['tcp', 'udp']).optional(),
  },
  words.LOAD,
  {
    bytes: { kind: ['closed', 'open'] },
    ...{ flows: OPEN, rate: OPEN, arrival: OPEN, skew: OPEN, elephants: OPEN },
    burst: { kind: ['open'], arrival: ['bursts'] },
    elephantShare: { kind: ['open'], elephants: { least: 1 } },
    ...{ clients: CLOSED, mirror: CLOSED, retryMs: CLOSED },
    thinkUs: { kind: ['closed'], mirror: [false] },
    think: { kind: ['closed'], mirror: [false] },
    ...{ file: CAPTURE, speed: CAPTURE, startMs: CAPTURE },
    protocol: { kind: ['closed', 'open'] },
  },
);

/** What happens while it runs. */
const change = explained(
  {
    atMs: decimal(0, 1e6),
    nic: name().optional(),
    policy: policy().optional(),
    budget: decimal(0.001, 1e9).optional(),
    freeze: stringList().optional(),
    rollback: truth().default(false),
    rpsCpus: cpuList().optional(),
  },
  words.CHANGE,
  {
    nic: [{ policy: 'given' }, { rpsCpus: 'given' }],
    budget: { policy: 'given' },
    freeze: { policy: 'given' },
  },
);

const rebalance = explained(
  {
    everyMs: decimal(0.001, 1e6).default(1),
    threshold: decimal(1, 1000).optional(),
    intervals: integer(1, 3600).optional(),
    gain: decimal(0, 1000).optional(),
    moves: integer(1, 65536).optional(),
    bound: decimal(1, 1000).optional(),
    least: integer(0, 1e9).optional(),
  },
  words.REBALANCE,
);

/** A published figure of another kind than throughput and CPU. */
const figure = explained(
  {
    of: text('a path in the result'),
    value: decimal(0, 1e12),
    within: decimal(0, 1e6).default(0.1),
    fitted: truth().default(false),
  },
  words.FIGURE,
);

/** What was published about a run, for `--validate`. */
const published = explained(
  {
    value: decimal(0, 1e12).optional(),
    cpu: decimal(0, 1).optional(),
    source: z.string().default(''),
    within: decimal(0, 1e6).default(0.15),
    cpuWithin: decimal(0, 1e6).default(0.2),
    fitted: truth().default(false),
    cpuFitted: truth().default(false),
    relativeTo: z.string().optional(),
    figures: z.array(figure).optional(),
  },
  words.PUBLISHED,
  {
    ...{ within: { value: 'given' }, fitted: { value: 'given' } },
    ...{ cpuWithin: { cpu: 'given' }, cpuFitted: { cpu: 'given' } },
  },
);

const whole = explained(
  {
    name: z.string({ error: 'a name' }).min(1).max(100).default('unnamed'),
    about: z.string({ error: 'a text' }).optional(),
    durationMs: decimal(0.001, 1e6).default(100),
    warmupMs: decimal(0, 1e6).default(20),
    seed: integer(0, 0xffffffff).default(1),
    costs: z
      .union([z.string(), partialCostsSchema], { error: 'the name of a set of costs, or an object' })
      .optional(),
    variation: oneOf(['none', 'uniform', 'exponential']).default('uniform'),
    spread: decimal(0, 1).default(0.3),
    policies: z.array(policy(), { error: 'a list of policies' }).min(1).optional(),
    workers: cpuListRepeated().optional(),
    host: explained(
      {
        cpus: machine.prefault({}),
        softirq: softirq.prefault({}),
        apps: z.array(app).optional(),
      },
      words.HOST,
    ).prefault({}),
    nics: z.record(name(), nic, { error: 'NICs by name' }).prefault({ eth0: {} }),
    guests: z.record(name(), guest, { error: 'guests by name' }).default({}),
    disks: disksSchema.optional(),
    load: z.array(load, { error: 'a list of loads' }).default([]),
    changes: z.array(change, { error: 'a list of changes' }).default([]),
    rebalance: rebalance.optional(),
    published: z.union([published, z.record(z.string(), published)]).optional(),
  },
  words.SCENARIO,
  { spread: { variation: ['uniform'] } },
);

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
/** A device's transmit side; a guest's has no queueing discipline. */
export type TransmitSettings = z.infer<typeof transmit>;
export type SoftirqSettings = z.infer<typeof softirq>;
export type MachineSpec = z.infer<typeof machine>;
export type ChangeSpec = z.infer<typeof change>;

/** Defaults of parts that are optional. */
export const DEFAULT_TRANSMIT: TransmitSettings = transmit.parse({});
export const DEFAULT_APP: AppSpec = app.parse({});
export const DEFAULT_SOFTIRQ: SoftirqSettings = softirq.parse({});
