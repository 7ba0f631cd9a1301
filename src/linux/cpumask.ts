/**
 * CPU and queue masks as sysfs and procfs read and print them (`bitmap_parse`, the `%*pb` format).
 *
 * Promise: the same texts accepted, with the same value, and the same errno for the others. Pure.
 */

/** What a write gives: the set bits in ascending order, or the errno. */
export type MaskResult =
  | { readonly ok: true; readonly bits: number[] }
  | { readonly ok: false; readonly errno: 'EINVAL' | 'EOVERFLOW' };

/** The kernel's `isspace`: blank, tab to carriage return, no-break space. */
const isSeparator = (c: string): boolean => /[\t-\r \xa0,]/.test(c);
const isHex = (c: string): boolean => /[0-9a-fA-F]/.test(c);

/**
 * Parses a mask of `width` bits. Groups of up to 8 hexadecimal digits, the least significant last, separated by
 * commas or white space; the text ends at the first line feed. The text is read backwards, which decides what is
 * complained about first, and lets one stray character in front of a full group pass.
 */
export function parseMask(text: string, width: number): MaskResult {
  const line = text.split('\n', 1)[0]!;
  const groups: number[] = [];
  const most = Math.ceil(width / 32);
  let end = line.length - 1;
  for (;;) {
    while (end >= 0 && isSeparator(line[end]!)) end--;
    if (end < 0) break;
    if (groups.length === most) return { ok: false, errno: 'EOVERFLOW' };
    let digits = '';
    while (digits.length < 8) {
      const c = line[end--]!;
      if (!isHex(c)) return { ok: false, errno: 'EINVAL' };
      digits = c + digits;
      if (end < 0 || isSeparator(line[end]!)) break;
    }
    if (digits.length === 8 && end >= 0 && !isSeparator(line[end]!)) {
      if (isHex(line[end]!)) return { ok: false, errno: 'EOVERFLOW' };
      end--;
    }
    groups.push(Number.parseInt(digits, 16));
  }
  const bits = groups.flatMap((group, g) =>
    Array.from({ length: 32 }, (_, b) => b)
      .filter((b) => ((group >>> b) & 1) === 1)
      .map((b) => 32 * g + b),
  );
  if (bits.some((bit) => bit >= width)) return { ok: false, errno: 'EOVERFLOW' };
  return { ok: true, bits };
}

/** Prints a mask of `width` bits without the line feed: groups of 32 bits, the first as short as its bits need. */
export function formatMask(bits: Iterable<number>, width: number): string {
  const groups = new Array<number>(Math.ceil(width / 32)).fill(0);
  for (const bit of bits) if (bit < width) groups[bit >>> 5] = (groups[bit >>> 5]! | (1 << (bit & 31))) >>> 0;
  const topDigits = Math.ceil((((width - 1) & 31) + 1) / 4);
  return groups
    .map((group, g) => group.toString(16).padStart(g === groups.length - 1 ? topDigits : 8, '0'))
    .reverse()
    .join(',');
}

/** Result of a write to a queue's `rps_cpus`. */
export type RpsCpusResult =
  | { readonly ok: true /** The map's CPUs, ascending; empty: steering off. */; readonly cpus: number[] }
  | { readonly ok: false; readonly errno: 'EINVAL' | 'EOVERFLOW' | 'EPERM' };

/**
 * A write to `rps_cpus` (`store_rps_map`): a non-zero mask is cut down to the housekeeping CPUs, EINVAL when none
 * is left; of these only online CPUs enter the map, and offline ones are forgotten for good.
 */
export function writeRpsCpus(
  text: string,
  machine: {
    readonly nrCpuIds: number;
    readonly online: readonly number[];
    readonly housekeeping?: readonly number[];
    readonly netAdmin?: boolean;
  },
): RpsCpusResult {
  if (machine.netAdmin === false) return { ok: false, errno: 'EPERM' };
  const mask = parseMask(text, machine.nrCpuIds);
  if (!mask.ok || mask.bits.length === 0) return mask.ok ? { ok: true, cpus: [] } : mask;
  const kept = mask.bits.filter((cpu) => machine.housekeeping?.includes(cpu) ?? true);
  if (kept.length === 0) return { ok: false, errno: 'EINVAL' };
  return { ok: true, cpus: kept.filter((cpu) => machine.online.includes(cpu)) };
}
