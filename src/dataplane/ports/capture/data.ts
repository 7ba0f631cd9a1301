/** What workers know of a capture port: the layout of `PortInfo.data`. Promise: plain data. */
import type { CaptureSpool } from '../../../capture/spool.js';

export interface CaptureData {
  /** The open capture that is read; null for one that is written. */
  readonly spool: CaptureSpool | null;
  /** Words of its queue: the number of the next packet. */
  readonly state: SharedArrayBuffer;
  /** The file that is written. */
  readonly path: string;
}
