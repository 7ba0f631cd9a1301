/**
 * Rows of /proc/net/softnet_stat: what the kernel prints (`softnet_seq_show`) and what older kernels printed.
 *
 * Promise: `parseSoftnetStat(formatSoftnetStat(rows))` gives the rows; columns that a kernel does not have are null.
 */
import { UserError } from '../errors.js';

/** One CPU's row. Counters are 32 bits wide and wrap. */
export interface SoftnetRow {
  /** Packets that passed the receive routine on this CPU. */
  readonly processed: number;
  /** Packets dropped because this CPU's backlog was full (or the flow limit refused them). */
  readonly dropped: number;
  /** Softirq runs that ended with work left. */
  readonly timeSqueeze: number;
  /** IPIs received (not packets): column 10. */
  readonly receivedRps: number | null;
  /** Refusals by this CPU's flow limit: column 11. */
  readonly flowLimitCount: number | null;
  /** Packets waiting: column 12. */
  readonly backlogLength: number | null;
  /** Column 13; older kernels leave out offline CPUs without saying which. */
  readonly cpu: number | null;
  readonly inputLength: number | null;
  readonly processLength: number | null;
}

const COLUMNS = [9, 10, 11, 13, 15];

/** The file's text: 15 columns of 8 hexadecimal digits, one line per row. */
export function formatSoftnetStat(rows: readonly SoftnetRow[]): string {
  return rows
    .map((r) =>
      [
        ...[r.processed, r.dropped, r.timeSqueeze, 0, 0, 0, 0, 0, 0],
        ...[r.receivedRps, r.flowLimitCount, r.backlogLength, r.cpu, r.inputLength, r.processLength],
      ]
        .map((v) => ((v ?? 0) >>> 0).toString(16).padStart(8, '0'))
        .join(' '),
    )
    .map((line) => `${line}\n`)
    .join('');
}

/** Reads the file of any kernel. Throws `UserError` that names the line for anything else. */
export function parseSoftnetStat(text: string): SoftnetRow[] {
  const lines = text.split('\n');
  if (lines.at(-1) === '') lines.pop();
  return lines.map((line, i) => {
    const cells = line.split(' ');
    if (!COLUMNS.includes(cells.length) || cells.some((cell) => !/^[0-9a-f]{8}$/.test(cell)))
      throw new UserError(
        `softnet_stat line ${i + 1}: wanted ${COLUMNS.join(', ')} columns of 8 hexadecimal digits, found "${line.slice(0, 40)}"`,
      );
    const at = (column: number) => (column <= cells.length ? Number.parseInt(cells[column - 1]!, 16) : null);
    return {
      processed: at(1)!,
      dropped: at(2)!,
      timeSqueeze: at(3)!,
      receivedRps: at(10),
      flowLimitCount: at(11),
      backlogLength: at(12),
      cpu: at(13),
      inputLength: at(14),
      processLength: at(15),
    };
  });
}
