/**
 * The worker's side of ports: makes receivers and senders from what the main thread opened.
 *
 * Promise: a worker's objects are its own; descriptors are duplicated, so closing them never affects another
 * thread. A port whose device is gone (descriptor -1) receives nothing and answers `down` to every frame.
 */

import { type Native, type NativeReceiver, type NativeSender, SendResult } from '../../addon/native.js';
import type { Burst } from '../../packet/burst.js';
import { compilePolicy } from '../../policy/compile.js';
import type { ThreadClock } from '../memory/clock.js';
import { LARGE_SLOT_BYTES } from '../memory/layout.js';
import type { FramePool } from '../memory/pool.js';
import type { EngineViews } from '../shared/engine-memory.js';
import type { EnginePlan } from '../shared/plan.js';
import { type PortInfo, STATE_WORDS, spareOffset } from '../shared/port-info.js';
import { PORT_FDS, PortFd } from '../shared/words.js';
import { CaptureSource } from './capture/source.js';
import { CaptureSender } from './capture/writer.js';
import { divideSource, placeBySteering, placeInTurn, type SourcePart } from './memory/mix.js';
import { NativeMemorySource } from './memory/native-source.js';
import { GuestSink, LatencySink, MemorySink } from './memory/sink.js';
import { MemorySource } from './memory/source.js';
import { flowFrames } from './memory/templates.js';
import { makeSendArrays, type ReceiveArrays, type Receiver, type Sender } from './port.js';

/** A receive queue as the worker loop polls it. */
export interface ReceiveQueue {
  readonly port: number;
  readonly queue: number;
  /** Number among the receive queues of all ports. */
  readonly global: number;
  /** The source has an end. */
  readonly finite: boolean;
  readonly receiver: Receiver;
  /** Asks in vain since its last frame; of the poll list. */
  idle: number;
  /** Frames that may still be taken before it is closed; -1 = it stays. */
  left: number;
}

export interface AttachParts {
  /** Replaced by live changes. */
  plan: EnginePlan;
  readonly views: EngineViews;
  readonly pool: FramePool;
  readonly native: Native | null;
  readonly clock: ThreadClock;
  readonly worker: number;
  readonly burst: Burst;
  readonly status: Int32Array;
}

/** A native receiver as a `Receiver`: always ready to be asked, never finished. */
export class LiveReceiver implements Receiver {
  constructor(
    private readonly native: NativeReceiver,
    readonly descriptor: number,
  ) {}
  receive(max: number): number {
    return this.native.receive(max);
  }
  finished(): boolean {
    return false;
  }
  dueInMs(): number {
    return Infinity;
  }
  close(): void {
    this.native.close();
  }
}

export class LiveSender implements Sender {
  readonly delivers = false;
  constructor(
    private readonly native: NativeSender,
    readonly arrays: Sender['arrays'],
    readonly offload: boolean,
  ) {}
  send(from: number, to: number): number {
    return this.native.send(from, to);
  }
  close(): void {
    this.native.close();
  }
}

/** The transmit side of a device that is gone, or of a port that was removed. */
export class DownSender implements Sender {
  readonly arrays = makeSendArrays();
  readonly delivers = false;
  readonly offload = true;
  send(from: number, to: number): number {
    this.arrays.result.fill(SendResult.down, from, to);
    return 0;
  }
  close(): void {}
}

/** Opens receive queue `q` of a port for this worker; null where the port's device is gone. */
export function attachReceiver(p: AttachParts, port: PortInfo, q: number): ReceiveQueue | null {
  const arrays: ReceiveArrays = {
    id: p.burst.id,
    off: p.burst.off,
    len: p.burst.len,
    flags: p.burst.flags,
    status: p.status,
  };
  const receiver = openReceiver(p, port, q, arrays);
  if (receiver === null) return null;
  const finite = port.source?.finite === true;
  return receiveQueue(port.index, q, port.firstQueue + q, finite, receiver);
}

/**
 * A receive queue of a worker. Numbers that came with a message may be doubles to V8, whole as they are: `| 0`, because
 * the burst takes them over, and one whose fields have turned into doubles is another kind of object to all loops.
 */
