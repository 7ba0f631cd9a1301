/**
 * Real guests: two virtual machines and a host behind a switch, four TCP streams of super-frames between the machines,
 * while the policy changes several times a second. The receiving machine's own TCP says whether anything was reordered.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { canForward, startForwarder } from '../support/forwarder.js';
import { bootGuest, guestsMissing } from '../support/guest.js';
import { receiver, SENDER, streamsUnderChange } from '../support/guest-streams.js';
import { withLab } from '../support/lab.js';
import { expectConservation, expectNoDrops } from '../support/summary.js';

const missing = guestsMissing();
if (missing !== '') process.stderr.write(`tests with virtual machines are skipped: missing ${missing}\n`);

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
        const [first, second] = await Promise.all([boot('vm0', 1, SENDER), boot('vm1', 2, receiver())]);
        for (const link of ['vm0', 'vm1']) await lab.up(ns, link);
        const control = join(folder, 'control');
        const forwarder = await startForwarder(
          lab,
          ns,
          ...['--port', 'up=af_packet:up0', '--port', 'vm0=af_packet:vm0', '--port', 'vm1=af_packet:vm1'],
          ...['--policy', 'mac', '--workers', '2', '--control', control],
        );
        const { changes, late, answered } = await streamsUnderChange(control, second!);
        expect({ late, answered }).toEqual({ late: 0, answered: 2 });
        const summary = await forwarder.stop();
        expectConservation(summary);
        // The machine that has ended is gone before its last acknowledgements get there.
        expectNoDrops(summary, 'portDown', 'noRoute');
        expect(summary.totals.reordered).toBe(0);
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
