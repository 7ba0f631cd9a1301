/**
 * A worker's receivers and senders of vhost-user ports.
 *
 * Promise: see `PortAttacher`. They stay the same whatever guest is connected: a ring that nobody has started gives no
 * frames and answers `down`.
 */
import type { NativeSender } from '../../../addon/native.js';
import { LinuxFlowHash } from '../../../linux/flow-hash.js';
import type { PortAttacher } from '../attacher.js';
import { NativeQueue } from '../device/native-queues.js';
import { devicePractice } from '../device/practice.js';
import { makeSendArrays, type SendArrays, type Sender } from '../port.js';
import type { VhostData } from './data.js';

/** Puts each frame into one of the rings that the guest has enabled. */
export class VhostSender implements Sender {
  readonly delivers = false;
  private readonly enabled: Int32Array;
  private readonly hash: LinuxFlowHash | null;

  /**
   * @param bytes the frame pool
   * @param pairs what `native` reads: the pair of rings for each entry of the arrays
   */
  constructor(
    private readonly native: NativeSender,
    readonly arrays: SendArrays,
    private readonly bytes: Uint8Array,
    private readonly pairs: Int32Array,
    private readonly worker: number,
    data: VhostData,
  ) {
    this.offload = data.offload;
    this.enabled = new Int32Array(data.enabled);
    const spreads = data.pairs > 1 && data.guestQueue === 'rss';
    this.hash = spreads ? new LinuxFlowHash(data.key, { symmetric: true }) : null;
  }
  readonly offload: boolean;

  send(from: number, to: number): number {
    const { enabled, pairs, hash } = this;
    const count = enabled[0]!;
    if (count <= 1 || hash === null) {
      pairs.fill(count === 0 ? 0 : enabled[1 + (this.worker % count)]!, from, to);
    } else {
      const { off, len } = this.arrays;
      for (let i = from; i < to; i++) {
        const h = hash.hashFrame(this.bytes, off[i]!, len[i]!) >>> 0;
        pairs[i] = enabled[1 + (h % count)]!;
      }
    }
    return this.native.send(from, to);
  }

  close(): void {
    this.native.close();
  }
}

export const attacher: PortAttacher<VhostData> = {
  practice: devicePractice,

  receiver({ native, pool, worker }, { data }, _queue, arrays) {
    if (native === null) return null;
    const view = pool.nativeView(worker);
    return new NativeQueue(new native.VhostReceiver(data.backend, view, arrays), data.event);
  },

  sender({ native, pool, worker }, { data }) {
    if (native === null) return null;
    const arrays = makeSendArrays();
    const pairs = new Int32Array(arrays.off.length);
    const sender = new native.VhostSender(data.backend, pool.bytes, arrays, pairs);
    return new VhostSender(sender, arrays, pool.bytes, pairs, worker, data);
  },
};
