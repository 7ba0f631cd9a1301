/**
 * The ports of a warm-up: receivers that give made-up frames, senders that send nowhere.
 *
 * Promise: no kernel and no other thread has a part in it. They are objects of the classes that the worker's ports will
 * be of, so that V8 finds those where it has learned to expect them. Only what is native inside stands for something
 * else, which would be another kind of object: it comes in so many shapes that V8 takes any.
 */
import { type Native, type NativeReceiver, type NativeSender, SendResult } from '../../addon/native.js';
import type { FramePool } from '../memory/pool.js';
import { LiveReceiver, LiveSender } from '../ports/attach.js';
import { divideSource, placeInTurn } from '../ports/memory/mix.js';
import { NativeMemorySource } from '../ports/memory/native-source.js';
import { MEMORY_SIZE_MIN, type MemorySourceOptions } from '../ports/memory/options.js';
import { MemorySink } from '../ports/memory/sink.js';
import {
  makeSendArrays,
  type ReceiveArrays,
  type Receiver,
  type SendArrays,
  type Sender,
} from '../ports/port.js';
import { type PortInfo, STATE_WORDS } from '../shared/port-info.js';

/** Kinds of objects at one place that V8 tells apart before it takes any. */
const SHAPES = 6;
/** One call in so many meets a full device. */
const FULL_EVERY = 32;

const close = (): void => {};

/** What gives the frames. */
interface Frames {
  receive(max: number): number;
}

/** The k-th native receiver: another shape, and another function than the one before. */
function receiverOf(k: number, frames: Frames): NativeReceiver {
  const shape = { [`shape${k}`]: k };
  if (k % 2 === 0) return { ...shape, receive: (max) => frames.receive(max), close };
  return { ...shape, receive: (max) => frames.receive(max), close };
}

/** The k-th native sender. */
function senderOf(k: number, { result }: SendArrays): NativeSender {
  let calls = 0;
  const outcome = (from: number, to: number): number => {
    const isFull = ++calls % FULL_EVERY === 0;
    result[to - 1] = isFull ? SendResult.full : SendResult.sent;
    return to - from - (isFull ? 1 : 0);
  };
  const shape = { [`shape${k}`]: k };
  if (k % 2 === 0) return { ...shape, send: (from, to) => outcome(from, to), close };
  return { ...shape, send: (from, to) => outcome(from, to), close };
}

/** Words of a bound memory source's `call`: frames wanted, frames made. */
const WANTED = 0;
const MADE = 1;

/** One flow, no end, no rate. */
const OPTIONS: MemorySourceOptions = {
  target: 'source',
  flows: 1,
  guests: 1,
  size: MEMORY_SIZE_MIN,
  rate: 0,
  burst: 1,
  packets: 0,
  seed: 1,
  queues: 1,
  elephant: 'none',
  share: 1,
  stamp: false,
};

/** The k-th memory source: it gives `frames` instead of its own. */
function sourceOf(k: number, frames: Frames, { pool, worker, arrays }: ReceiverParts): Receiver {
  const native: Pick<Native, 'bindMemorySource' | 'monotonic' | 'releaseBound'> = {
    bindMemorySource: (_options, _pool, _arrays, _state, call) => {
      const make = () => {
        call[MADE] = frames.receive(call[WANTED]!);
      };
      return k % 2 === 0 ? () => make() : () => make();
    },
    monotonic: () => 0,
    releaseBound: () => {},
  };
  const part = divideSource(OPTIONS, placeInTurn(OPTIONS))[0]!;
  const state = new Int32Array(STATE_WORDS);
  return new NativeMemorySource(native as Native, OPTIONS, 0, pool, worker, arrays, state, part);
}

/** What receivers are made of, as in the run. */
export interface ReceiverParts {
  readonly native: Native | null;
  readonly pool: FramePool;
  readonly worker: number;
  readonly arrays: ReceiveArrays;
}

/** Receivers in place of a port's, each of which gives the next of `frames`. */
export function practiceReceivers(info: PortInfo, frames: Frames, parts: ReceiverParts): Receiver[] {
  const isMemory = info.source?.kind === 'memory' && parts.native !== null;
  return Array.from({ length: SHAPES }, (_, k) =>
    isMemory ? sourceOf(k, frames, parts) : new LiveReceiver(receiverOf(k, frames), -1),
  );
}

/** The k-th sender, in place of a port's. */
export function practiceSender(k: number, info: PortInfo): Sender | null {
  if (info.txQueues === 0) return null;
  if (info.sink?.kind === 'memory') return new MemorySink();
  const arrays = makeSendArrays();
  return new LiveSender(senderOf(k, arrays), arrays, info.offload);
}
