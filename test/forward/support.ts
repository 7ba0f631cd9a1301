/** Frames of work, by hand. */
import type { Batch } from '#rxsteer/forward/batch.js';

export interface Frame {
  port: number;
  /** Number of a station: its address is 02:00 and the number in four bytes; or an address as [hi, lo]. */
  source: number | readonly [number, number];
  destination: number | readonly [number, number];
  vlan?: number;
  len?: number;
}

export const BROADCAST = [0xffff, -1] as const;

/** First two bytes of every station's address. */
export const STATION = 0x0200;

export function put(batch: Batch, frame: Frame): number {
  const [sourceHi, sourceLo] = typeof frame.source === 'number' ? [STATION, frame.source] : frame.source;
  const [hi, lo] = typeof frame.destination === 'number' ? [STATION, frame.destination] : frame.destination;
  const { port, len = 60, vlan = -1 } = frame;
  return batch.add({ port, len, vlan, smacHi: sourceHi, smacLo: sourceLo, dmacHi: hi, dmacLo: lo });
}
