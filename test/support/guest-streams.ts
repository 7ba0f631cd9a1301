/**
 * Streams between two virtual machines and a host outside, while the forwarder between them changes: what soak tests of
 * guests do, whatever ports these are behind.
 *
 * Promise: the machine that receives judges: each stream is whole, and its TCP counts what came out of order. The
 * machines are 10.9.0.1 (sends) and 10.9.0.2 (receives), the host outside is 10.9.0.3.
 */
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { expect } from 'vitest';
import { CLI } from './forwarder.js';
import type { Process } from './processes.js';

const MEGABYTES = 20;
const PORTS = [5001, 5002, 5003, 5004];
/** One after the other, several times a second. */
const POLICIES = ['rss:queues=2', 'mac', 'rps:cpus=0-1', 'mac-hash', 'rss:queues=2,key=symmetric'];

const servers = PORTS.map(
  (port) => `dd if=/dev/zero bs=64k count=${MEGABYTES * 16} 2>/dev/null | nc -l -p ${port} >/dev/null &`,
).join('\n');

/** Script of the machine that sends: it stays. */
export const SENDER = `${servers}\nwhile :; do sleep 1; done`;

/**
 * Script of the machine that receives: `got PORT BYTES` for each stream, then the counters of its TCP in two lines.
 * `meanwhile`, commands of the shell, is repeated while the streams run.
 */
export function receiver(meanwhile = 'sleep 1'): string {
  return `until ping -c 1 -w 1 10.9.0.1 >/dev/null; do :; done
ping -c 3 -w 20 10.9.0.1 && ping -c 3 -w 20 10.9.0.3
${PORTS.map((port) => `(echo got ${port} $(nc 10.9.0.1 ${port} </dev/console | wc -c); touch /tmp/${port}) &`).join('\n')}
until ${PORTS.map((port) => `[ -e /tmp/${port} ]`).join(' && ')}; do ${meanwhile}; done
grep TcpExt: /proc/net/netstat
sleep 1`;
}

export interface Streams {
  /** Changes of the policy until they were over. */
  readonly changes: number;
  /** Segments that came behind a later one of their stream. */
  readonly late: number;
  /** Of two series of pings, to the other machine and the host, those that were answered to the last. */
  readonly answered: number;
}

/** Changes the policy of the forwarder at `control` until the receiving machine has ended; its streams must be whole. */
export async function streamsUnderChange(control: string, receiver: Process): Promise<Streams> {
  let changes = 0;
  let over = false;
  const ended = receiver.ended.then(() => {
    over = true;
  });
  while (!over) {
    const policy = POLICIES[changes++ % POLICIES.length]!;
    await promisify(execFile)('node', [CLI, 'ctl', '--socket', control, 'apply', '--policy', policy]);
  }
  await ended;
  const shown = receiver.stdout;
  for (const port of PORTS) expect(shown, shown).toContain(`got ${port} ${MEGABYTES << 20}`);
  const [names, values] = [...shown.matchAll(/^TcpExt: (.*)$/gm)].map((row) => row[1]!.trim().split(' '));
  expect(values, shown).toBeDefined();
  const counter = (name: string) => Number(values![names!.indexOf(name)]);
  expect(counter('TCPPureAcks') + counter('TCPHPHits')).toBeGreaterThan(0);
  expect(changes).toBeGreaterThan(3);
  const answered = shown.match(/ 0% packet loss/g)?.length ?? 0;
  return { changes, late: counter('TCPOFOQueue'), answered };
}

/** Frames that a summary says were lost, for whatever reason. */
export function lostIn(summary: { totals: { dropped: unknown } }): number {
  return Object.values(summary.totals.dropped as Record<string, number>).reduce((a, b) => a + b);
}
