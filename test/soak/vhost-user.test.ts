/**
 * Real guests on their own rings: two virtual machines and a host on a veth behind a switch. Streams of super-frames
 * between them while the policy changes; a machine that is killed and comes back; a forwarder that is restarted under
 * them. What they got, and whether in order, they say themselves.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { canForward, startForwarder } from '../support/forwarder.js';
import { bootGuest, guestsMissing } from '../support/guest.js';
import { lostIn, receiver, SENDER, streamsUnderChange } from '../support/guest-streams.js';
import { withLab } from '../support/lab.js';
import { expectConservation } from '../support/summary.js';

const missing = guestsMissing();
if (missing !== '') process.stderr.write(`tests with virtual machines are skipped: missing ${missing}\n`);

describe.skipIf(missing !== '' || !canForward())('virtual machines on vhost-user ports', () => {
  it.each([
    [1, 'rss'],
    [2, 'rss'],
    [2, 'auto'],
  ] as const)(
    'with %i pairs of rings (guest-queue=%s) get their streams whole and in order while the policy changes, and come back',
    async (queues, guestQueue) => {
      const folder = mkdtempSync(join(tmpdir(), 'rxsteer-test-'));
      try {
        await withLab(async (lab) => {
          const ns = await lab.namespace();
          const outside = await lab.namespace();
          await lab.veth(ns, 'up0', outside, 'eth0');
          await lab.address(outside, 'eth0', '10.9.0.3/24');
          const control = join(folder, 'control');
          const path = (n: number) => join(folder, `vm${n}.sock`);
          const options = `queues=${queues},guest-queue=${guestQueue}`;
          const forward = () =>
            startForwarder(
              lab,
              ns,
              ...['--port', 'up=af_packet:up0', '--port', `vm1=vhost-user:${path(1)},${options}`],
              ...['--port', `vm2=vhost-user:${path(2)},${options}`],
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
          const [first, second] = await Promise.all([boot(1, SENDER), boot(2, receiver())]);
          const { changes, late, answered } = await streamsUnderChange(control, second!);
          const summary = await forwarder.stop();
          expectConservation(summary);
          expect(summary.totals.reordered).toBe(0);
          // What was lost makes TCP keep what comes behind it.
          const lost = lostIn(summary);
          const bytes = summary.ports.find(({ name }) => name === 'vm2')!.tx.bytes;
          console.log(
            `${options}: ${(bytes / 1e6).toFixed(0)} MB in ${summary.totals.received} frames, ${changes} changes, ${summary.totals.moves} flow moves, ${lost} lost, ${late} late`,
          );
          if (lost === 0) expect({ late, answered }).toEqual({ late: 0, answered: 2 });
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