export function receiveQueue(
  port: number,
  queue: number,
  global: number,
  finite: boolean,
  receiver: Receiver,
): ReceiveQueue {
  return { port: port | 0, queue: queue | 0, global: global | 0, finite, receiver, idle: 0, left: -1 };
}

/** The flows of queue `q` of a memory source; with stage=nic the source is the NIC that places them. */
function sourcePart(plan: EnginePlan, port: PortInfo, q: number): SourcePart {
  const { options } = port.source as Extract<PortInfo['source'], { kind: 'memory' }>;
  if (plan.policy.stage !== 'nic' || options.queues === 1) {
    return divideSource(options, placeInTurn(options))[q]!;
  }
  const { active: workers, ports } = plan;
  const steering = compilePolicy(plan.policy, { workers, ports, faults: 'count' });
  const frameOf = flowFrames(options, port.index);
  return divideSource(options, placeBySteering(options, port.index, steering, frameOf))[q]!;
}

function openReceiver(p: AttachParts, port: PortInfo, q: number, arrays: ReceiveArrays): Receiver | null {
  const state = new Int32Array(port.state).subarray(q * STATE_WORDS, (q + 1) * STATE_WORDS);
  if (port.source !== null) {
    if (port.source.kind === 'capture') {
      return new CaptureSource(port.source.spool, p.pool, p.worker, arrays, state);
    }
    const { pool, worker, native, clock } = p;
    const { options } = port.source;
    const part = sourcePart(p.plan, port, q);
    return native === null
      ? new MemorySource(options, port.index, pool, worker, arrays, state, clock, part)
      : new NativeMemorySource(native, options, port.index, pool, worker, arrays, state, part);
  }
  const fd = p.views.portFds[port.index * PORT_FDS + PortFd.receive + q]!;
  if (fd < 0 || p.native === null) return null;
  const pool = p.pool.nativeView(p.worker);
  const native =
    port.kind === 'tap'
      ? new p.native.TapReceiver(fd, pool, arrays, state, spareOf(port, q))
      : new p.native.PacketReceiver(fd, state, pool, arrays);
  return new LiveReceiver(native, fd);
}

function spareOf({ state, rxQueues }: PortInfo, queue: number): Uint8Array {
  return new Uint8Array(state, spareOffset(rxQueues, queue), LARGE_SLOT_BYTES);
}

/** This worker's sender of a port; null for ports that cannot send. */
export function attachSender(p: AttachParts, port: PortInfo): Sender | null {
  if (port.removed) return new DownSender();
  if (port.txQueues === 0) return null;
  if (port.sink !== null) {
    if (port.sink.kind === 'capture') return new CaptureSender(port.sink.path, p.pool.bytes);
    const { latency, guest } = port.sink;
    const plain =
      guest === null ? new MemorySink() : new GuestSink(p.pool.bytes, guest, p.worker % port.txQueues);
    if (latency === null) return plain;
    return new LatencySink(plain, p.pool.bytes, latency, p.worker, p.clock);
  }
  const base = port.index * PORT_FDS;
  const queue = p.worker % port.txQueues;
  const { portFds } = p.views;
  const fd = portFds[base + PortFd.send + queue]!;
  const xsk = portFds[base + PortFd.sendXsk + queue]!;
  const queued = portFds[base + PortFd.sendQueued + queue]!;
  if ((fd < 0 && queued < 0 && xsk < 0) || p.native === null) return new DownSender();
  const arrays = makeSendArrays();
  const native =
    port.kind === 'tap'
      ? new p.native.TapSender(fd, p.pool.bytes, arrays)
      : new p.native.PacketSender(
          fd,
          queued,
          portFds.subarray(base + PortFd.path, base + PortFd.withheld + 1),
          p.pool.bytes,
          arrays,
          portFds[base + PortFd.ifindex]!,
          xsk,
          queue < port.staging.length ? new Uint8Array(port.staging[queue]!) : undefined,
        );
  // An AF_XDP socket alone takes finished frames only.
  return new LiveSender(native, arrays, port.offload && (fd >= 0 || queued >= 0));
}
