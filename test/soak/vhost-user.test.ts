/**
 * Real guests on their own rings: two virtual machines and a host on a veth behind a switch. Streams of super-frames
 * between them while the policy changes; a machine that is killed and comes back; a forwarder that is restarted under
 * them. What they got, and whether in order, they say themselves.
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
import { expectConservation } from '../support/summary.js';

const MEGABYTES = 20;
const PORTS = [5001, 5002, 5003, 5004];
const POLICIES = ['rss:queues=2', 'mac', 'rps:cpus=0-1', 'mac-hash', 'rss:queues=2,key=symmetric'];

const missing = guestsMissing();
if (missing !== '') process.stderr.write(`tests with virtual machines are skipped: missing ${missing}\n`);

const sender = PORTS.map(
  (port) => `dd if=/dev/zero bs=64k count=${MEGABYTES * 16} 2>/dev/null | nc -l -p ${port} >/dev/null &`,
).join('\n');

const receiver = `
ping -c 3 -w 20 10.9.0.1 && ping -c 3 -w 20 10.9.0.3
${PORTS.map((port) => `(echo got ${port} $(nc 10.9.0.1 ${port} </dev/console | wc -c)) &`).join('\n')}
wait
grep TcpExt: /proc/net/netstat
sleep 1`;

describe.skipIf(missing !== '' || !canForward())('virtual machines on vhost-user ports', () => {
  it.each([1, 2])(
    'with %i pairs of rings get their streams whole and in order while the policy changes, and come back',
    async (queues) => {
      const folder = mkdtempSync(join(tmpdir(), 'rxsteer-test-'));
      try {
        await withLab(async (lab) => {
          const ns = await lab.namespace();
          const outside = await lab.namespace();
          await lab.veth(ns, 'up0', outside, 'eth0');
          await lab.address(outside, 'eth0', '10.9.0.3/24');
          const control = join(folder, 'control');
          const path = (n: number) => join(folder, `vm${n}.sock`);
          const forward = () =>
            startForwarder(
              lab,
              ns,
              ...['--port', 'up=af_packet:up0', '--port', `vm1=vhost-user:${path(1)},queues=${queues}`],
              ...['--port', `vm2=vhost-user:${path(2)},queues=${queues}`],
              ...['--policy', 'mac', '--workers', '2', '--control', control],
            );
          const boot = (n: number, script: string, name = `vm${n}`) =>
            bootGuest(lab, ns, folder, name, {
              mac: `52:54:00:00:00:0${n}`,
              address: `10.9.0.${n}/24`,
              script,
              vhostUser: { path: path(n), queues },
            });
          const forwarder = await forward();
          const [first, second] = await Promise.all([
            boot(1, `${sender}\nwhile :; do sleep 1; done`),
            boot(2, `until ping -c 1 -w 1 10.9.0.1 >/dev/null; do :; done\n${receiver}`),
          ]);
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
          const shown = second!.stdout;
          expect(shown.match(/ 0% packet loss/g), shown).toHaveLength(2);
          for (const port of PORTS) expect(shown, shown).toContain(`got ${port} ${MEGABYTES << 20}`);
          const [names, values] = [...shown.matchAll(/^TcpExt: (.*)$/gm)].map((row) =>
            row[1]!.trim().split(' '),
          );
          expect(values, shown).toBeDefined();
          const counter = (name: string) => Number(values![names!.indexOf(name)]);
          expect(counter('TCPPureAcks') + counter('TCPHPHits')).toBeGreaterThan(0);
          const summary = await forwarder.stop();
          expectConservation(summary);
          expect(summary.totals.reordered).toBe(0);
          // What was lost makes TCP keep what comes behind it.
          const lost = Object.values(summary.totals.dropped as Record<string, number>).reduce(
            (a, b) => a + b,
          );
          if (lost === 0) expect(counter('TCPOFOQueue')).toBe(0);
          expect(changes).toBeGreaterThan(3);
          const bytes = summary.ports.find(({ name }) => name === 'vm2')!.tx.bytes;
          console.log(
            `${queues} pairs: ${(bytes / 1e6).toFixed(0)} MB in ${summary.totals.received} frames, ${changes} changes, ${summary.totals.moves} flow moves, ${lost} lost`,
          );
          // The forwarder comes back under the first machine, and another machine in the second one's place.
          const again = await forward();
          const third = await boot(2, 'ping -c 5 -w 60 10.9.0.1; echo over', 'vm3');
          await third.ended;
          expect(third.stdout, third.stdout).toMatch(/[45] packets received/);
          expect(first!.running).toBe(true);
          expectConservation(await again.stop());
        });
      } finally {
        rmSync(folder, { recursive: true });
      }
    },
  );
});
