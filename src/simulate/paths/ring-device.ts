/**
 * What the paths with a device thread have in common: rings towards it, its threads, and their order of work.
 *
 * Promise: a path says which stages it has (`RingDevice`); this builds them. One thread serves all queues of a device,
 * or each queue has its own, or so many threads share the queues.
 */
import { Class } from '../machine/classes.js';
import type { Cpu } from '../machine/cpu.js';
import { CpuGroup } from '../machine/load-board.js';
import { Fifo } from '../machine/packets.js';
import { ps } from '../machine/sim.js';
import type { Step } from '../machine/step.js';
import type { Vcpu } from '../machine/vcpu.js';
import { WorkerTask } from '../model/tasks.js';
import type { SwitchKind } from '../scenario/schema.js';
import type { BuiltPath, PathGuest } from './path.js';
import { BatchedCall, ChooseGuestQueue, EnterGuest, EnterRing, Kick } from './stages.js';
import { EnterTogether, Gather, Gathering } from './together.js';

/** Bytes from which pages are pinned instead of copied (`vhost_net`'s good_copy_len). */
export const PIN_LEAST = 256;

/** Packets that a vhost worker takes from one queue before the next (`VHOST_NET_PKT_WEIGHT`). */
const WEIGHT = 256;

/** What distinguishes one such path from another. */
export interface RingDevice {
  /** What its threads' time is booked as. */
  readonly cpuClass: number;
  /** Before the ring: the switch. */
  readonly toRing: () => Step[];
  /** The thread, a packet into the guest, and out of it; without copying. */
  readonly receive: (guestOf: Helpers) => Step[];
  readonly transmit: (guestOf: Helpers) => Step[];
  /** Behind the thread on the way out: the switch. */
  readonly fromRing: () => Step[];
  readonly driver: BuiltPath['driver'];
  readonly guestReceive: () => Step[];
  readonly guestTransmit: () => Step[];
  /** The signal beyond the exit; whether it takes an exit at all. */
  readonly kick: { readonly price: number; readonly needsExit: boolean };
  /** A call for each batch of what is sent; default that into tun. */
  readonly call?: number;
  /** Threads poll without end, the NIC too. */
  readonly polls: boolean;
}

/** What stages of a device need to know about it. */
export interface Helpers {
  readonly workerOf: (packet: number) => WorkerTask;
  readonly vcpuOf: (cpu: Cpu) => Vcpu;
}

/** The vCPU that runs on a CPU now. */
export const vcpuOn = (cpu: Cpu): Vcpu => cpu.root.task as Vcpu;

