/** RPS and RFS as files of sysfs, and back. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { sysfs } from '#rxsteer/compile/sysfs/index.js';
import { formatCpuMask } from '#rxsteer/host/lists.js';
import { pow2up } from '#rxsteer/linux/arith.js';
import { FakeHost } from '../host/fake-host.js';
import { compiled, lost } from './support.js';

const HASH = 'which flow goes to which CPU';

describe('sysfs', () => {
  it('sets sizes before masks, on each queue, and takes back in reverse', async () => {
    const host = new FakeHost(4).nic('eth0', { queues: 2 });
    host.set('/sys/class/net/eth0/queues/rx-1/rps_cpus', '2');
    const { commands, undo, cannot } = await compiled('sysfs', 'rfs:cpus=1-2', host);
    expect(commands).toEqual([
      'sysctl -w net.core.rps_sock_flow_entries=32768',
      'echo 4096 > /sys/class/net/eth0/queues/rx-0/rps_flow_cnt',
      'echo 4096 > /sys/class/net/eth0/queues/rx-1/rps_flow_cnt',
      'echo 6 > /sys/class/net/eth0/queues/rx-0/rps_cpus',
      'echo 6 > /sys/class/net/eth0/queues/rx-1/rps_cpus',
    ]);
    expect(undo).toEqual([
      'echo 2 > /sys/class/net/eth0/queues/rx-1/rps_cpus',
      'echo 0 > /sys/class/net/eth0/queues/rx-0/rps_cpus',
      'echo 0 > /sys/class/net/eth0/queues/rx-1/rps_flow_cnt',
      'echo 0 > /sys/class/net/eth0/queues/rx-0/rps_flow_cnt',
      'sysctl -w net.core.rps_sock_flow_entries=0',
    ]);
    expect(lost({ cannot } as never)).toEqual([HASH]);
  });

  it('empties a table of flows that rps does not want', async () => {
    const host = new FakeHost(4).nic('eth0', { queues: 1 });
    host.set('/sys/class/net/eth0/queues/rx-0/rps_flow_cnt', '256');
    const { commands, undo } = await compiled('sysfs', 'rps:cpus=1', host);
    expect(commands[0]).toBe('echo 0 > /sys/class/net/eth0/queues/rx-0/rps_flow_cnt');
    expect(undo.at(-1)).toBe('echo 256 > /sys/class/net/eth0/queues/rx-0/rps_flow_cnt');
  });

  it('says which CPUs the kernel would leave out', async () => {
    const host = new FakeHost(8).nic('eth0');
    host.set('/sys/devices/system/cpu/online', '0-5');
    host.set('/sys/devices/system/cpu/offline', '6-7');
    host.set('/sys/devices/system/cpu/isolated', '1');
    const result = await compiled('sysfs', 'rps:cpus=6+0-2', host);
    expect(lost(result)).toEqual(['CPU 6', 'CPU 1', HASH, 'order of the list 6+0+1+2']);
    expect(result.commands.at(-1)).toContain('echo 5 >');
    await expect(compiled('sysfs', 'rps:cpus=6-7', host)).rejects.toThrow(
      'none of its CPUs takes packets here',
    );
    await expect(compiled('sysfs', 'rps:cpus=9', host)).rejects.toThrow('CPU 9: this host has CPUs 0-7');
  });

  it.each(['rss', 'pools', 'mac', 'mac-hash', 'round-robin', 'rps:cpus=0,hash=toeplitz'])(
    'has no words for %s',
    async (policy) => {
      await expect(compiled('sysfs', policy)).rejects.toMatchObject({ code: 'RXS_INEXPRESSIBLE' });
    },
  );

  const cpus = fc.uniqueArray(fc.nat(63), { minLength: 1, maxLength: 16 });
  const size = fc.integer({ min: 1, max: 1 << 20 });

  it('is read back as what was said, whatever it is', async () => {
    await fc.assert(
      fc.asyncProperty(
        cpus,
        size,
        size,
        fc.boolean(),
        fc.integer({ min: 0, max: 3 }),
        async (list, entries, flows, isRfs, queues) => {
          const policy = isRfs
            ? { policy: 'rfs', cpus: list, entries, flows }
            : { policy: 'rps', cpus: list };
          const host = queues === 0 ? null : new FakeHost(64).nic('eth0', { queues });
          const { commands } = await compiled('sysfs', policy, host);
          const sorted = [...list].sort((a, b) => a - b);
          expect(sysfs.parse!(commands)).toEqual(
            isRfs
              ? { policy: 'rfs', cpus: sorted, entries: pow2up(entries), flows: pow2up(flows) }
              : { policy: 'rps', cpus: sorted },
          );
        },
      ),
      { numRuns: 25 },
    );
  });

  it('undo brings back what was, whatever it was', async () => {
    await fc.assert(
      fc.asyncProperty(cpus, cpus, fc.nat(20), async (list, before, log) => {
        const host = new FakeHost(64).nic('eth0', { queues: 2 });
        host.set('/sys/class/net/eth0/queues/rx-1/rps_cpus', formatCpuMask(before));
        host.set('/sys/class/net/eth0/queues/rx-1/rps_flow_cnt', `${1 << log}`);
        const was = new Map(host.files);
        const { commands, undo } = await compiled('sysfs', { policy: 'rfs', cpus: list }, host);
        host.apply(commands);
        host.apply(undo);
        const value = (files: Map<string, string>) =>
          ['rps_cpus', 'rps_flow_cnt'].map((file) =>
            Number.parseInt(files.get(`/sys/class/net/eth0/queues/rx-1/${file}`)!.replaceAll(',', ''), 16),
          );
        expect(value(host.files)).toEqual(value(was));
      }),
      { numRuns: 10 },
    );
  });

  it('refuses what it cannot read', () => {
    expect(() => sysfs.parse!(['rm -rf /'])).toThrow('is not understood');
    expect(() => sysfs.parse!([])).toThrow('no mask is set');
    const at = '/sys/class/net/e/queues';
    expect(() => sysfs.parse!([`echo 1 > ${at}/rx-0/rps_cpus`, `echo 2 > ${at}/rx-1/rps_cpus`])).toThrow(
      'queues are set to 0 and 1: no one policy',
    );
  });
});
