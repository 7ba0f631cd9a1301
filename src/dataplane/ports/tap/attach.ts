/**
 * A worker's receivers and senders of TAPs.
 *
 * Promise: see `PortAttacher`. Descriptors are duplicated, so closing them never affects another thread.
 */
import type { PortAttacher } from '../attacher.js';
import { NativeQueue, NativeSendQueue } from '../device/native-queues.js';
import { devicePractice } from '../device/practice.js';
import { makeSendArrays } from '../port.js';
import { stateOf } from '../state.js';
import { spareOf, type TapData } from './data.js';

export const attacher: PortAttacher<TapData> = {
  practice: devicePractice,

  receiver({ native, pool, worker }, { data, rxQueues }, queue, arrays) {
    const fd = new Int32Array(data.fds)[queue]!;
    if (fd < 0 || native === null) return null;
    const spare = spareOf(data.state, rxQueues, queue);
    const view = pool.nativeView(worker);
    return new NativeQueue(new native.TapReceiver(fd, view, arrays, stateOf(data.state, queue), spare), fd);
  },

  sender({ native, pool, worker }, { data, txQueues }) {
    const fd = new Int32Array(data.fds)[worker % txQueues]!;
    if (fd < 0 || native === null) return null;
    const arrays = makeSendArrays();
    return new NativeSendQueue(new native.TapSender(fd, pool.bytes, arrays), arrays, data.offload);
  },
};
