/**
 * What things cost: the parameters of a machine, in nanoseconds unless said otherwise.
 *
 * Promise: one list of names, the same in files, in named sets, and in the code. A set given in part is completed from
 * a named one (`base`). Every parameter is a mechanism: nothing in it refers to a published row.
 */

import { decimal } from '../../policy/values.js';
import { z } from '../../vendor/zod.js';
import { explained } from '../explained.js';
import * as words from './words.js';

/** Nanoseconds, up to ten seconds. */
const ns = () => decimal(0, 1e10);
const factorKey = () => decimal(0, 1000);

/** A cost for each distance between two CPUs. `core` = SMT siblings. */
const distance = () => explained({ core: ns(), cache: ns(), socket: ns(), remote: ns() }, words.DISTANCE);
/** A cost by where memory is. */
const memory = () => explained({ local: ns(), remote: ns() }, words.MEMORY);

const shape = {
  // Interrupts, softirq, idle.
  hardIrq: ns(),
  softirqEntry: ns(),
  ipiSend: ns(),
  ipiLatency: ns(),
  ipiReceive: ns(),
  idleExit: ns(),
  idleExitDevice: ns(),
  // Scheduler.
  contextSwitch: ns(),
  wakeLocal: ns(),
  wakeRemote: ns(),
  slice: ns(),
  granularity: ns(),
  // Receive.
  driverReceive: ns(),
  steer: ns(),
  protocol: ns(),
  route: ns(),
  socketBacklog: ns(),
  application: ns(),
  // Send.
  send: ns(),
  qdiscEnqueue: ns(),
  qdiscDequeue: ns(),
  transmit: ns(),
  // Switches of the host.
  bridge: ns(),
  macvlan: ns(),
  ovs: ns(),
  ovsStatistics: ns(),
  // Tap, vhost, QEMU.
  tapEnqueue: ns(),
  tunCall: ns(),
  vethEnqueue: ns().optional(),
  vethCall: ns().optional(),
  vhostReceive: ns(),
  vhostTransmit: ns(),
  vhostBlock: ns(),
  pinPages: ns(),
  qemuReceive: ns(),
  qemuTransmit: ns(),
  registerAccess: ns(),
  eventfd: ns(),
  vhostUser: ns(),
  bypassSend: ns(),
  bypassReceive: ns(),
  // Virtual machines.
  exit: ns(),
  exitUser: ns(),
  inject: ns(),
  post: ns(),
  guestIpi: ns(),
  halt: ns(),
  // The guest's kernel.
  guestHardIrq: ns(),
  guestDriver: ns(),
  guestProtocol: ns(),
  guestSend: ns(),
  guestTransmit: ns(),
  guestContextSwitch: ns(),
  guestWake: ns(),
  // Memory.
  line: distance(),
  handOver: distance(),
  dram: memory(),
  copyByte: memory(),
  lines: explained(
    {
      backlog: factorKey(),
      socket: factorKey(),
      transmit: factorKey(),
      lock: factorKey(),
      ring: factorKey(),
      task: factorKey(),
    },
    words.LINES,
  ),
  misses: explained({ receive: factorKey(), guest: factorKey() }, words.MISSES),
  // Factors.
  siblingSlowdown: decimal(1, 100),
  interference: factorKey(),
} as const;

/** A complete set. */
const complete = explained(shape, words.COSTS);
export const costsSchema = complete;
/** A complete set of costs, nanoseconds. */
export type Costs = z.infer<typeof complete>;
/** Names of all costs. */
export const COST_NAMES = Object.keys(shape) as (keyof Costs)[];

function partial(schema: z.ZodType): z.ZodType {
  if (!(schema instanceof z.ZodObject)) return schema.optional();
  const part = schema.partial().strict().optional();
  return schema.description === undefined ? part : part.describe(schema.description);
}

/** Costs in part. */
export type PartialCosts = { readonly base?: string } & {
  readonly [K in keyof Costs]?: Costs[K] extends number ? number : Partial<Costs[K]>;
};

/** A set in part, with the name of the one that completes it. */
export const partialCostsSchema: z.ZodType<PartialCosts, PartialCosts> = z.strictObject({
  base: z
    .string({ error: 'the name of a set of costs' })
    .optional()
    .describe('The set that completes these costs'),
  ...Object.fromEntries(Object.entries(complete.shape).map(([name, schema]) => [name, partial(schema)])),
}) as unknown as z.ZodType<PartialCosts, PartialCosts>;
