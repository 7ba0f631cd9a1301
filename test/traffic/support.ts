/** Checks of made packets that share no code with the maker: sums bit by bit, tshark where it is installed. */
import { execFile, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';

export const hasTshark = spawnSync('tshark', ['--version']).status === 0;

/** A folder of its own for each call; removed at the end. */
export async function withFolder<T>(act: (path: (name: string) => string) => Promise<T> | T): Promise<T> {
  const folder = mkdtempSync(join(tmpdir(), 'rxsteer-make-'));
  try {
    return await act((name) => join(folder, name));
  } finally {
    rmSync(folder, { recursive: true });
  }
}

const VERIFY = ['ip.check_checksum', 'tcp.check_checksum', 'udp.check_checksum', 'sctp.checksum'].flatMap(
  (name) => ['-o', `${name}:TRUE`],
);

/** Fields of all packets, as tshark sees them: one array of columns a packet. */
export async function tshark(file: string, fields: readonly string[], filter = ''): Promise<string[][]> {
  const args = ['-n', '-r', file, ...VERIFY, '-T', 'fields', '-E', 'occurrence=a'];
  if (filter !== '') args.push('-Y', filter);
  const { stdout } = await promisify(execFile)(
    'tshark',
    [...args, ...fields.flatMap((name) => ['-e', name])],
    {
      maxBuffer: 1 << 28,
    },
  );
  return stdout === ''
    ? []
    : stdout
        .replace(/\n$/, '')
        .split('\n')
        .map((line) => line.split('\t'));
}

/** What is wrong in a capture, by tshark: malformed packets and checksums. */
export function faults(file: string): Promise<string[][]> {
  const sums = ['ip', 'tcp', 'udp', 'sctp', 'icmp', 'icmpv6'].map((name) => `${name}.checksum.status == 0`);
  const filter = [...sums, '_ws.malformed', '_ws.expert.severity >= 0x800000'].join(' || ');
  return tshark(file, ['frame.number', 'frame.protocols', '_ws.expert.message'], filter);
}

/** The one's complement sum of bytes, bit by the book: 0xffff over what carries a right checksum. */
export function plainSum(bytes: Uint8Array, start = 0): number {
  let sum = start;
  for (let i = 0; i < bytes.length; i += 2) sum += (bytes[i]! << 8) + (bytes[i + 1] ?? 0);
  while (sum > 0xffff) sum = (sum & 0xffff) + Math.floor(sum / 65_536);
  return sum;
}
