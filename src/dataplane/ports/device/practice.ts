/** What stands for ports of devices in a warm-up: stand-ins for the native objects. Promise: see `PracticePorts`. */
import { type NativeReceiver, type NativeSender, SendResult } from '../../../addon/native.js';
import { makeSendArrays, type SendArrays } from '../port.js';
import { type FrameSource, type PracticePorts, SHAPES } from '../practice.js';
import { NativeQueue, NativeSendQueue } from './native-queues.js';

/** One call in so many meets a full device. */
const FULL_EVERY = 32;

const close = (): void => {};

/** The k-th native receiver: another shape, and another function than the one before. */
function receiverOf(k: number, frames: FrameSource): NativeReceiver {
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

/** For every kind whose ports are devices. */
export const devicePractice: PracticePorts<{ readonly offload: boolean }> = {
  receivers(_parts, _port, frames) {
    return Array.from({ length: SHAPES }, (_, k) => new NativeQueue(receiverOf(k, frames), -1));
  },

  sender({ data }, k) {
    const arrays = makeSendArrays();
    return new NativeSendQueue(senderOf(k, arrays), arrays, data.offload);
  },
};
