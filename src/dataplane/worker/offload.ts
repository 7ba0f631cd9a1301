/**
 * Finishes frames in software for ports that cannot take a super-frame or a partial checksum.
 *
 * Promise: segments go out in order, a scratch area full at a time; what became of them is in the fields after
 * `segment`. They use the sender's arrays from `SEND_MAX` on, so that frames which wait behind the super-frame stay
 * where they are. Scratch slots are one worker's own. Nothing is allocated.
 */

import { SendResult } from '../../addon/native.js';
import { ChecksumResult, completeChecksum } from '../../packet/checksum.js';
import { writeSegment } from '../../packet/segment.js';
import { planSegments, SegmentPlan } from '../../packet/segment-plan.js';
import { readVnet, VnetHeader } from '../../packet/vnet.js';
import { HEADROOM } from '../memory/layout.js';
import { SEND_MAX, SEND_SEGMENTS, type Sender } from '../ports/port.js';
import { Drop } from '../shared/counters.js';
import { SCRATCH_SLOT_BYTES, SCRATCH_SLOTS } from '../shared/engine-memory.js';

/** Send result → drop reason. */
export const REASON_OF = new Int32Array(7);
REASON_OF[SendResult.full] = Drop.txFull;
REASON_OF[SendResult.tooLong] = Drop.tooLong;
REASON_OF[SendResult.down] = Drop.portDown;
REASON_OF[SendResult.refused] = Drop.malformed;

/** Where in the sender's arrays segments stand. */
const FIRST = SEND_MAX;
if (SCRATCH_SLOTS > SEND_SEGMENTS) throw new Error('more scratch slots than places for segments');

export class SoftwareOffload {
  /** Segments that the last `segment` sent, their bytes, those that failed, and why the last one did. */
  packets = 0;
  octets = 0;
  lost = 0;
  reason: number = Drop.txFull;
  private readonly plan = new SegmentPlan();
  private readonly vnet = new VnetHeader();

  /**
   * @param bytes the frame memory
   * @param scratch offset of this worker's scratch slots in it
   */
  constructor(
    private readonly bytes: Uint8Array,
    private readonly scratch: number,
  ) {}

  /** About how many segments the super-frame at `from` is cut into, wherever that happens. */
  segmentsOf(from: number, length: number): number {
    readVnet(this.bytes, from, this.vnet);
    return this.vnet.gsoSize === 0 ? 1 : Math.ceil(length / this.vnet.gsoSize);
  }

  /** Segments the super-frame at `from` into scratch slots and sends the segments. */
  segment(sender: Sender, from: number, length: number): void {
    const { bytes, plan } = this;
    this.packets = 0;
    this.octets = 0;
    this.lost = 0;
    this.reason = Drop.txFull;
    if (planSegments(bytes, from, length, plan) < 1) {
      this.reason = Drop.malformed;
      return;
    }
    if (plan.lengthOf(0) > SCRATCH_SLOT_BYTES - HEADROOM) {
      this.reason = Drop.tooLong;
      return;
    }
    const { off, len, flags, result } = sender.arrays;
    for (let first = 0; first < plan.count; first += SCRATCH_SLOTS) {
      const n = Math.min(SCRATCH_SLOTS, plan.count - first);
      for (let k = 0; k < n; k++) {
        const at = this.scratch + k * SCRATCH_SLOT_BYTES + HEADROOM;
        off[FIRST + k] = at;
        len[FIRST + k] = writeSegment(bytes, from, plan, first + k, at);
        flags[FIRST + k] = 0;
      }
      sender.send(FIRST, FIRST + n);
      for (let k = FIRST; k < FIRST + n; k++) {
        if (result[k] === SendResult.sent) {
          this.packets++;
          this.octets += len[k]!;
        } else {
          this.lost++;
          this.reason = REASON_OF[result[k]!]!;
        }
      }
    }
  }

  /** Completes the partial checksum of a frame in place; false when its virtio-net header is impossible. */
  checksum(off: number, len: number): boolean {
    const { bytes, vnet } = this;
    readVnet(bytes, off, vnet);
    return completeChecksum(bytes, off, len, vnet.csumStart, vnet.csumOffset) === ChecksumResult.done;
  }
}
