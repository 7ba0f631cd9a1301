/** Open vSwitch, libvirt, tc and testpmd: words, and back. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { backEnd } from '#rxsteer/compile/back-ends.js';
import { parsePins } from '#rxsteer/compile/libvirt/check.js';
import { parseRxqShow } from '#rxsteer/compile/ovs/check.js';
import { parsePlan } from '#rxsteer/compile/ovs/emit.js';
import { parseShown } from '#rxsteer/compile/testpmd/check.js';
import { FakeHost } from '../host/fake-host.js';
import { compiled, lost, requested } from './support.js';

const mac = fc
  .uint8Array({ minLength: 6, maxLength: 6 })
  .map((bytes) =>
    [...bytes].map((byte, i) => (i === 0 ? byte & 0xfe : byte).toString(16).padStart(2, '0')).join(':'),
  );
const owners = fc.uniqueArray(
  fc.record(
    { mac, vlan: fc.integer({ min: 1, max: 4094 }), worker: fc.nat(15) },
    { requiredKeys: ['mac', 'worker'] },
  ),
  { minLength: 1, maxLength: 6, selector: ({ mac: one }) => one },
);
const byVlan = <T extends { vlan?: number }>(list: readonly T[]) =>
  [...list].sort((a, b) => Number(a.vlan === undefined) - Number(b.vlan === undefined));

describe.each(['tc', 'testpmd', 'ethtool'])('%s', (target) => {
  it('reads its own words of owners back as what was said', async () => {
    const back = await backEnd(target);
    await fc.assert(
      fc.asyncProperty(owners, async (list) => {
        const policy = { policy: 'mac', assign: 'static', owners: list };
        const { commands } = await compiled(target, policy);
        const found = back.parse!(commands) as { owners: typeof list };
        expect({ ...found, owners: byVlan(found.owners) }).toEqual({ ...policy, owners: byVlan(list) });
      }),
      { numRuns: 20 },
    );
  });
});

describe('testpmd', () => {
  it('reads its own words of a table back as what was said', async () => {
    const back = await backEnd('testpmd');
    const policies = fc.record({
      entries: fc.array(fc.nat(15), { minLength: 1, maxLength: 512 }),
      key: fc.uint8Array({ minLength: 40, maxLength: 40 }).map((bytes) => Buffer.from(bytes).toString('hex')),
      types: fc.constantFrom(['ipv4', 'ipv6'], ['tcp-ipv4', 'tcp-ipv6'], ['udp-ipv4', 'udp-ipv6']),
    });
    await fc.assert(
      fc.asyncProperty(policies, async (given) => {
        const policy = { policy: 'rss', ...given };
        const result = await compiled('testpmd', policy);
        expect(lost(result)).toEqual([]);
        expect(back.parse!(result.commands)).toEqual(policy);
        for (const line of result.commands) expect((line.split(' ').at(-1) ?? '').length).toBeLessThan(128);
      }),
      { numRuns: 20 },
    );
  });

  it('understands what testpmd shows, its prompt in the middle of lines too', () => {
    const text =
      'RSS RETA configuration: hash index=0, queue=1\nRSS RETA configuration: hastestpmd> show port 0 rss-hash key\nh index=1, queue=3\n';
    expect(parseShown(text)).toEqual({ entries: [1, 3], key: '' });
  });
});

describe('ovs', () => {
  it('reads its own words back as what was said', async () => {
    const back = await backEnd('ovs');
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 2, max: 64 }),
        fc.integer({ min: 1, max: 64 }),
        async (queues, workers) => {
          const request = await requested({ policy: 'rss', queues }, null, '', workers);
          const { commands } = back.emit(request);
          expect(back.parse!(commands)).toEqual({ policy: 'rss', queues });
          expect(parsePlan(commands)).toMatchObject({ queues, workers });
        },
      ),
      { numRuns: 20 },
    );
    const odd = (await compiled('ovs', 'rss:queues=2')).commands.map((line) =>
      line.replace('0:0,1:1', '0:1,1:0'),
    );
    expect(() => back.parse!(odd)).toThrow('queue 0 is on CPU 1: not in turns');
  });

  it('says what the switch keeps to itself', async () => {
    expect(lost(await compiled('ovs', 'rss:queues=2,key=microsoft,weight=1+1'))).toEqual([
      'key, weight',
      'undo to other values',
    ]);
  });

  it('understands pmd-rxq-show', () => {
    const text = `Displaying last 60 seconds pmd usage %
pmd thread numa_id 0 core_id 3:
  isolated : true
  port: p0                queue-id:  0 (enabled)   pmd usage: NOT AVAIL
  port: other             queue-id:  1 (enabled)   pmd usage: NOT AVAIL
pmd thread numa_id 0 core_id 11:
  port: p0                queue-id:  1 (enabled)   pmd usage:  0 %
`;
    expect([...parseRxqShow(text, 'p0')]).toEqual([
      [0, 3],
      [1, 11],
    ]);
  });
});

describe('libvirt', () => {
  it('reads its own words back as what was said', async () => {
    const back = await backEnd('libvirt');
    await fc.assert(
      fc.asyncProperty(owners, fc.integer({ min: 1, max: 16 }), async (list, queues) => {
        const own = list.map(({ mac: one, worker }) => ({ mac: one, worker }));
        const policy = { policy: 'mac', assign: 'static', owners: own };
        expect(back.parse!((await compiled('libvirt', policy)).commands)).toEqual(policy);
        const cards = back.parse!((await compiled('libvirt', { policy: 'rss', queues })).commands);
        expect(cards).toEqual(queues === 1 ? { policy: 'single' } : { policy: 'rss', queues });
      }),
      { numRuns: 20 },
    );
  });

  it('names the guest that has the address, and takes its threads back to where they may run now', async () => {
    const host = new FakeHost(8).nic('eth0').guest('web 1', 'tap0', {
      vhostAllowed: '2-3',
      words: [
        '-netdev',
        'tap,id=n0,ifname=tap0,vhost=on',
        '-device',
        'virtio-net-pci,netdev=n0,mac=52:54:00:00:00:01',
      ],
    });
    const policy = { policy: 'mac', assign: 'static', owners: [{ mac: '52:54:00:00:00:01', worker: 5 }] };
    const result = await compiled('libvirt', policy, host);
    expect(result.commands).toEqual(["virsh emulatorpin 'web 1' 5 --live --config # 52:54:00:00:00:01"]);
    expect(result.undo).toEqual(["virsh emulatorpin 'web 1' 2,3 --live --config"]);
    expect(lost(result)).toEqual(['vhost threads alone']);
  });

  it('understands virsh', () => {
    expect(parsePins('1\n')).toEqual([1]);
    expect(parsePins('emulator: CPU Affinity\n-------\n       *: 12\n')).toEqual([12]);
  });
});

describe('tc', () => {
  it('chooses the far end’s queue of a tap, in software', async () => {
    const host = new FakeHost(8).tap('tap0', null, 4);
    const policy = { policy: 'mac', assign: 'static', owners: [{ mac: '52:54:00:00:00:01', worker: 3 }] };
    const result = await compiled('tc', policy, host, 'tap0');
    expect(result.commands[1]).toBe(
      'tc filter add dev tap0 egress protocol all pref 1 flower dst_mac 52:54:00:00:00:01 skip_hw action skbedit queue_mapping 3',
    );
    expect(lost(result)).toEqual(['a clsact that is there now']);
  });
});

it.each([
  ['ovs', ['rps:cpus=0', 'mac', 'pools', 'js:x.mjs']],
  ['libvirt', ['rps:cpus=0', 'mac-hash', 'mac']],
  ['tc', ['rss', 'rfs:cpus=0', 'round-robin']],
  ['testpmd', ['rps:cpus=0', 'mac-hash', 'rss:nic=ixgbe-82599,tcs=4']],
])('%s has no words for some policies, and refuses words that it does not know', async (target, policies) => {
  const back = await backEnd(target);
  for (const policy of policies) {
    if (policy.startsWith('js')) continue;
    await expect(compiled(target, policy)).rejects.toMatchObject({ code: 'RXS_INEXPRESSIBLE' });
  }
  expect(() => back.parse!(['rm -rf /'])).toThrow('is not understood');
});

describe('ethtool --check', () => {
  const rss = (queue: (i: number) => number) => ({
    entries: Array.from({ length: 128 }, (_, i) => queue(i)),
    key: '6d5a56da255b0ec24167253d43a38fb0d0ca2bcbae7b30b477cb2da38030f20c6a42b73bbeac01fa',
    function: 'toeplitz',
    symmetric: 'none',
  });

  it('holds what is set against the policy', async () => {
    const back = await backEnd('ethtool');
    const host = new FakeHost(8).nic('eth0', { queues: 4, ethtool: { rss: rss((i) => i % 4) } });
    const request = await requested('rss:queues=4,key=microsoft', host);
    expect(await back.check!(request, back.emit(request), 400)).toMatchObject({ packets: 400, agree: 400 });
    host.ethtool('eth0', { rss: rss((i) => (i === 0 ? 3 : i % 4)) });
    const other = await requested('rss:queues=4,key=microsoft', host);
    const check = await back.check!(other, back.emit(other), 400);
    expect(check.agree).toBeLessThan(400);
    expect(check.differ[0]).toMatch(/^policy 0, target 3: /);
  });

  it('says what it cannot read', async () => {
    const back = await backEnd('ethtool');
    const nowhere = await requested('rss:queues=4');
    await expect(back.check!(nowhere, back.emit(nowhere), 10)).rejects.toThrow('give --dev DEV');
    const host = new FakeHost(8).nic('eth0', {
      queues: 4,
      ethtool: { rss: { ...rss((i) => i % 4), key: null } },
    });
    const request = await requested('rss:queues=4', host);
    await expect(back.check!(request, back.emit(request), 10)).rejects.toThrow('eth0: the key was not told');
  });
});
