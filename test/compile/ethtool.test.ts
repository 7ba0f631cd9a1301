/** RSS in the words of ethtool, and back. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ethtool } from '#rxsteer/compile/ethtool/index.js';
import { tableWords } from '#rxsteer/compile/ethtool/table-words.js';
import { IndirectionTable } from '#rxsteer/nic/indirection-table.js';
import { compilePolicy } from '#rxsteer/policy/compile.js';
import { parsePolicy } from '#rxsteer/policy/parse.js';
import type { RssSteering } from '#rxsteer/policy/rss.js';
import { FakeHost } from '../host/fake-host.js';
import { compiled, lost } from './support.js';

describe('words of a table', () => {
  it('fill that very table, or there are none', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 8 }),
        fc.oneof(
          fc.array(fc.nat(7), { minLength: 16, maxLength: 16 }),
          fc.array(fc.nat(3), { minLength: 16, maxLength: 16 }).map((list) => list.sort()),
          fc
            .tuple(fc.nat(3), fc.integer({ min: 1, max: 4 }))
            .map(([start, count]) => Array.from({ length: 16 }, (_, i) => start + (i % count))),
        ),
        (_, entries) => {
          const words = tableWords(entries);
          if (words === null) {
            expect(entries.some((queue, i) => i > 0 && queue < entries[i - 1]!)).toBe(true);
            return;
          }
          const table = new IndirectionTable(16, 8);
          const start = Number(/ start (\d+)/.exec(words)?.[1] ?? 0);
          const numbers = words
            .replace(/ start.*/, '')
            .split(' ')
            .slice(1)
            .map(Number);
          if (words.startsWith('equal')) table.fillEqual(numbers[0]!, start);
          else table.fillWeight(numbers, start);
          expect([...table.entries]).toEqual(entries);
        },
      ),
    );
  });
});

