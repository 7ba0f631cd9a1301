/** Machines with real network stacks behind ports that name their addresses, and one behind a port that does not. */
import { describe, expect } from 'vitest';
import { canForward, startForwarder } from '../support/forwarder.js';
import { type Lab, withLab } from '../support/lab.js';
import { inSoak } from '../support/matrix.js';
import { SCENARIO_TIMEOUT_MS } from '../support/scenario.js';
import { expectConservation } from '../support/summary.js';
import { ping } from '../support/traffic.js';

const mac = (n: number) => `52:54:00:00:00:0${n}`;
const ip = (n: number) => `10.0.0.${n}`;
const ip6 = (n: number) => `fd00::${n}`;

/** Through down and up, so that the link-local address follows. */
async function takeMac(lab: Lab, guest: string, address: string): Promise<void> {
  for (const change of [['down'], ['address', address], ['up']]) {
    await lab.exec(guest, 'ip', 'link', 'set', 'g0', ...change);
  }
}

describe.skipIf(!canForward())('addresses of ports', { timeout: SCENARIO_TIMEOUT_MS }, () => {
  inSoak(
    'a guest keeps its frames where another takes its address, and true ones notice nothing',
    async () => {
      await withLab(async (lab) => {
        const host = await lab.namespace();
        const guests: string[] = [];
        for (let n = 0; n < 4; n++) {
          const guest = await lab.namespace({ ipv6: true });
          guests.push(guest);
          await lab.veth(host, `p${n}`, guest, 'g0');
          await takeMac(lab, guest, mac(n));
          await lab.address(guest, 'g0', `${ip(n)}/24`);
          await lab.address(guest, 'g0', `${ip6(n)}/64`);
        }
        const [host0, victim, bound, free] = guests as [string, string, string, string];
        const named = (n: number) => `p${n}=af_packet:p${n},mac=${mac(n)},ip=${ip(n)}+${ip6(n)}`;
        const forwarder = await startForwarder(
          lab,
          host,
          ...[0, 1, 2].flatMap((n) => ['--port', named(n)]),
          ...['--port', 'p3=af_packet:p3', '--policy', 'mac:assign=follow-cpu', '--workers', '2'],
        );
        const all = { sent: 10, received: 10 };
        const few = { count: 10 };
        expect(await ping(lab, host0, ip(1), few)).toMatchObject(all);
        expect(await ping(lab, bound, ip6(1), few)).toMatchObject(all);

        const lies = async (guest: string) => {
          await takeMac(lab, guest, mac(1));
          return ping(lab, guest, ip(0), few);
        };
        // Behind a port that names its addresses: it reaches nobody, and takes nothing from the victim.
        expect(await lies(bound)).toMatchObject({ received: 0 });
        expect(await ping(lab, host0, ip(1), few)).toMatchObject(all);
        expect(await ping(lab, victim, ip(0), few)).toMatchObject(all);

        // Behind another port an address is whoever's frame came last; it is counted, and told.
        await lies(free);
        await ping(lab, victim, ip(0), few);
        await forwarder.process.line(new RegExp(`address ${mac(1)} went from port p\\d to port p\\d`));
        const summary = await forwarder.stop();
        expectConservation(summary);
        const rx = summary.ports.map((port) => (port.rx as unknown as { spoofed: number }).spoofed);
        expect([rx[0], rx[1], rx[3]]).toEqual([0, 0, 0]);
        expect(rx[2]).toBeGreaterThan(0);
        expect((summary.totals as unknown as { macMoves: number }).macMoves).toBeGreaterThan(0);
      });
    },
  );
});
