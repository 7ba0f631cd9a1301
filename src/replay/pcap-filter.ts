/**
 * pcap-filter expressions (`tcp port 443 and not host 10.0.0.1`), compiled by the tcpdump of this machine.
 *
 * Promise: the expression means what tcpdump makes of it for the packet's own link type, so that `inbound` works on
 * cooked captures and offsets are those of the file; one compilation a link type. Without tcpdump, or where it refuses
 * the expression, a UserError of one line.
 *
 * Source: pcap-filter(7), `tcpdump -ddd`.
 */
import { spawnSync } from 'node:child_process';
import { UserError } from '../errors.js';
import { BpfProgram } from '../packet/bpf.js';

const LINE = /^(\d{1,5}) (\d{1,3}) (\d{1,3}) (\d{1,10})$/;
const TIMEOUT_MS = 20_000;

/** A pcap file without packets, from which tcpdump takes the link type. */
function emptyCapture(linkType: number): Buffer {
  const header = Buffer.alloc(24);
  for (const [at, value] of [0xa1b2c3d4, 0x0004_0002, 0, 0, 262_144, linkType].entries())
    header.writeUInt32LE(value, 4 * at);
  return header;
}

/** @throws UserError */
export function compileFilter(expression: string, linkType: number): BpfProgram {
  const { error, status, stdout, stderr } = spawnSync('tcpdump', ['-r', '-', '-ddd', '--', expression], {
    input: emptyCapture(linkType),
    encoding: 'utf8',
    timeout: TIMEOUT_MS,
    env: { ...process.env, LC_ALL: 'C' },
  });
  if (error !== undefined) {
    const isMissing = (error as NodeJS.ErrnoException).code === 'ENOENT';
    throw new UserError(
      `--filter: ${isMissing ? 'tcpdump compiles the expression and is not installed (package tcpdump); --to needs none' : `tcpdump: ${error.message}`}`,
    );
  }
  if (status !== 0) {
    const reason = stderr
      .trim()
      .split('\n')
      .filter((line) => !line.startsWith('reading from'))
      .at(-1);
    throw new UserError(
      `--filter "${expression}": ${(reason ?? `tcpdump ended with ${status}`).replace(/^tcpdump: /, '')}`,
    );
  }
  const [, ...lines] = stdout.trim().split('\n');
  return new BpfProgram(
    lines.map((line) => {
      const match = LINE.exec(line);
      if (match === null) throw new UserError(`--filter: tcpdump -ddd printed "${line.slice(0, 60)}"`);
      return match.slice(1).map(Number) as [number, number, number, number];
    }),
  );
}
