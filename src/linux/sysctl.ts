/**
 * Table sizes as sysfs and procfs take them: `rps_flow_cnt`, `rps_sock_flow_entries`, `flow_limit_table_len`.
 *
 * Promise: for every text the value that reads back afterwards, or the errno (the old value then stays). Pure.
 */
import { pow2up } from './arith.js';
import type { LinuxBehaviour } from './version.js';

/** What a write of a table size comes to: the size that is in effect afterwards, or an errno name. */
export type SizeResult =
  | { readonly ok: true; readonly value: number }
  | { readonly ok: false; readonly errno: 'EINVAL' | 'ERANGE' | 'ENOMEM' };

const EINVAL = { ok: false, errno: 'EINVAL' } as const;

/** Digits of a base; base 0 (auto): 0x for 16, a leading 0 for 8, else 10. BigInt: the kernel has 64 bits here. */
function unsigned(text: string): { value: bigint; rest: string } | null {
  const hex = /^0x([0-9a-f]+)/i.exec(text);
  if (hex !== null) return { value: BigInt(`0x${hex[1]}`), rest: text.slice(hex[0].length) };
  const octal = /^0([0-7]*)/.exec(text);
  if (octal !== null) return { value: BigInt(`0o0${octal[1]}`), rest: text.slice(octal[0].length) };
  const decimal = /^[0-9]+/.exec(text);
  if (decimal === null) return null;
  return { value: BigInt(decimal[0]), rest: text.slice(decimal[0].length) };
}

/** `kstrtoul(text, 0)`: an optional plus sign, digits, at most one line feed behind them. */
function kstrtoul(text: string): { ok: true; value: bigint } | { ok: false; errno: 'EINVAL' | 'ERANGE' } {
  const n = unsigned(text.startsWith('+') ? text.slice(1) : text);
  if (n === null) return EINVAL;
  // Overflow is noticed while the digits are read, before what follows them.
  if (n.value >= 1n << 64n) return { ok: false, errno: 'ERANGE' };
  return n.rest === '' || n.rest === '\n' ? { ok: true, value: n.value } : EINVAL;
}

/**
 * A write to a queue's `rps_flow_cnt`: rounded up to a power of two; each write makes a new, empty table.
 *
 * @param machine.totalMemoryBytes a table larger than the machine's memory is ENOMEM. Default: no limit.
 * @param machine.entryBytes bytes of a slot: 12 with accelerated RFS compiled in, else 8. Default 12.
 * @param machine.limit see `LinuxBehaviour.flowCntLimit`. Default 'int'.
 */
export function writeRpsFlowCnt(
  text: string,
  machine: {
    readonly totalMemoryBytes?: number;
    readonly entryBytes?: number;
    readonly limit?: LinuxBehaviour['flowCntLimit'];
  } = {},
): SizeResult {
  const n = kstrtoul(text);
  if (!n.ok) return n;
  if (n.value === 0n) return { ok: true, value: 0 };
  const entryBytes = machine.entryBytes ?? 12;
  const most = machine.limit === 'u32' ? 2 ** 32 : Math.floor((2 ** 31 - 1) / entryBytes);
  const count = Number(n.value);
  if (count > most) return EINVAL;
  const size = count > 2 ** 31 ? 2 ** 32 : pow2up(count);
  if (size * entryBytes > (machine.totalMemoryBytes ?? Number.POSITIVE_INFINITY))
    return { ok: false, errno: 'ENOMEM' };
  return { ok: true, value: size };
}

/** `proc_dointvec` with one value: white space, a sign, digits; text after white space is ignored. */
function procInt(text: string): SizeResult {
  const trimmed = text.replace(/^[\t-\r \xa0]+/, '');
  const negative = trimmed.startsWith('-');
  const digits = negative ? trimmed.slice(1) : trimmed;
  if (!/^[0-9]/.test(digits)) return EINVAL;
  const n = unsigned(digits);
  if (n === null || !/^([ \t\n]|$)/.test(n.rest)) return EINVAL;
  if (n.value > (negative ? 2n ** 31n : 2n ** 31n - 1n)) return EINVAL;
  return { ok: true, value: negative ? -Number(n.value) : Number(n.value) };
}

/**
 * A write to `net.core.rps_sock_flow_entries`: rounded up to a power of two, 2^29 at most; 0 frees the table, and
 * any other value, even the same one, empties it.
 */
export function writeRpsSockFlowEntries(text: string): SizeResult {
  const n = procInt(text);
  if (!n.ok) return n;
  // The kernel compares as unsigned: negative numbers are far too large.
  if (n.value < 0 || n.value > 2 ** 29) return EINVAL;
  return { ok: true, value: n.value === 0 ? 0 : pow2up(n.value) };
}

/** A write to `net.core.flow_limit_table_len`: a power of two; used when the next table is allocated. */
export function writeFlowLimitTableLen(text: string): SizeResult {
  const n = procInt(text);
  if (!n.ok) return n;
  return n.value > 0 && (n.value & (n.value - 1)) === 0 ? n : EINVAL;
}