describe('ethtool', () => {
  it('sets channels, features, fields, key, table, in this order, and takes back in reverse', async () => {
    const host = new FakeHost(8).nic('eth0', { queues: 8 });
    const { commands, undo, cannot } = await compiled(
      'ethtool',
      'rss:queues=4,key=microsoft,weight=1+1+1+5',
      host,
    );
    expect(commands.map((line) => line.slice(0, 60))).toEqual([
      'ethtool -X eth0 default',
      'ethtool -L eth0 combined 4',
      'ethtool -K eth0 rxhash on',
      ...['tcp4', 'udp4', 'tcp6', 'udp6'].map((flow) => `ethtool -N eth0 rx-flow-hash ${flow} sdfn`),
      'ethtool -X eth0 hkey 6d:5a:56:da:25:5b:0e:c2:41:67:25:3d:43:',
      'ethtool -X eth0 weight 16 16 16 80',
    ]);
    expect(undo.map((line) => line.slice(0, 40))).toEqual([
      'ethtool -X eth0 default',
      'ethtool -X eth0 hkey 2c:c6:81:d1:5b:db:f',
      'ethtool -L eth0 combined 8',
    ]);
    expect(cannot).toEqual([]);
  });

  it('says what its command line has no words for', async () => {
    const entries = Array.from({ length: 128 }, (_, i) => (i * 7) % 3);
    const result = await compiled('ethtool', {
      policy: 'rss',
      entries: entries.toSorted(() => 0).map((q, i) => (i === 5 ? 0 : q)),
    });
    expect(lost(result)).toContain('single entries of the table');
    expect(result.commands.at(-1)).toMatch(/^# nearest that ethtool can: weight \d+ \d+ \d+$/);
    expect(lost(await compiled('ethtool', 'rss:types=tcp-ipv4+ipv6-ex'))).toEqual([
      'types: ipv6-ex',
      'IPv4 addresses alone are not hashed',
      'IPv6 addresses alone are not hashed',
    ]);
    expect(lost(await compiled('ethtool', 'rss:symmetric=sort'))).toEqual(['symmetric=sort']);
    expect(lost(await compiled('ethtool', 'mac'))).toEqual(['assign=least-loaded']);
  });

  it('refuses what the device has not', async () => {
    const host = new FakeHost(8).nic('eth0', { queues: 4 }).tap('tap0', null);
    await expect(compiled('ethtool', 'rss:queues=8', host)).rejects.toThrow('8 queues: eth0 has 4 at most');
    await expect(compiled('ethtool', 'rss:queues=1', host, 'tap0')).rejects.toThrow(
      'tap0 is a tap: it has no indirection table',
    );
    for (const policy of [
      'rps:cpus=0',
      'rfs:cpus=0',
      'mac-hash',
      'pools',
      'round-robin',
      'rss:nic=ixgbe-82599,tcs=4',
    ]) {
      await expect(compiled('ethtool', policy, host)).rejects.toMatchObject({ code: 'RXS_INEXPRESSIBLE' });
    }
  });

  it('fits the key to the device, and says when the table has another size', async () => {
    const host = new FakeHost(8).nic('eth0', {
      entries: Array.from({ length: 512 }, (_, i) => i % 8),
      ethtool: {
        rss: {
          entries: Array.from({ length: 512 }, (_, i) => i % 8),
          key: '00'.repeat(52),
          function: 'toeplitz',
          symmetric: 'none',
        },
      },
    });
    const result = await compiled('ethtool', 'rss:queues=8,key=microsoft', host);
    expect(result.commands.find((line) => line.includes('hkey'))).toMatch(/:fa(:00){12}$/);
    expect(lost(result)).toEqual(['table of 128 entries']);
    expect(result.commands.at(-1)).toBe('ethtool -X eth0 equal 8');
  });

  it('gives each owner a rule at a free place, and the rest queue 0', async () => {
    const host = new FakeHost(8).nic('eth0', {
      queues: 4,
      ethtool: { rules: [{ location: 0, queue: 1, context: null, contextExists: null }] },
    });
    const owners = [
      { mac: '52:54:00:00:00:01', worker: 1 },
      { mac: '52:54:00:00:00:02', vlan: 7, worker: 3 },
    ];
    const { commands, undo } = await compiled('ethtool', { policy: 'mac', assign: 'static', owners }, host);
    expect(commands.slice(-4)).toEqual([
      'ethtool -K eth0 ntuple on',
      'ethtool -X eth0 equal 1',
      'ethtool -N eth0 flow-type ether dst 52:54:00:00:00:01 action 1 loc 1',
      'ethtool -N eth0 flow-type ether dst 52:54:00:00:00:02 vlan 7 m 0xf000 action 3 loc 2',
    ]);
    expect(undo).toEqual([
      'ethtool -N eth0 delete 2',
      'ethtool -N eth0 delete 1',
      'ethtool -X eth0 default',
      'ethtool -K eth0 ntuple off',
    ]);
    expect(ethtool.parse!(commands)).toEqual({ policy: 'mac', assign: 'static', owners });
  });

  const fill = fc.oneof(
    fc.record({ equal: fc.integer({ min: 1, max: 4 }), start: fc.nat(4) }),
    fc.record({
      weight: fc.array(fc.nat(9), { minLength: 1, maxLength: 4 }).filter((list) => list.some((w) => w > 0)),
      start: fc.nat(4),
    }),
    fc.constant({}),
  );
  const ports = fc.subarray(['tcp-ipv4', 'udp-ipv4', 'tcp-ipv6', 'udp-ipv6']);
  const policies = fc.record({
    key: fc.uint8Array({ minLength: 40, maxLength: 40 }).map((bytes) => Buffer.from(bytes).toString('hex')),
    types: ports.map((list) => ['ipv4', 'ipv6', ...list]),
    symmetric: fc.constantFrom('none', 'xor', 'or-xor'),
    fill,
    rules: fc.subarray([
      'flow-type tcp4 dst-port 80 action 2 loc 4',
      'flow-type udp4 src-ip 10.0.0.1 action 1 loc 5',
    ]),
    isKnown: fc.boolean(),
  });

  it('is read back as what was said, whatever it is', async () => {
    await fc.assert(
      fc.asyncProperty(policies, async ({ fill: table, rules, isKnown, ...rest }) => {
        const policy = {
          policy: 'rss',
          queues: 8,
          ...rest,
          ...table,
          ...(rules.length > 0 ? { rules } : {}),
        };
        const host = isKnown ? new FakeHost(8).nic('eth0') : null;
        const result = await compiled('ethtool', policy, host);
        expect(lost(result).filter((what) => !what.startsWith('undo'))).toEqual([]);
        const facts = (given: object) => {
          const spec = parsePolicy(given);
          const steering = compilePolicy(spec) as RssSteering;
          const { key, types, symmetric } = steering.rssHash.options;
          return {
            key,
            types,
            symmetric,
            entries: steering.table.entries,
            rules: (spec as { rules?: unknown }).rules,
          };
        };
        expect(facts(ethtool.parse!(result.commands))).toEqual(facts(policy));
      }),
      { numRuns: 30 },
    );
  });

  it('refuses what it cannot read', () => {
    for (const line of [
      'ethtool -G eth0 rx 4096',
      'ethtool -X eth0 hkey',
      'rm x',
      'ethtool -N eth0 rx-flow-hash ah4 sd',
    ]) {
      expect(() => ethtool.parse!([line])).toThrow('is not understood');
    }
  });
});
