/**
 * The transmit side of a device: which queue, its lock, and the queueing discipline in front of it.
 *
 * Promise: the queue is the library's (`src/linux/xps`). Without a discipline a sender takes the queue's lock for the
 * driver's work. With one it follows `__dev_queue_xmit`: everybody adds to the queue under its root lock; one CPU, the
 * owner, takes packets from it under the same lock and hands them to the driver without it, up to 64, then leaves the
 * rest to its softirq. `busylock`: who finds an owner at work queues for another lock first, so that the owner has one
 * rival at most.
 */
import { pickTxQueue, type TxDevice, XpsMap } from '../../linux/xps.js';
import type { Context, PollSource } from '../machine/context.js';
import type { Cpu } from '../machine/cpu.js';
import { type Distances, Lock } from '../machine/lock.js';
import { Fifo } from '../machine/packets.js';
import { Next, type Step } from '../machine/step.js';
import type { TransmitSettings } from '../scenario/schema.js';
import { type Chance, type Memory, vary } from './steps.js';
import type { World } from './world.js';

const QUOTA = 64;

/** Prices of sending, in picoseconds. */
export interface TransmitPrices {
  readonly transmit: number;
  readonly enqueue: number;
  readonly dequeue: number;
  /** Cache lines of a packet that another CPU has put there, and of a driver's queue that another CPU used last. */
  readonly lines: number;
  readonly queueLines: number;
}

/** One transmit queue. */
export class TxQueue implements PollSource {
  readonly interruptCost = 0;
  readonly isBacklog = false;
  readonly lock: Lock;
  readonly root: Lock;
  readonly busy: Lock;
  readonly waiting: Fifo;
  /** CPU that used it last. */
  user = -1;
  /** A CPU is its owner. */
  isRunning = false;
  quota = 0;
  /** Program of packets that the softirq goes on with. */
  again = 0;
  #isArmed = false;

  constructor(
    private readonly world: World,
    readonly name: string,
    /** Its number among the device's queues. */
    readonly number: number,
    { lock: kind, limit }: TransmitSettings,
    distances: Distances,
    lines: number,
  ) {
    const made = (suffix: string) => {
      const lock = new Lock(`${name} ${suffix}`, kind, distances, lines);
      world.locks.push(lock);
      return lock;
    };
    this.lock = made('lock');
    this.root = made('qdisc lock');
    this.busy = made('busylock');
    this.waiting = new Fifo(world.packets, 'qdisc', limit);
  }

  /** The owner leaves the rest to the softirq of its CPU. */
  leave(context: Context): void {
    this.#isArmed = true;
    context.schedulePoll(this);
  }

  /** One packet at a time: whoever takes it is the owner and goes on by itself. */
  take(): number {
    if (!this.#isArmed) return -1;
    this.#isArmed = false;
    const p = this.waiting.shift();
    if (p >= 0) {
      this.world.packets.program[p] = this.again;
      this.world.packets.step[p] = 0;
    }
    return p;
  }

  complete(_context: Context): void {}
}

/** All transmit queues of a device. */
export class TxSide {
  readonly queues: TxQueue[];
  readonly #device: TxDevice;
  /** By flow: the CPU that sent it last and the queue that it got, in one word. */
  #chosen = new Int32Array(0);

  /** @param cpus CPUs of the machine that sends. */
  constructor(
    private readonly world: World,
    name: string,
    readonly settings: TransmitSettings,
    cpus: number,
    distances: Distances,
    lines: number,
  ) {
    const { queues, select } = settings;
    this.queues = Array.from(
      { length: queues },
      (_, q) => new TxQueue(world, queues === 1 ? name : `${name} queue ${q}`, q, settings, distances, lines),
    );
    const maps = new XpsMap(cpus);
    for (let q = 0; q < queues; q++) {
      if (select === 'cpus') maps.set(q, everyNth(q, queues, cpus));
      else if (select !== 'hash') maps.set(q, select[q] ?? []);
    }
    this.#device = { realNumTxQueues: queues, ...(select === 'hash' ? {} : { cpus: maps }) };
  }

  /** The queue for a packet of a flow that this CPU sends. */
  select(contextId: number, flow: number): TxQueue {
    if (this.queues.length === 1) return this.queues[0]!;
    const { flows } = this.world;
    if (this.#chosen.length < flows.count) this.#chosen = new Int32Array(flows.count).fill(-1);
    const known = this.#chosen[flow]!;
    if (known >= 0 && known >> 10 === contextId) return this.queues[known & 1023]!;
    const { queue } = pickTxQueue(this.#device, {
      hash: flows.hashOf(flow),
      cpu: contextId,
      rxQueue: flows.received[flow]!,
    });
    this.#chosen[flow] = (contextId << 10) | queue;
    return this.queues[queue]!;
  }
}

function everyNth(q: number, queues: number, cpus: number): number[] {
  return Array.from({ length: cpus }, (_, cpu) => cpu).filter((cpu) => cpu % queues === q);
}

/** Chooses the queue (into `mark`) and fetches its lines. */
export class ChooseQueue implements Step {
  readonly isVisible = false;
  readonly label = 'transmit queue';

  constructor(
    private readonly world: World,
    private readonly side: TxSide,
    private readonly memory: Memory,
    private readonly lines: number,
  ) {}

