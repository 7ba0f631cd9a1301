/**
 * Disks of a scenario: the controller, the driver's parameters, tenants and their requests.
 *
 * Promise: a schema; what is left out has a default that is told here. How CPUs come to queues is not said but follows from
 * the machine, the controller and the kernel (`src/block`).
 */
import { cpuList, decimal, integer, oneOf } from '../../policy/values.js';
import { z } from '../../vendor/zod.js';
import { explained } from '../explained.js';
import { LOCK_KINDS } from '../machine/lock.js';
import * as words from '../scenario/words.js';

const truth = () => z.boolean({ error: 'true or false' });
const ns = () => decimal(0, 1e10);
const name = () => z.string().regex(/^[A-Za-z][\w.-]{0,40}$/, { error: 'a name' });

/** Who asks: threads that keep requests under way. */
const tenant = explained(
  {
    count: integer(1, 1024).default(1),
    threads: integer(1, 1024).default(1),
    cpus: cpuList().optional(),
    depth: integer(1, 65_536).default(1),
    bytes: integer(1, 1 << 24).default(4096),
    reads: decimal(0, 1).default(1),
    workNs: ns().default(1000),
    thinkUs: decimal(0, 1e9).default(0),
    polled: truth().default(false),
  },
  words.TENANT,
);

/** A disk with its tenants. */
export const diskSchema = explained(
  {
    // The controller.
    queues: integer(1, 65_535).default(64),
    vectors: integer(1, 2048).optional(),
    depth: integer(1, 65_535).default(1023),
    parallelism: integer(1, 65_536).default(128),
    latencyUs: decimal(0, 1e9).default(80),
    byteNs: decimal(0, 1e6).default(0),
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
    kernel: z.string({ error: 'a kernel release such as 6.12' }).default('6.12'),
    irqs: z.array(integer(0, 8191), { error: 'a list of CPUs' }).optional(),
    isolated: cpuList().optional(),
    elevator: oneOf(LOCK_KINDS).default('none'),
    steer: z
      .union([z.string(), z.record(z.string(), z.unknown())], { error: 'hctx, least-loaded, or a policy' })
      .optional(),
    // Costs, nanoseconds.
    submitNs: ns().default(900),
    enqueueNs: ns().default(100),
    elevatorNs: ns().default(300),
    reapNs: ns().default(100),
    completeNs: ns().default(500),
    lines: decimal(0, 1000).default(6),
    tenants: z.record(name(), tenant, { error: 'tenants by name' }),
  },
  words.DISK,
  {
    coalescePackets: { coalesceUs: { least: 1e-6 } },
  },
);

/** Disks by name. */
export const disksSchema = z.record(name(), diskSchema, { error: 'disks by name' });

export type DiskSpec = z.infer<typeof diskSchema>;
export type TenantSpec = z.infer<typeof tenant>;
