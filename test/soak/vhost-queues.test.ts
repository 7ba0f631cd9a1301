/**
 * A machine that changes its number of queues (`ethtool -L`) while streams come in, again and again, with the policy
 * changing too: the machine judges that each stream is whole and in order, and the port says which rings are enabled.
 */
import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { describe, expect, it } from 'vitest';
import { CLI, canForward, startForwarder } from '../support/forwarder.js';
import { bootGuest, guestsMissing } from '../support/guest.js';
import { lostIn, receiver, SENDER, streamsUnderChange } from '../support/guest-streams.js';
import { onPath, withLab } from '../support/lab.js';
import { expectConservation } from '../support/summary.js';

const ethtool = onPath('ethtool');
const missing = [guestsMissing(), ethtool === undefined ? 'ethtool' : '']
  .filter((name) => name !== '')
  .join(', ');
if (missing !== '') process.stderr.write(`tests with virtual machines are skipped: missing ${missing}\n`);

/** What the machine does while it receives; it says how often each number of queues was set, and what is set then. */
const FLIP = `n=$((1 + \${n:-0} % 2)); ethtool -L eth0 combined $n && echo queues $(ethtool -l eth0 | tail -1)`;

describe.skipIf(missing !== '' || !canForward())('a machine that enables and disables its queues', () => {
  it.each(['rss', 'auto', 'worker'])(
    'guest-queue=%s: its streams stay whole and in order',
    async (guestQueue) => {
      const folder = mkdtempSync(join(tmpdir(), 'rxsteer-test-'));
      try {
        await withLab(async (lab) => {
          const ns = await lab.namespace();
          const outside = await lab.namespace();
          await lab.veth(ns, 'up0', outside, 'eth0');
          await lab.address(outside, 'eth0', '10.9.0.3/24');
          const control = join(folder, 'control');
          const path = (n: number) => join(folder, `vm${n}.sock`);
          const forwarder = await startForwarder(
            lab,
            ns,
            ...['--port', 'up=af_packet:up0', '--port', `vm1=vhost-user:${path(1)}`],
            ...['--port', `vm2=vhost-user:${path(2)},queues=2,guest-queue=${guestQueue}`],
            ...['--policy', 'mac', '--workers', '2', '--control', control],
          );
          const boot = (n: number, queues: number, script: string) =>
            bootGuest(lab, ns, folder, `vm${n}`, {
              mac: `52:54:00:00:00:0${n}`,
              address: `10.9.0.${n}/24`,
              script,
              programs: queues > 1 ? [ethtool!] : [],
              vhostUser: { path: path(n), queues },
            });
          const [, second] = await Promise.all([boot(1, 1, SENDER), boot(2, 2, receiver(FLIP))]);
          /** How many rings the port has enabled, as often as it can be asked. */
          const seen = new Set<number>();
          let over = false;
          const watch = (async () => {
            while (!over) {
              const { stdout } = await promisify(execFile)('node', [
                CLI,
                'ctl',
                '--socket',
                control,
                'stats',
                '--json',
              ]);
              const ports: { name: string; detail?: { enabled?: number[] } }[] = JSON.parse(stdout).ports;
              seen.add(ports.find(({ name }) => name === 'vm2')?.detail?.enabled?.length ?? -1);
            }
          })();
          const { changes, late, answered } = await streamsUnderChange(control, second!).finally(() => {
            over = true;
          });
          await watch;
          const flips = second!.stdout.match(/^queues Combined: [12]/gm) ?? [];
          const summary = await forwarder.stop();
          expectConservation(summary);
          expect(summary.totals.reordered).toBe(0);
          const lost = lostIn(summary);
          console.log(
            `guest-queue=${guestQueue}: ${flips.length} changes of the machine, ${changes} of the policy, ${summary.totals.moves} flow moves, ${lost} lost, ${late} late`,
          );
          expect(new Set(flips).size, second!.stdout).toBe(2);
          expect([...seen]).toEqual(expect.arrayContaining([1, 2]));
          if (lost === 0) expect({ late, answered }).toEqual({ late: 0, answered: 2 });
        });
      } finally {
        rmSync(folder, { recursive: true });
      }
    },
  );
});
