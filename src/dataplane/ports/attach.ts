/**
 * The worker's side of ports: makes receivers and senders from what the main thread opened.
 *
 * Promise: a worker's objects are its own. A port that is down (its device is gone, nobody is behind it) receives nothing
 * and answers `down` to every frame.
 */
import { SendResult } from '../../addon/native.js';
import type { PortInfo } from '../shared/port-info.js';
import type { AttachParts, PortAttacher } from './attacher.js';
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

/** The transmit side of a port that is down, or was removed. */
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

function attacherOf({ attachers }: AttachParts, { kind, name }: PortInfo): PortAttacher {
  const attacher = attachers.get(kind);
  if (attacher === undefined) throw new Error(`port ${name}: nothing here attaches to ports of kind ${kind}`);
  return attacher;
}

/** Opens receive queue `q` of a port for this worker; null where the port is down. */
export function attachReceiver(p: AttachParts, port: PortInfo, q: number): ReceiveQueue | null {
  const arrays: ReceiveArrays = {
    id: p.burst.id,
    off: p.burst.off,
    len: p.burst.len,
    flags: p.burst.flags,
    status: p.status,
  };
  const receiver = attacherOf(p, port).receiver(p, port, q, arrays);
  if (receiver === null) return null;
  return receiveQueue(port.index, q, port.firstQueue + q, port.finite, receiver);
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

/** This worker's sender of a port; null for ports that cannot send. */
export function attachSender(p: AttachParts, port: PortInfo): Sender | null {
  if (port.removed) return new DownSender();
  if (port.txQueues === 0) return null;
  return attacherOf(p, port).sender(p, port) ?? new DownSender();
}
