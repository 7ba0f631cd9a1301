/**
 * A worker's receivers and senders of AF_PACKET ports.
 *
 * Promise: see `PortAttacher`. Descriptors are duplicated, so closing them never affects another thread.
 */

import type { PortAttacher } from '../attacher.js';
import { NativeQueue, NativeSendQueue } from '../device/native-queues.js';
import { devicePractice } from '../device/practice.js';
import { makeSendArrays } from '../port.js';
import { stateOf } from '../state.js';
import { type PacketData, PacketWord } from './data.js';

export const attacher: PortAttacher<PacketData> = {
  practice: devicePractice,

  receiver({ native, pool, worker }, { data }, queue, arrays) {
    const fd = new Int32Array(data.words)[PacketWord.receive + queue]!;
    if (fd < 0 || native === null) return null;
    const state = stateOf(data.state, queue);
    return new NativeQueue(
      new native.PacketReceiver(fd, state, pool.nativeView(worker), arrays),
      fd,
      false,
      true,
    );
  },

  sender({ native, pool, worker }, { data, txQueues }) {
    const words = new Int32Array(data.words);
    const queue = worker % txQueues;
    const fd = words[PacketWord.send + queue]!;
    const xsk = words[PacketWord.sendXsk + queue]!;
    const queued = words[PacketWord.sendQueued + queue]!;
    if ((fd < 0 && queued < 0 && xsk < 0) || native === null) return null;
    const arrays = makeSendArrays();
    const sender = new native.PacketSender(
      fd,
      queued,
      words.subarray(PacketWord.path, PacketWord.withheld + 1),
      pool.bytes,
      arrays,
      words[PacketWord.ifindex]!,
      xsk,
      queue < data.staging.length ? new Uint8Array(data.staging[queue]!) : undefined,
    );
    // An AF_XDP socket alone takes finished frames only.
    return new NativeSendQueue(sender, arrays, data.offload && (fd >= 0 || queued >= 0));
  },
};
