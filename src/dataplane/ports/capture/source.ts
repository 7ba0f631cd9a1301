/**
 * The capture source: a finite port that gives the packets of a capture as fast as they are taken.
 *
 * Promise: every packet once, in file order, as an Ethernet frame (`writeEthernet` says how other link types are
 * presented). The number of the next packet lies in the port's shared state words: a restarted worker reads the file
 * again up to there. Packets beyond the largest slot count as `tooLong`, empty ones and cut-off cooked headers as
 * `malformed`; packets that were captured short carry `FrameFlag.truncated` and their length on the wire (`readCut`), and
 * are forwarded as short as they are. Damage in the file ends the source; `warning()` tells of both.
 *
 * Threads: one receiver, used by the worker that polls the queue; the descriptor is shared, its offset is not used.
 */

import { ReceiveStatus } from '../../../addon/native.js';
import { copyBytes } from '../../../capture/copy.js';
import { ethernetLength, writeEthernet } from '../../../capture/ethernet.js';
import { CaptureFile } from '../../../capture/file.js';
import { type CaptureBatch, LinkType } from '../../../capture/format.js';
import type { CaptureSpool } from '../../../capture/spool.js';
import { FrameFlag } from '../../../packet/burst.js';
import { clearVnet, writeCut } from '../../../packet/vnet.js';
import { LARGE_FRAME_MAX, SMALL_FRAME_MAX } from '../../memory/layout.js';
import type { FramePool } from '../../memory/pool.js';
import type { ReceiveArrays, Receiver } from '../port.js';

export class CaptureSource implements Receiver {
  readonly descriptor = -1;
  private readonly file: CaptureFile;
  private readonly name: string;
  private readonly bytes: Uint8Array;
  private readonly slots: DataView;
  private batch: CaptureBatch | null = null;
  /** View on the batch's window. */
  private view: DataView = new DataView(new ArrayBuffer(0));
  private cursor = 0;
  private index = 0;
  private ended = false;
  private problem: string | null = null;
  /** Packets that were captured short, and the bytes that are missing of them. */
  private cut = 0;
  private missing = 0;

  /**
   * @param spool the open capture, from `spoolCapture` (main thread)
   * @param worker the home worker, whose slots are taken
   * @param state two shared words: the number of the next packet, low and high half
   */
  constructor(
    spool: CaptureSpool,
    private readonly pool: FramePool,
    private readonly worker: number,
    private readonly arrays: ReceiveArrays,
    private readonly state: Int32Array,
  ) {
    this.bytes = pool.bytes;
    this.slots = new DataView(pool.bytes.buffer, pool.bytes.byteOffset, pool.bytes.length);
    this.name = spool.name;
    this.file = new CaptureFile(spool.fd, spool.name);
    const target = (state[1]! >>> 0) * 0x1_0000_0000 + (state[0]! >>> 0);
    while (this.index < target && this.load()) {
      const step = Math.min(this.batch!.n, target - this.index);
      this.index += step;
      this.cursor = step;
    }
  }

  /** Makes the next batch current; false at the end. */
  private load(): boolean {
    if (this.ended) return false;
    try {
      this.batch = this.file.next();
    } catch (error) {
      this.batch = null;
      this.problem = (error as Error).message;
    }
    this.cursor = 0;
    if (this.batch === null) {
      this.ended = true;
      return false;
    }
    const { buffer, byteOffset, length } = this.batch.bytes;
    this.view = new DataView(buffer, byteOffset, length);
    return true;
  }

  /** One line about damage in the file and about packets that it holds in part, or null; complete when `finished()`. */
  warning(): string | null {
    const damage = this.problem ?? this.file.status.warning;
    if (this.cut === 0) return damage;
    const cut = `${this.cut} packets were captured short (${this.missing} bytes are missing): they are sent as short as they are`;
    return damage === null ? `${this.name}: ${cut}` : `${damage}; ${cut}`;
  }

  finished(): boolean {
    return this.ended;
  }

  dueInMs(): number {
    return this.ended ? Number.POSITIVE_INFINITY : 0;
  }

  receive(max: number): number {
    const { status, id: ids, off: offs, len: lens, flags } = this.arrays;
    status.fill(0);
    const { pool, worker } = this;
    let n = 0;
    // Packets that are left out count towards `max` too, so that a call is bounded.
    let examined = 0;
    for (; examined < max; examined++) {
      if (this.batch === null || this.cursor >= this.batch.n) if (!this.load()) break;
      const batch = this.batch!;
      const i = this.cursor;
      const linkType = batch.linkType[i]!;
      const captured = batch.len[i]!;
      const length = ethernetLength(linkType, captured);
      if (length <= 0) status[ReceiveStatus.malformed]!++;
      else if (length > LARGE_FRAME_MAX) status[ReceiveStatus.tooLong]!++;
      else {
        const id = pool.take(worker, length);
        if (id < 0) {
          status[ReceiveStatus.stopped] = length <= SMALL_FRAME_MAX ? 1 : 2;
          break;
        }
        const off = pool.offsetOf(id);
        const isCut = batch.original[i]! > captured;
        if (isCut) this.noteCut(off, batch.original[i]! + length - captured, length);
        else clearVnet(this.bytes, off);
        if (linkType === LinkType.ethernet) copyBytes(this.view, batch.off[i]!, this.slots, off, length);
        else writeEthernet(linkType, batch.bytes, batch.off[i]!, captured, this.bytes, off);
        ids[n] = id;
        offs[n] = off;
        lens[n] = length;
        flags[n] = isCut ? FrameFlag.truncated : 0;
        n++;
      }
      this.cursor = i + 1;
    }
    this.index += examined;
    this.state[0] = this.index | 0;
    this.state[1] = Math.floor(this.index / 0x1_0000_0000);
    // Known now rather than at the next call: a drained source ends the run.
    if (n < max && this.batch !== null && this.cursor >= this.batch.n) this.load();
    return n;
  }

  private noteCut(off: number, original: number, length: number): void {
    this.cut++;
    this.missing += original - length;
    writeCut(this.bytes, off, Math.min(original, 0xffff_ffff));
  }

  close(): void {
    this.ended = true;
    this.file.close();
  }
}
