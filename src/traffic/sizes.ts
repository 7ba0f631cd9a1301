/**
 * Frame sizes: fixed, IMIX, or a range.
 *
 * Promise: sizes are bytes of the frame in the capture, without check sequence, VLAN tags included. IMIX is the
 * simple mix of 7 : 4 : 1 packets of 40, 576 and 1500 bytes of IP: frames of 60 (padded), 590 and 1514 bytes; each
 * stretch of 12 draws of one seed is not exact, the long run is.
 */
import { UserError } from '../errors.js';
import type { SeededRandom } from '../hash/random.js';

/** Smallest Ethernet frame without check sequence. */
export const FRAME_MIN = 60;
/** Ethernet header and the longest IPv4 packet. */
export const FRAME_MAX = 14 + 65_535;

const IMIX = [60, 60, 60, 60, 60, 60, 60, 590, 590, 590, 590, 1514];

/** A size distribution as a table to draw from, or a range. */
export interface Sizes {
  readonly text: string;
  readonly table: Int32Array;
  readonly least: number;
  readonly most: number;
}

/** `60`, `imix`, or `60-1514`. @throws UserError */
export function parseSizes(text: string | number, place: string): Sizes {
  const given = String(text).trim();
  if (given.toLowerCase() === 'imix') {
    return { text: 'imix', table: Int32Array.from(IMIX), least: FRAME_MIN, most: 1514 };
  }
  const match = /^(\d{1,6})(?:-(\d{1,6}))?$/.exec(given);
  const least = Number(match?.[1]);
  const most = match?.[2] === undefined ? least : Number(match[2]);
  if (match === null || least < FRAME_MIN || most > FRAME_MAX || most < least) {
    throw new UserError(
      `${place}: "${given}" is no frame size: expected imix, a number, or a range such as 60-1514, ` +
        `from ${FRAME_MIN} to ${FRAME_MAX}`,
    );
  }
  return { text: given, table: Int32Array.of(least), least, most };
}

/** The next size. Only the first table entry counts for a range. */
export function drawSize(sizes: Sizes, random: SeededRandom): number {
  const { table, least, most } = sizes;
  if (table.length > 1) return table[random.below(table.length)]!;
  return least === most ? least : least + random.below(most - least + 1);
}
