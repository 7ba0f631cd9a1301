/**
 * What the kernel counts at the interfaces of this thread's network namespace: `/proc/thread-self/net/dev`.
 *
 * Promise: the file is opened once, so that counters can be read when no descriptor is left, and one `refresh` serves
 * all ports. A read that fails leaves what the last one said. Main thread only.
 */
import { closeSync, openSync, readSync } from 'node:fs';

/** Bytes read at a time; a line has about 130. */
const PIECE_BYTES = 1 << 16;

/** Columns behind the colon: receive bytes, packets, errs, drop and four more, then transmit bytes, packets, errs, drop. */
export const DeviceColumn = { rxDropped: 3, txDropped: 11 } as const;

export class DeviceCounters {
  private fd = -1;
  private piece: Buffer | null = null;
  private lines = new Map<string, string>();

  /** Reads all interfaces anew. */
  refresh(): void {
    const text = this.text();
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

  close(): void {
    if (this.fd >= 0) closeSync(this.fd);
    this.fd = -1;
  }

  private text(): string | null {
    try {
      if (this.fd < 0) this.fd = openSync('/proc/thread-self/net/dev', 'r');
      this.piece ??= Buffer.allocUnsafe(PIECE_BYTES);
      let text = '';
      for (let at = 0; ; ) {
        const length = readSync(this.fd, this.piece, 0, PIECE_BYTES, at);
        if (length === 0) return text;
        text += this.piece.toString('latin1', 0, length);
        at += length;
      }
    } catch {
      return null;
    }
  }
}
