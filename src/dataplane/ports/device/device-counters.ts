/**
 * What the kernel counts at the interfaces of this thread's network namespace (`/proc/thread-self/net/dev`: `rx_dropped`
 * and `rx_missed_errors` in one column), and at the backlogs of the receiving CPUs (`/proc/net/softnet_stat`).
 *
 * Promise: each file is opened once, so that counters can be read when no descriptor is left, and one `refresh` serves all
 * ports. A read that fails leaves what the last one said. Main thread only.
 */
import { closeSync, openSync, readSync } from 'node:fs';

/** Bytes read at a time; a line has about 130. */
const PIECE_BYTES = 1 << 16;

/** Columns behind the colon: receive bytes, packets, errs, drop and four more, then transmit bytes, packets, errs, drop. */
export const DeviceColumn = { rxDropped: 3, txDropped: 11 } as const;

/** A file of /proc that is read from its beginning again and again. */
class CounterFile {
  private fd = -1;

  constructor(private readonly path: string) {}

  /** Its text now; null where it cannot be read. */
  text(piece: Buffer): string | null {
    try {
      if (this.fd < 0) this.fd = openSync(this.path, 'r');
      let text = '';
      for (let at = 0; ; ) {
        const length = readSync(this.fd, piece, 0, piece.length, at);
        if (length === 0) return text;
        text += piece.toString('latin1', 0, length);
        at += length;
      }
    } catch {
      return null;
    }
  }

  close(): void {
    if (this.fd >= 0) closeSync(this.fd);
    this.fd = -1;
  }
}

export class DeviceCounters {
  private readonly devices = new CounterFile('/proc/thread-self/net/dev');
  private readonly softnet = new CounterFile('/proc/net/softnet_stat');
  private readonly piece = Buffer.allocUnsafe(PIECE_BYTES);
  private lines = new Map<string, string>();
  private backlog = 0;

  /** Reads the counters of all interfaces anew. */
  refresh(): void {
    const text = this.devices.text(this.piece);
    if (text === null) return;
    this.lines = new Map(
      text.split('\n').flatMap((line) => {
        const colon = line.indexOf(':');
        return colon < 0 ? [] : [[line.slice(0, colon).trim(), line.slice(colon + 1)] as const];
      }),
    );
  }

  /** A counter of an interface at the last refresh; 0 where there was no such interface. */
  read(name: string, column: number): number {
    const line = this.lines.get(name);
    return line === undefined ? 0 : Number(line.trim().split(/\s+/)[column]);
  }

  /** Frames that found the backlog of a receiving CPU full, whatever their device. Read anew. */
  backlogDrops(): number {
    const text = this.softnet.text(this.piece);
    if (text === null) return this.backlog;
    this.backlog = text
      .trim()
      .split('\n')
      .reduce((sum, line) => sum + Number.parseInt(line.split(' ')[1] ?? '0', 16), 0);
    return this.backlog;
  }

  close(): void {
    this.devices.close();
    this.softnet.close();
  }
}
