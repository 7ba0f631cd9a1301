/**
 * A worker's receivers and senders of AF_XDP ports.
 *
 * Promise: see `PortAttacher`. Descriptors are duplicated, so closing them never affects another thread.
 */
import type { PortAttacher } from '../attacher.js';
import { NativeQueue, NativeSendQueue } from '../device/native-queues.js';
import { devicePractice } from '../device/practice.js';
import { makeSendArrays } from '../port.js';
import { type XdpData, XdpWord } from './data.js';

export const attacher: PortAttacher<XdpData> = {
  practice: devicePractice,

  receiver({ native, pool, worker }, { data }, queue, arrays) {
    const words = new Int32Array(data.words);
    const fd = words[XdpWord.receive + queue]!;
    if (fd < 0 || native === null) return null;
    const lent = pool.lentView(worker, words[XdpWord.tag]!);
    return new NativeQueue(
      new native.XskReceiver(fd, pool.nativeView(worker), arrays, lent),
      fd,
      false,
      true,
    );
  },

  sender({ native, pool }, { data }) {
    const words = new Int32Array(data.words);
    const fd = words[XdpWord.send]!;
    if (fd < 0 || native === null) return null;
    const arrays = makeSendArrays();
    const path = words.subarray(XdpWord.path, XdpWord.path + 2);
    // No packet socket beside it: one way out.
    const sender = new native.PacketSender(
      ...([-1, -1, path, pool.bytes, arrays, words[XdpWord.ifindex]!, fd, pool.bytes] as const),
    );
    return new NativeSendQueue(sender, arrays, data.offload);
  },
};
