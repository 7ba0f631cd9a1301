/**
 * What stands for a kind's ports in a worker's warm-up: receivers that give made-up frames, senders that send nowhere.
 *
 * Promise: no kernel and no other thread has a part in it. They are objects of the classes that the kind's receivers and
 * senders are of, so that V8 finds those where it has learned to expect them. Only what is native inside stands for
 * something else, which would be another kind of object: it comes in so many shapes that V8 takes any.
 */
import type { Native } from '../../addon/native.js';
import type { FramePool } from '../memory/pool.js';
import type { PortInfo } from '../shared/port-info.js';
import type { ReceiveArrays, Receiver, Sender } from './port.js';

/** Kinds of objects at one place that V8 tells apart before it takes any. */
export const SHAPES = 6;

/** What gives the frames: as `Receiver.receive`, into the arrays and slots of the warm-up. */
export interface FrameSource {
  receive(max: number): number;
}

/** What receivers are made of, as in the run. */
export interface PracticeParts {
  readonly native: Native | null;
  readonly pool: FramePool;
  readonly worker: number;
  readonly arrays: ReceiveArrays;
}

export interface PracticePorts<Data = unknown> {
  /** Receivers in place of a port's, each of which gives the next of `frames`. */
  receivers(parts: PracticeParts, port: PortInfo<Data>, frames: FrameSource): Receiver[];
  /** The k-th sender, in place of a port's. */
  sender(port: PortInfo<Data>, k: number): Sender;
}
