/**
 * Disks of a scenario: the controller, the driver's parameters, tenants and their requests.
 *
 * Promise: a schema; what is left out has a default that is told here. How CPUs come to queues is not said but follows from
 * the machine, the controller and the kernel (`src/block`).
 */
import { cpuList, decimal, integer, oneOf } from '../../policy/values.js';
import { z } from '../../vendor/zod.js';
import { LOCK_KINDS } from '../machine/lock.js';

const truth = () => z.boolean({ error: 'true or false' });
const ns = () => decimal(0, 1e10);
const name = () => z.string().regex(/^[A-Za-z][\w.-]{0,40}$/, { error: 'a name' });

/** Who asks: threads that keep requests under way. */
const tenant = z.strictObject({
  /** Tenants of this kind; their names get a number. */
  count: integer(1, 1024).default(1),
  threads: integer(1, 1024).default(1),
  /** CPUs of the threads, each one in turn; default all. Tenants of a kind go on where the last one stopped. */
  cpus: cpuList().optional(),
  /** Requests under way of each thread. */
  depth: integer(1, 65_536).default(1),
  bytes: integer(1, 1 << 24).default(4096),
  /** Share of the requests that read; others write. */
  reads: decimal(0, 1).default(1),
  /** Work of a thread for a request, and pause before the next one. */
  workNs: ns().default(1000),
  thinkUs: decimal(0, 1e9).default(0),
  /** Completions are polled for (`IORING_SETUP_IOPOLL`), in poll queues. */
  polled: truth().default(false),
});

/** A disk with its tenants. */
export const diskSchema = z.strictObject({
  // The controller.
  /** Queue pairs that it grants, vectors that it has. */
  queues: integer(1, 65_535).default(64),
  vectors: integer(1, 2048).optional(),
  /** Requests of a queue (tags). */
  depth: integer(1, 65_535).default(1023),
  /** Requests that it works on at once, and the time of one; for each byte in addition. */
  parallelism: integer(1, 65_536).default(128),
  latencyUs: decimal(0, 1e9).default(80),
  byteNs: decimal(0, 1e6).default(0),
  /** Completions that may wait for their interrupt together, and for how long; 0 = none do. */
  coalescePackets: integer(0, 65_536).default(0),
  coalesceUs: decimal(0, 1e6).default(0),
  // The driver and the block layer.
  writeQueues: integer(0, 8192).default(0),
  pollQueues: integer(0, 8192).default(0),
  rqAffinity: z
    .preprocess(
      (value) => (typeof value === 'string' && /^[012]$/.test(value) ? Number(value) : value),
      z.union([z.literal(0), z.literal(1), z.literal(2)], { error: '0, 1 or 2' }),
    )
    .default(1),
  /** Release whose rules are followed. */
  kernel: z.string({ error: 'a kernel release such as 6.12' }).default('6.12'),
  /** CPU of each vector behind the admin queue's; default the first of those that it may go to. */
  irqs: z.array(integer(0, 8191), { error: 'a list of CPUs' }).optional(),
  /** A scheduler with one lock a device (mq-deadline, bfq), or none. */
  elevator: oneOf(LOCK_KINDS).default('none'),
  /**
   * Who chooses the queue: `hctx` the kernel's maps, `least-loaded` the one with the fewest requests, or a policy, whose
   * workers are queues and whose destination MACs are tenants. Default: the policy under test, else hctx.
   */
  steer: z
    .union([z.string(), z.record(z.string(), z.unknown())], { error: 'hctx, least-loaded, or a policy' })
    .optional(),
  // Costs, nanoseconds.
  /** A request through the block layer; entering it in the device's queue, under that queue's lock. */
  submitNs: ns().default(900),
  enqueueNs: ns().default(100),
  /** Under the elevator's lock. */
  elevatorNs: ns().default(300),
  /** Taking a completion from the device's queue; completing the request. */
  reapNs: ns().default(100),
  completeNs: ns().default(500),
  /** Cache lines of a request that follow it from CPU to CPU. */
  lines: decimal(0, 1000).default(6),
  tenants: z.record(name(), tenant, { error: 'tenants by name' }),
});

/** Disks by name. */
export const disksSchema = z.record(name(), diskSchema, { error: 'disks by name' });

export type DiskSpec = z.infer<typeof diskSchema>;
export type TenantSpec = z.infer<typeof tenant>;
