/**
 * Real guests: two virtual machines and a host behind a switch, four TCP streams of super-frames between the machines,
 * while the policy changes several times a second. The receiving machine's own TCP says whether anything was reordered.
 */
import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { describe, expect, it } from 'vitest';
import { CLI, canForward, startForwarder } from '../support/forwarder.js';
import { bootGuest, guestsMissing } from '../support/guest.js';
import { withLab } from '../support/lab.js';
import { expectConservation, expectNoDrops } from '../support/summary.js';

const MEGABYTES = 20;
const PORTS = [5001, 5002, 5003, 5004];
const POLICIES = ['rss:queues=2', 'mac', 'rps:cpus=0-1', 'mac-hash', 'rss:queues=2,key=symmetric'];

const missing = guestsMissing();
if (missing !== '') process.stderr.write(`tests with virtual machines are skipped: missing ${missing}\n`);

const sender = PORTS.map(
  (port) => `dd if=/dev/zero bs=64k count=${MEGABYTES * 16} 2>/dev/null | nc -l -p ${port} >/dev/null &`,
).join('\n');

/** Prints `got PORT BYTES` for each stream, then the counters of its TCP in two lines. */
const receiver = `
ping -c 3 -w 20 10.9.0.1 && ping -c 3 -w 20 10.9.0.3
${PORTS.map((port) => `(echo got ${port} $(nc 10.9.0.1 ${port} </dev/console | wc -c)) &`).join('\n')}
wait
grep TcpExt: /proc/net/netstat`;

describe.skipIf(missing !== '' || !canForward())('virtual machines', () => {
  it('get their streams whole and in order while the policy changes', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'rxsteer-test-'));
    try {
      await withLab(async (lab) => {
        const ns = await lab.namespace();
        const outside = await lab.namespace();
        await lab.veth(ns, 'up0', outside, 'eth0');
        await lab.address(outside, 'eth0', '10.9.0.3/24');
        const boot = (link: string, n: number, script: string) =>
          bootGuest(lab, ns, folder, link, {
            mac: `52:54:00:00:00:0${n}`,
            address: `10.9.0.${n}/24`,
            script,
          });
        // The receiver waits for a carrier, that is, for the forwarder to have both TAPs up.
        const [first, second] = await Promise.all([
          boot('vm0', 1, `${sender}\nwhile :; do sleep 1; done`),
          boot('vm1', 2, `until ping -c 1 -w 1 10.9.0.1 >/dev/null; do :; done\n${receiver}`),
        ]);
        for (const link of ['vm0', 'vm1']) await lab.up(ns, link);
        const control = join(folder, 'control');
        const forwarder = await startForwarder(
          lab,
          ns,
          ...['--port', 'up=af_packet:up0', '--port', 'vm0=af_packet:vm0', '--port', 'vm1=af_packet:vm1'],
          ...['--policy', 'mac', '--workers', '2', '--control', control],
        );
        let changes = 0;
        let over = false;
        const ended = second!.ended.then(() => {
          over = true;
        });
        while (!over) {
          const policy = POLICIES[changes++ % POLICIES.length]!;
          await promisify(execFile)('node', [
            ...[CLI, 'ctl', '--socket', control],
            ...['apply', '--policy', policy],
          ]);
        }
        await ended;
        const console_ = second!.stdout;
        expect(console_.match(/ 0% packet loss/g), console_).toHaveLength(2);
        for (const port of PORTS) expect(console_, console_).toContain(`got ${port} ${MEGABYTES << 20}`);
        const [names, values] = [...console_.matchAll(/^TcpExt: (.*)$/gm)].map((row) =>
          row[1]!.trim().split(' '),
        );
        const counter = (name: string) => Number(values![names!.indexOf(name)]);
        expect(counter('TCPPureAcks') + counter('TCPHPHits')).toBeGreaterThan(0);
        expect(counter('TCPOFOQueue')).toBe(0);
        const summary = await forwarder.stop();
        expectConservation(summary);
        // The machine that has ended is gone before its last acknowledgements get there.
        expectNoDrops(summary, 'portDown', 'noRoute');
        expect(summary.totals.reordered).toBe(0);
        expect(changes).toBeGreaterThan(3);
        const bytes = summary.ports.find(({ name }) => name === 'vm1')!.tx.bytes;
        console.log(
          `${(bytes / 1e6).toFixed(0)} MB in ${summary.totals.received} frames, ${changes} changes, ${summary.totals.moves} flow moves`,
        );
        expect(first!.running).toBe(true);
      });
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});
