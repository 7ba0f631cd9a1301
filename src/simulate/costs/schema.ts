/**
 * What things cost: the parameters of a machine, in nanoseconds unless said otherwise.
 *
 * Promise: one list of names, the same in files, in named sets, and in the code. A set given in part is completed from
 * a named one (`base`). Every parameter is a mechanism: nothing in it refers to a published row.
 */

import { decimal } from '../../policy/values.js';
import { z } from '../../vendor/zod.js';

/** Nanoseconds, up to ten seconds. */
const ns = () => decimal(0, 1e10);
const factorKey = () => decimal(0, 1000);

/** A cost for each distance between two CPUs. `core` = SMT siblings. */
const distance = () => z.strictObject({ core: ns(), cache: ns(), socket: ns(), remote: ns() });

const shape = {
  // Interrupts, softirq, idle.
  /** Hard interrupt of a device, with entering and leaving. */
  hardIrq: ns(),
  /** Entering a run of the receive softirq. */
  softirqEntry: ns(),
  /** Interrupt to another CPU: at its sender, under way, and at its receiver. */
  ipiSend: ns(),
  ipiLatency: ns(),
  ipiReceive: ns(),
  /** Leaving idle, woken by another CPU, and by a device; booked as busy time. */
  idleExit: ns(),
  idleExitDevice: ns(),
  // Scheduler.
  contextSwitch: ns(),
  /** Waking a task: paid by the waker, for one on its own CPU, and on another. */
  wakeLocal: ns(),
  wakeRemote: ns(),
  /** Turn of a task while others wait; by how much less time a woken one must have had to take over at once. */
  slice: ns(),
  granularity: ns(),
  // Receive.
  /** NIC driver: a packet received, with the completion of one that was sent. */
  driverReceive: ns(),
  /** RPS or a policy in software: hash, table, enqueue to a backlog. */
  steer: ns(),
  /** IP and transport of a packet, up to its socket. */
  protocol: ns(),
  /** Forwarding a packet by IP. */
  route: ns(),
  /** What `release_sock` costs for each packet of a socket's backlog. */
  socketBacklog: ns(),
  /** An application's work for a message where the scenario does not say. */
  application: ns(),
  // Send.
  /** A message through the stack down to the device. */
  send: ns(),
  /** The queueing discipline: adding, taking; under its lock. */
  qdiscEnqueue: ns(),
  qdiscDequeue: ns(),
  /** The driver's transmit, under the queue's lock. */
  transmit: ns(),
  // Switches of the host.
  bridge: ns(),
  macvlan: ns(),
  ovs: ns(),
  /** What Open vSwitch holds its statistics lock for, where the scenario gives it one. */
  ovsStatistics: ns(),
  // Tap, vhost, QEMU.
  /** Entering a packet in a tap's ring, under its lock. */
  tapEnqueue: ns(),
  /** A call into tun: saved for all but one of a batch. */
  tunCall: ns(),
  /** vhost worker: a packet into a guest, out of it, a block request; without copying. */
  vhostReceive: ns(),
  vhostTransmit: ns(),
  vhostBlock: ns(),
  /** Pinning the pages of a packet instead of copying it. */
  pinPages: ns(),
  /** QEMU's thread: a packet into a guest, out of it, with its system calls. */
  qemuReceive: ns(),
  qemuTransmit: ns(),
  /** A register of an emulated device, under QEMU's lock, beyond the exit. */
  registerAccess: ns(),
  /** A signal between a guest and its device thread (eventfd). */
  eventfd: ns(),
  /** A vhost-user switch that polls: a packet in either direction. */
  vhostUser: ns(),
  /** AF_XDP or another bypass in a guest: a packet sent or received. */
  bypassSend: ns(),
  bypassReceive: ns(),
  // Virtual machines.
  /** Leaving guest mode and coming back: for the kernel, and for user space. */
  exit: ns(),
  exitUser: ns(),
  /** Making an interrupt pending for a vCPU; posting it by hardware. */
  inject: ns(),
  post: ns(),
  /** A guest's interrupt to another vCPU, beyond its exit. */
  guestIpi: ns(),
  /** The way back from a vCPU's halt, beyond the exit that it was and the wake-up. */
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
  /** A cache line that was last written at a distance. */
  line: distance(),
  /** c of a contended lock: its hand-over. */
  handOver: distance(),
  /** A miss to memory of the own node and of another; a byte copied from them. */
  dram: z.strictObject({ local: ns(), remote: ns() }),
  copyByte: z.strictObject({ local: ns(), remote: ns() }),
  /** Cache lines (numbers) that change CPUs with a hand-over. */
  lines: z.strictObject({
    /** Taken from another CPU's backlog. */
    backlog: factorKey(),
    /** Read by an application from a socket that another CPU filled. */
    socket: factorKey(),
    /** A transmit queue that another CPU used last: beside its lock, and under it. */
    transmit: factorKey(),
    lock: factorKey(),
    /** A ring between a host CPU and a vCPU or worker. */
    ring: factorKey(),
  }),
  /** Misses (numbers) to a packet's memory. */
  misses: z.strictObject({ receive: factorKey(), guest: factorKey() }),
  // Factors.
  /** A CPU whose sibling is busy takes so many times as long. */
  siblingSlowdown: decimal(1, 100),
  /** Application work grows by this share for each busy CPU of the socket. */
  interference: factorKey(),
} as const;

/** A complete set. */
const complete = z.strictObject(shape);
export const costsSchema = complete;
/** A complete set of costs, nanoseconds. */
export type Costs = z.infer<typeof complete>;
/** Names of all costs. */
export const COST_NAMES = Object.keys(shape) as (keyof Costs)[];

function partial(schema: z.ZodType): z.ZodType {
  return schema instanceof z.ZodObject ? schema.partial().strict().optional() : schema.optional();
}

/** Costs in part. */
export type PartialCosts = { readonly base?: string } & {
  readonly [K in keyof Costs]?: Costs[K] extends number ? number : Partial<Costs[K]>;
};

/** A set in part, with the name of the one that completes it. */
export const partialCostsSchema: z.ZodType<PartialCosts, PartialCosts> = z.strictObject({
  base: z.string({ error: 'the name of a set of costs' }).optional(),
  ...Object.fromEntries(Object.entries(shape).map(([name, schema]) => [name, partial(schema)])),
}) as unknown as z.ZodType<PartialCosts, PartialCosts>;
