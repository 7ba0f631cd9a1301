/**
 * Watches the links of live ports: state, carrier, receive rings that the kernel gave up, descriptors that are replaced.
 *
 * Promise: `look` never throws and never waits. It asks the kernel about a link only when rtnetlink told of a change,
 * while a device is gone, and every two seconds (a change that nobody tells of, an event that was lost). When a device's descriptors are replaced workers are told by
 * `Global.portsEpoch`, and the old ones are closed once every worker has attached to the new ones. Main thread only.
 */
import type { EngineCore } from './core.js';
import { PortCounter, portBase } from './counters.js';
import { Global, WorkerWord } from './engine-memory.js';
import type { Native } from './native.js';
import type { LivePort } from './ports/live.js';

/** Interval of looking at links that nothing was heard of. */
const UNASKED_MS = 2000;

export class LinkWatch {
  /** Where rtnetlink tells of changes; -1 = not open (yet). */
  private events = -1;
  private lookedAt = Number.NEGATIVE_INFINITY;
  /** Rings that were replaced at each port, at the last look. */
  private readonly resets = new Map<number, number>();
  /** Ports whose last look failed, and why. */
  private readonly blind = new Map<number, string>();
  private closing: { fds: number[]; epoch: number }[] = [];

  constructor(private readonly core: EngineCore) {}

  /** To be called every 100 ms or so, or less often while not `restless`. */
  look(): void {
    const { core } = this;
    const { live } = core.ports;
    if (live.size === 0 || !this.due()) return;
    this.noteResets();
    for (const [index, port] of live) {
      const { change, old } = this.check(index, port);
      if (change !== 'descriptors') continue;
      port.publish(core.views.portFds, index);
      Atomics.add(core.views.portEpochs, index, 1);
      const epoch = Atomics.add(core.views.global, Global.portsEpoch, 1) + 1;
      this.closing.push({ fds: old, epoch });
      core.wakeAll();
    }
    if (core.plan.mode === 'wire') {
      const [a, b] = [live.get(0), live.get(1)];
      if (a !== undefined && b !== undefined) {
        a.showCarrier(b.carrier);
        b.showCarrier(a.carrier);
      }
    }
    const hosted = core.hosted.map((w) => core.views.workers[w]!);
    this.closing = this.closing.filter(({ fds, epoch }) => {
      if (hosted.some((words) => ((Atomics.load(words, WorkerWord.epochSeen) - epoch) | 0) < 0)) return true;
      this.closeAll(fds);
      return false;
    });
  }

  /** Something waits for the next look: a device that is gone, descriptors that workers still use. */
  get restless(): boolean {
    if (this.closing.length > 0 || this.blind.size > 0) return true;
    for (const { state } of this.core.ports.live.values()) if (state === 'gone') return true;
    return false;
  }

  private due(): boolean {
    const now = performance.now();
    // Drained first: what changes while the ports are looked at is heard of the next time.
    const heard = this.heard(this.core.ports.native!);
    if (!heard && !this.restless && now - this.lookedAt < UNASKED_MS) return false;
    this.lookedAt = now;
    return true;
  }

  /** Without a socket (no descriptor left) everything is looked at every time. */
  private heard(native: Native): boolean {
    try {
      if (this.events >= 0) return native.linksChanged(this.events);
      this.events = native.openLinkEvents();
    } catch {
      // Tried again.
    }
    return true;
  }

  /** Closes what is left. When no worker runs any more. */
  close(): void {
    if (this.events >= 0) this.closeAll([this.events]);
    this.events = -1;
    for (const { fds } of this.closing.splice(0)) this.closeAll(fds);
  }

  private closeAll(fds: readonly number[]): void {
    for (const fd of fds) this.core.ports.native!.closeDescriptor(fd);
  }

  /** A look at a link must not end the run: what fails (no descriptor left, netlink overrun) is tried again. */
  private check(index: number, port: LivePort): ReturnType<LivePort['check']> {
    try {
      const result = port.check();
      this.blind.delete(index);
      return result;
    } catch (error) {
      const { message } = error as Error;
      if (this.blind.get(index) !== message) this.core.warn(`port ${port.spec.name}: ${message}`);
      this.blind.set(index, message);
      return { change: 'none', old: [] };
    }
  }

  /** Warns of the first receive ring that the kernel gave up (a super-frame that virtio-net cannot express), the tenth … */
  private noteResets(): void {
    const { plan, ports, views, warn } = this.core;
    for (const index of ports.live.keys()) {
      const at = portBase(index) + PortCounter.ringResets;
      const resets = views.counters.port.reduce((sum, c) => sum + c[at]!, 0);
      const seen = this.resets.get(index) ?? 0;
      if (resets < Math.max(1, 10 * seen)) continue;
      this.resets.set(index, resets);
      warn(
        `port ${plan.ports[index]?.name}: the kernel dropped frames that virtio-net cannot express, and the receive ring was replaced (UDP super-frames before Linux 6.2: on the sender, ethtool -K IFACE tx-udp-segmentation off)`,
      );
    }
  }
}
