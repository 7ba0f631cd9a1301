/**
 * Collections of a real machine: an emulated host of a guest, set wrong, and after the printed scripts were run there
 * (test/soak/doctor-guest.test.ts makes them). What is found in them is what that machine's own doctor found.
 */
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { diagnose } from '#rxsteer/host/doctor.js';
import { factsOf } from '#rxsteer/host/facts.js';
import { readHost } from '#rxsteer/host/read-host.js';
import { openTree } from '#rxsteer/host/source/open.js';

async function hostOf(name: string) {
  const path = fileURLToPath(new URL(`fixtures/guest-${name}.tar.gz`, import.meta.url));
  const tree = await openTree(path, '--root');
  const second = async () => tree.secondSample();
  return readHost(tree, { role: null, second, now: () => performance.now() });
}

describe('a host of a guest, as it was collected', () => {
  it('set wrong', async () => {
    const host = await hostOf('wrong');
    const { role, findings } = diagnose(host);
    expect(role).toBe('vm-host');
    expect(findings.map(({ severity, id, subject }) => `${severity} ${id} ${subject}`)).toEqual(
      expect.arrayContaining([
        'E rfs-half host',
        'E vm-flow-steering eth0',
        'W vhost-off inner',
        'W rxhash-off eth0',
        'W irq-pileup eth0',
        'W xps-hole eth0',
      ]),
    );
    // It forwards: what is half on goes off, and no later look advises the contrary.
    expect(findings.find(({ id }) => id === 'rfs-half')!.fix).toEqual([
      'sysctl -w net.core.rps_sock_flow_entries=0',
    ]);
    expect(JSON.stringify(factsOf(host))).toContain('virtio');
  });

  it('cured: what is left takes another start of the guest', async () => {
    const { findings } = diagnose(await hostOf('cured'));
    expect(findings.map(({ id }) => id)).toEqual(['vhost-off', 'vm-flow-steering']);
    for (const { fix } of findings) expect(fix.every((line) => line.startsWith('#'))).toBe(true);
  });
});
