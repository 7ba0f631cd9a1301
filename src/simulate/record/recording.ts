/**
 * A recording of a run: what each CPU did over time, by class, and the way of one packet across the CPUs.
 *
 * Promise: what `Recorder` promises. The heat map cuts the window into `COLUMNS` parts and adds up, to the picosecond,
 * to the CPU time of the result. The packet is a typical one: of some dozens that are followed, that with the median
 * latency. Its way has its own work, what its CPUs did to get at it (interrupt, way out of idle, context switch), and
 * where it waited.
 */
import { CLASSES, Class } from '../machine/classes.js';
import type { Cpu } from '../machine/cpu.js';
import type { Packets } from '../machine/packets.js';
import type { RecordedCpu, Recorder } from '../machine/recorder.js';
import type { Sim } from '../machine/sim.js';
import { PathTrack, type Span } from './path-track.js';
import type { PacketPath, Recording } from './shown.js';

/** Parts of the window. */
export const COLUMNS = 96;
/** Packets that are followed, one after each such part of the window. */
const FOLLOWED = 64;
/** Spans without a packet that each CPU keeps, for the packet that it takes next. */
const KEPT = 6;
const PICO_PER_MS = 1e9;

/** What spans without a packet are called, by class as the kernel in question books them. */
const AROUND_LABELS: Partial<Record<number, string>> = {
  [Class.irq]: 'interrupt',
  [Class.softirq]: 'softirq',
  [Class.idleExit]: 'leaving idle',
  [Class.scheduler]: 'context switch',
  [Class.vcpu]: 'exit, entry',
};

export class RunRecording implements Recorder {
  readonly #times: Float64Array;
  readonly #column: number;
  readonly #followed = new Map<number, PathTrack>();
  readonly #completed: PathTrack[] = [];
  readonly #around: Span[][];
  #due: number;

  /** @param from beginning of the window; @param length of it; picoseconds both. */
  constructor(
    private readonly sim: Sim,
    private readonly packets: Packets,
    private readonly cpus: readonly Cpu[],
    private readonly from: number,
    private readonly length: number,
  ) {
    this.#times = new Float64Array(cpus.length * CLASSES.length * COLUMNS);
    this.#column = length / COLUMNS;
    this.#around = cpus.map(() => []);
    this.#due = from;
    for (const cpu of cpus) cpu.recorder = this;
    packets.recorder = this;
  }

  spent(cpu: RecordedCpu, start: number, time: number): void {
    if (time === 0) return;
    this.#book(cpu.id, cpu.class, start, time);
    const isGuest = cpu.context !== cpu.root;
    if (cpu.packet < 0) {
      const kept = this.#around[cpu.id]!;
      const label = AROUND_LABELS[isGuest ? cpu.context.class : cpu.class] ?? '';
      const span = {
        kind: 'around',
        cpu: cpu.id,
        cls: cpu.class,
        label,
        isGuest,
        start,
        end: start + time,
      } as const;
      if (kept.length === KEPT) kept.shift();
      kept.push(span);
      return;
    }
    this.#followed.get(cpu.packet)?.work(cpu, cpu.class, cpu.stepLabel, isGuest, start, time);
  }

  passed(cpu: RecordedCpu, cls: number, start: number, time: number): void {
    if (time === 0) return;
    this.#book(cpu.id, cls, start, time);
    if (cls !== Class.lockWait || cpu.packet < 0) return;
    this.#followed
      .get(cpu.packet)
      ?.work(cpu, cls, 'waiting for a lock', cpu.context !== cpu.root, start, time);
  }

  loaded(cpu: RecordedCpu, packet: number): void {
    const track = this.#followed.get(packet);
    if (track === undefined) return;
    track.take(this.#around[cpu.id]!, this.sim.now);
    this.#around[cpu.id]!.length = 0;
  }

  begun(packet: number): void {
    const { now } = this.sim;
    if (now < this.#due || now >= this.from + this.length) return;
    this.#due = now + this.length / FOLLOWED;
    this.#followed.set(packet, new PathTrack(this.packets.flow[packet]!, now));
  }

  queued(packet: number, reason: string): void {
    this.#followed.get(packet)?.queue(reason, this.sim.now);
  }

  completed(packet: number): void {
    const track = this.#followed.get(packet);
    if (track === undefined) return;
    track.end(this.sim.now);
    this.#completed.push(track);
    this.#followed.delete(packet);
  }

  gone(packet: number): void {
    this.#followed.delete(packet);
  }

  #book(cpu: number, cls: number, start: number, time: number): void {
    const column = this.#column;
    let at = Math.max(0, start - this.from);
    const end = Math.min(this.length, start + time - this.from);
    const row = (cpu * CLASSES.length + cls) * COLUMNS;
    while (at < end) {
      const c = Math.min(COLUMNS - 1, Math.floor(at / column));
      const until = c === COLUMNS - 1 ? end : Math.min(end, Math.max((c + 1) * column, at + 1));
      this.#times[row + c]! += until - at;
      at = until;
    }
  }

  /** What was recorded. `guestOf`: name of a flow's guest, null for the host. */
  shown(guestOf: (flow: number) => string | null): Recording {
    const columns = (cpu: number, cls: number) => {
      const row = (cpu * CLASSES.length + cls) * COLUMNS;
      return Array.from(this.#times.subarray(row, row + COLUMNS), (time) => time / this.#column);
    };
    return {
      columnMs: this.#column / PICO_PER_MS,
      cpus: this.cpus.map(({ id }) => {
        const busy = CLASSES.flatMap((name, cls) => {
          const shares = columns(id, cls);
          return shares.some((share) => share > 0) ? [[name, shares] as const] : [];
        });
        return { id, classes: Object.fromEntries(busy) };
      }),
      path: this.#typical(guestOf),
    };
  }

  #typical(guestOf: (flow: number) => string | null): PacketPath | null {
    const done = this.#completed.filter(({ spans }) => spans.length > 0);
    if (done.length === 0) return null;
    const byLatency = [...done].sort((a, b) => a.latency - b.latency || a.born - b.born);
    const track = byLatency[byLatency.length >> 1]!;
    return track.shown(guestOf(track.flow), done.length);
  }
}
