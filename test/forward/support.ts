/** Frames of work, by hand. */
import { WORK_MAX, type Work } from '#rxsteer/forward/work.js';

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

export function put(work: Work, frame: Frame): number {
  const i = work.n;
  if (i >= WORK_MAX) throw new RangeError('work is full');
  const [sourceHi, sourceLo] = typeof frame.source === 'number' ? [STATION, frame.source] : frame.source;
  const [hi, lo] = typeof frame.destination === 'number' ? [STATION, frame.destination] : frame.destination;
  work.id[i] = i;
  work.port[i] = frame.port;
  work.len[i] = frame.len ?? 60;
  work.vlan[i] = frame.vlan ?? -1;
  work.smacHi[i] = sourceHi;
  work.smacLo[i] = sourceLo;
  work.dmacHi[i] = hi;
  work.dmacLo[i] = lo;
  work.n = i + 1;
  return i;
}