/** Builds the threads and rings. */
export function buildRingDevice(guest: PathGuest, device: RingDevice): BuiltPath {
  const { parts, spec, queues, host, transmitQueues } = guest;
  const { world, price, relaxed } = parts;
  const grown = (name: string, limit: number) =>
    relaxed?.kind === 'queue' && relaxed.names?.includes(name) === true ? limit * relaxed.factor : limit;
  const rings = queues.map(() => new Fifo(world.packets, 'tap', grown(`${guest.name} tap`, spec.tapRing)));
  const sending = Array.from(
    { length: transmitQueues },
    () => new Fifo(world.packets, 'guestTransmit', grown(`${guest.name} transmit ring`, spec.ring)),
  );
  const workers = makeWorkers(guest, device);
  const workerAt = (q: number) => workers[q % workers.length]!;
  const receivers = rings.map((ring, q) => {
    workerAt(q).serve(ring, queues[q]!);
    return workerAt(q);
  });
  const inputs = sending.map((ring, q) => workerAt(q).serve(ring));
  const senders = sending.map((_, q) => workerAt(q));
  const locks = queues.map((_, q) =>
    spec.tapLock === 'none'
      ? null
      : parts.lock(`${guest.name} tap lock ${q}`, spec.tapLockKind, price.lines.lock),
  );
  const helpers: Helpers = {
    workerOf: (packet) => workerAt(world.packets.mark[packet]!),
    vcpuOf: vcpuOn,
  };
  const guarded = (): Step[] =>
    spec.tapLock === 'shared'
      ? [parts.locked((_, packet) => locks[world.packets.mark[packet]!]!, hold, 'tap ring')]
      : [];
  const waitForRoom: BuiltPath['outlet']['waitForRoom'] = (task) => {
    for (const { waiters } of inputs) waiters.push(task);
  };
  const isVeth = spec.device === 'veth';
  const hold = (isVeth ? price.vethEnqueue : undefined) ?? price.tapEnqueue;
  const call = (isVeth ? price.vethCall : undefined) ?? price.tunCall;
  const gathering = spec.enter === 'poll' ? new Gathering(world.packets, rings.length) : null;
  const enter = (): Step[] => [
    ...device.toRing(),
    new ChooseGuestQueue(world, guest.queueOf),
    ...(gathering === null
      ? [new EnterRing(world, rings, locks, hold, receivers)]
      : [
          new Gather(world, gathering),
          new EnterTogether(world, gathering, rings, locks, call, hold, receivers),
        ]),
  ];
  if (device.polls) {
    guest.nic.functions.set(guest.index, (packet) => {
      const q = guest.queueOf(packet);
      world.packets.mark[packet] = q;
      if (rings[q]!.push(packet)) receivers[q]!.nudge(null, null);
      else world.drop(packet, 'ring');
    });
  }
  return {
    receive: () => [
      ...(device.polls ? [] : enter()),
      ...guarded(),
      parts.touch(price.lines.ring, price.misses.receive),
      ...device.receive(helpers),
      new EnterGuest(world, queues),
    ],
    transmit: () => [
      ...device.guestTransmit(),
      new Kick(world, sending, senders, vcpuOn, device.kick.price, device.kick.needsExit),
      parts.touch(price.lines.ring, price.misses.receive),
      new BatchedCall(helpers.workerOf, spec.batch, device.call ?? price.tunCall),
      ...device.transmit(helpers),
      ...device.fromRing(),
    ],
    driver: device.driver,
    guestReceive: device.guestReceive,
    isDirect: device.polls,
    endsAtSwitch: true,
    outlet: {
      get isFull() {
        return sending.every((ring) => ring.length >= ring.limit);
      },
      waitForRoom,
    },
    workers: host.cpus.length > 0 ? workers : [],
  };
}

function makeWorkers(guest: PathGuest, device: RingDevice): WorkerTask[] {
  const { parts, spec, host, queues, transmitQueues } = guest;
  const { contexts } = host.kernel;
  const most = Math.max(queues.length, transmitQueues);
  const count = spec.workers === 'device' ? 1 : spec.workers === 'queue' ? most : spec.workers;
  return Array.from({ length: count }, (_, w) => {
    const allowed = guest.workerCpus(w).map((cpu) => contexts[cpu]!);
    const place = {
      own: allowed[0]!,
      group: allowed.length > 1 ? new CpuGroup(allowed) : null,
      rule: allowed.length > 1 && spec.workerWake === 'home' ? ('idle' as const) : spec.workerWake,
      affinity: 1,
      seed: parts.seedOf(`${guest.name}/worker ${w}`),
    };
    const name = `${guest.name} worker${count > 1 ? ` ${w}` : ''}`;
    const poll = device.polls ? Number.POSITIVE_INFINITY : ps(spec.workerPollUs * 1000);
    return new WorkerTask(name, device.cpuClass, place, parts.world.sim, WEIGHT, poll);
  });
}

/** The switch of a guest: its cost, under its lock where it has one. */
export function switchSteps({ parts, spec }: PathGuest, kind: SwitchKind): () => Step[] {
  return () => parts.switched(kind, spec.switchLock);
}

/** Classes of device threads. */
export const THREAD = { vhost: Class.vhost, io: Class.iothread } as const;