  run(cpu: Cpu, packet: number): number {
    const { packets } = this.world;
    const queue = this.side.select(cpu.context.id, packets.flow[packet]!);
    packets.mark[packet] = queue.number;
    // Behind a discipline only its owner touches the driver's queue.
    if (!this.side.settings.qdisc) useQueue(queue, cpu, this.lines, this.memory);
    return Next.step;
  }
}

/** The lines of a driver's queue, from the CPU that used it last. */
function useQueue(queue: TxQueue, cpu: Cpu, lines: number, memory: Memory): void {
  if (queue.user >= 0 && queue.user !== cpu.id) {
    cpu.spend(Math.round(lines * memory.line(queue.user, cpu.id)));
    cpu.context.counters.remoteLines += lines;
  }
  queue.user = cpu.id;
}

// Phases of a passage through the discipline. `HELD` = the busylock is held.
const BEGIN = 0;
const BUSY = 1;
const ROOT = 2;
const ADDED = 3;
const TAKEN = 4;
const DRIVER = 5;
const SENT = 6;
const BACK = 7;
const RESUMED = 8;
const RETAKEN = 9;
const HELD = 16;

/** The queueing discipline with its locks. Its owner takes over the packets that others have put there. */
export class Qdisc implements Step {
  readonly isVisible = true;
  readonly label = 'queueing discipline';

  /**
   * @param send hands a packet to what is below; ends it where there is no room
   * @param isAgain the packet was left by an owner, and this is its softirq
   */
  constructor(
    private readonly world: World,
    private readonly side: TxSide,
    private readonly prices: TransmitPrices,
    private readonly memory: Memory,
    private readonly chance: Chance,
    /** The first of three draws of each packet. */
    private readonly draw: number,
    private readonly send: (cpu: Cpu, packet: number) => void,
    private readonly isAgain: boolean,
  ) {}

  run(cpu: Cpu, packet: number): number {
    const queue = this.side.queues[this.world.packets.mark[packet]!]!;
    const { prices } = this;
    for (;;) {
      const held = cpu.phase & HELD;
      switch (cpu.phase & ~HELD) {
        case BEGIN:
          if (this.isAgain) {
            cpu.phase = RESUMED;
            if (!queue.root.acquire(cpu)) return Next.wait;
          } else if (queue.isRunning && this.side.settings.busylock) {
            cpu.phase = BUSY | HELD;
            if (!queue.busy.acquire(cpu)) return Next.wait;
          } else cpu.phase = BUSY;
          break;
        case BUSY:
          cpu.phase = ROOT | held;
          if (!queue.root.acquire(cpu)) return Next.wait;
          break;
        case ROOT:
          cpu.spend(this.#vary(prices.enqueue * queue.root.slowness, cpu, packet, 0));
          cpu.phase = ADDED | held;
          return Next.pay;
        case ADDED: {
          const isAccepted = queue.waiting.push(packet);
          if (!isAccepted) this.world.drop(packet, 'qdisc');
          const isOwner = !queue.isRunning && queue.waiting.length > 0;
          if (!isOwner) {
            queue.root.release(cpu);
            if (held !== 0) queue.busy.release(cpu);
            return Next.done;
          }
          queue.isRunning = true;
          queue.quota = QUOTA;
          if (held !== 0) queue.busy.release(cpu);
          cpu.spend(this.#vary(prices.dequeue * queue.root.slowness, cpu, packet, 1));
          cpu.phase = TAKEN;
          return Next.pay;
        }
        case RESUMED:
          queue.quota = QUOTA;
          cpu.spend(this.#vary(prices.dequeue * queue.root.slowness, cpu, packet, 1));
          cpu.phase = RETAKEN;
          return Next.pay;
        case TAKEN:
        case RETAKEN:
          cpu.scratch = cpu.phase === RETAKEN ? packet : queue.waiting.shift();
          queue.root.release(cpu);
          this.#takeOver(cpu, cpu.scratch);
          cpu.phase = DRIVER;
          if (!queue.lock.acquire(cpu)) return Next.wait;
          break;
        case DRIVER:
          useQueue(queue, cpu, prices.queueLines, this.memory);
          cpu.spend(this.#vary(prices.transmit * queue.lock.slowness, cpu, cpu.scratch, 2));
          cpu.phase = SENT;
          return Next.pay;
        case SENT:
          queue.lock.release(cpu);
          queue.quota--;
          this.send(cpu, cpu.scratch);
          cpu.phase = BACK;
          if (!queue.root.acquire(cpu)) return Next.wait;
          break;
        default:
          if (queue.waiting.length === 0) queue.isRunning = false;
          else if (queue.quota > 0) {
            cpu.spend(this.#vary(prices.dequeue * queue.root.slowness, cpu, packet, 1));
            cpu.phase = TAKEN;
            return Next.pay;
          } else queue.leave(cpu.context);
          queue.root.release(cpu);
          return Next.done;
      }
    }
  }

  #vary(time: number, cpu: Cpu, packet: number, nth: number): number {
    return vary(this.chance, Math.round(time), cpu, packet, this.draw + nth);
  }

  /** The packet's own lines, from the CPU that built it. */
  #takeOver(cpu: Cpu, packet: number): void {
    const { packets } = this.world;
    const from = packets.cpu[packet]!;
    if (from < 0 || from === cpu.id) return;
    cpu.spend(Math.round(this.prices.lines * this.memory.line(from, cpu.id)));
    cpu.context.counters.remoteLines += this.prices.lines;
    packets.cpu[packet] = cpu.id;
  }
}
