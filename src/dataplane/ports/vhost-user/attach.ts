/**
 * A worker's receivers and senders of vhost-user ports.
 *
 * Promise: see `PortAttacher`. They stay the same whatever guest is connected: a ring that nobody has started gives no
 * frames and answers `down`.
 */
import type { NativeSender } from '../../../addon/native.js';
import { WorkerCounter } from '../../shared/counters.js';
import type { PortAttacher } from '../attacher.js';
import { NativeQueue } from '../device/native-queues.js';
import { devicePractice } from '../device/practice.js';
import { makeSendArrays, type SendArrays, type Sender } from '../port.js';
import type { VhostData } from './data.js';
import { LearningQueue, RingChoice } from './ring-choice.js';

/** Puts each frame into one of the rings that the guest has enabled. */
class VhostSender implements Sender {
  readonly delivers = false;
  readonly readerOf?: (offset: number, length: number) => number;

  constructor(
    private readonly native: NativeSender,
    readonly arrays: SendArrays,
    readonly offload: boolean,
    private readonly choice: RingChoice,
    severalRings: boolean,
  ) {
    // With one ring its reader is the port's.
    if (severalRings) this.readerOf = (offset, length) => choice.readerOf(offset, length);
  }

  send(from: number, to: number): number {
    this.choice.choose(from, to);
    return this.native.send(from, to);
  }

  close(): void {
    this.native.close();
  }
}

export const attacher: PortAttacher<VhostData> = {
  practice: devicePractice,

  receiver({ native, pool, worker, clock }, { data }, _queue, arrays) {
    if (native === null) return null;
    const rings = new Int32Array(arrays.off.length);
    const receiver = new native.VhostReceiver(data.backend, pool.nativeView(worker), arrays, rings);
    return data.guestQueue === 'auto' && data.pairs > 1
      ? new LearningQueue(receiver, arrays, rings, pool.bytes, clock, data)
      : new NativeQueue(receiver, data.event, true);
  },

  sender({ native, pool, worker, clock, views }, { data }) {
    if (native === null) return null;
    const arrays = makeSendArrays();
    const choice = new RingChoice(arrays, pool.bytes, worker, clock, data);
    const { wanted, bucket } = choice;
    const sender = new native.VhostSender(data.backend, pool.bytes, arrays, {
      ...{ wanted, bucket, flows: new Int32Array(data.flows) },
      // `lockContended` and, behind it, `lockWaitNs`.
      waits: views.counters.worker[worker]!.subarray(WorkerCounter.lockContended),
    });
    return new VhostSender(sender, arrays, data.offload, choice, data.pairs > 1);
  },
};
