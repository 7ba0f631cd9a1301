import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { UserError } from '#rxsteer/errors.js';
import { namedKey } from '#rxsteer/hash/keys.js';
import { parseEthtool } from '#rxsteer/nic/ethtool.js';
import { ethernet, ipv4, tcp, udp } from '#rxsteer/packet/build.js';
import { defaultWorkers } from '#rxsteer/policy/compile.js';
import { parsePolicy } from '#rxsteer/policy/parse.js';
import { rxsteer, spawnProgram } from '../cli/run.js';
import { policy, steer } from '../policy/support.js';

const directory = mkdtempSync(join(tmpdir(), `rxsteer-ethtool-${process.pid}-`));
afterAll(() => rmSync(directory, { recursive: true, force: true }));

const key = Buffer.from(namedKey('mlx5')).toString('hex');
const colons = key.match(/../g)!.join(':');

function table(size: number, queues: number): string {
  const rows: string[] = [];
  for (let at = 0; at < size; at += 8) {
    const cells = Array.from({ length: Math.min(8, size - at) }, (_, i) =>
      `${(at + i) % queues}`.padStart(6),
    );
    rows.push(`${`${at}`.padStart(5)}: ${cells.join('')}`);
  }
  return rows.join('\n');
}

const shown = `RX flow hash indirection table for eth0 with 6 RX ring(s):
${table(128, 6)}
RSS hash key:
${colons}
RSS hash function:
    toeplitz: on
    xor: off
    crc32: off
RSS input transformation:
    symmetric-xor: off
    symmetric-or-xor: on
`;
const udp4 = `UDP over IPV4 flows use these fields for computing Hash flow key:
IP SA
IP DA

`;
const tcp4 = `TCP over IPV4 flows use these fields for computing Hash flow key:
IP SA
IP DA
L4 bytes 0 & 1 [TCP/UDP src port]
L4 bytes 2 & 3 [TCP/UDP dst port]

`;

describe('the output of ethtool', () => {
  it('gives table, rings, key and transformation', () => {
    expect(parseEthtool(shown, 'x')).toEqual({
      queues: 6,
      entries: Array.from({ length: 128 }, (_, i) => i % 6),
      key,
      symmetric: 'or-xor',
      ports: {},
    });
  });

  it('gives the fields of flow types behind it, or alone', () => {
    expect(parseEthtool(`${shown}${tcp4}${udp4}`, 'x').ports).toEqual({
      'tcp-ipv4': true,
      'udp-ipv4': false,
    });
    expect(parseEthtool(udp4, 'x')).toEqual({ ports: { 'udp-ipv4': false } });
  });

  it('JSON says the same', () => {
    const json = JSON.stringify([
      {
        ifname: 'eth0',
        'rss-indirection-table': [0, 1, 0, 1],
        'rss-hash-key': [...namedKey('mlx5')],
        'rss-hash-function': 'toeplitz',
        'rss-input-transformation': { 'symmetric-xor': true, 'symmetric-or-xor': false },
      },
    ]);
    expect(parseEthtool(json, 'x')).toEqual({
      queues: 2,
      entries: [0, 1, 0, 1],
      key,
      symmetric: 'xor',
      ports: {},
    });
  });

  it('unsupported parts are absent', () => {
    const text = `RX flow hash indirection table for eth0 with 1 RX ring(s):
Operation not supported
RSS hash key:
Operation not supported
RSS hash function:
    toeplitz: on
`;
    expect(parseEthtool(text, 'x')).toEqual({ queues: 1, ports: {} });
  });

  it.each([
    ['hello\n', 'x: no output of ethtool -x'],
    ['', 'x: no output of ethtool -x'],
    [
      shown.replace('toeplitz: on', 'toeplitz: off').replace('xor: off', 'xor: on'),
      'x: the NIC hashes with xor: only toeplitz',
    ],
    [shown.replace('   8:', '  16:'), 'x: line 3: table row 16 where row 8 is due'],
    [shown.replace(colons, 'zz:1'), 'x: line 19: not a hash key'],
    [shown + shown, 'a second table; one NIC is wanted'],
    [shown.replace('symmetric-xor: off', 'symmetric-xor: on'), 'two input transformations at once'],
    [tcp4.replace('IP SA\n', ''), 'x: tcp over IPV4 hashes the fields "dfn": sd and sdfn can be predicted'],
    [tcp4.replace('IP SA', 'TTL'), 'x: line 2: unknown hash field "TTL"'],
    ['[1', 'x: '],
    ['[]', 'x: JSON for one device'],
    ['[{}]', 'x: neither rss-indirection-table nor rss-hash-key'],
    ['[{"rss-hash-key": [300]}]', 'x: rss-hash-key is not a list of numbers'],
  ])('%#: what cannot be modelled is refused', (text, message) => {
    const act = () => parseEthtool(text, 'x');
    expect(act).toThrow(UserError);
    expect(act).toThrow(message);
  });
});

describe('rss:ethtool=FILE', () => {
  const file = (content: string, name = 'nic.txt') => {
    const path = join(directory, name);
    writeFileSync(path, content);
    return path;
  };
  const udpFrame = ethernet({}, ipv4({ src: '10.0.0.1', dst: '10.0.0.2' }, udp({ sport: 5, dport: 6 })));
  const tcpFrame = ethernet({}, ipv4({ src: '10.0.0.1', dst: '10.0.0.2' }, tcp({ sport: 5, dport: 6 })));

  it('steers as that NIC', () => {
    const steering = policy(`rss:ethtool=${file(shown + udp4)}`);
    expect([steering.workers, steering.queues]).toEqual([6, 6]);
    const same = policy(`rss:queues=6,key=mlx5,symmetric=or-xor,types=ipv4+tcp-ipv4+ipv6+tcp-ipv6+udp-ipv6`);
    const [a, b] = [steering, same].map((one) => steer(one, [udpFrame, tcpFrame]));
    expect(a!.hash.subarray(0, 2)).toEqual(b!.hash.subarray(0, 2));
    expect(a!.rxq.subarray(0, 2)).toEqual(b!.rxq.subarray(0, 2));
    expect(Array.from(a!.hashType.subarray(0, 2))).toEqual([1, 2]);
  });

  it('what is given beside it wins', () => {
    const path = file(shown);
    const spec = parsePolicy(`rss:ethtool=${path},symmetric=none,table=256,queues=4,key=microsoft`);
    expect(spec).toMatchObject({ symmetric: 'none', table: 256, queues: 4, key: 'microsoft' });
    expect(spec).not.toHaveProperty('entries');
    expect(defaultWorkers(parsePolicy(`rss:ethtool=${path}`))).toBe(6);
  });

  it('from standard input, in explain', () => {
    const args = ['explain', '--policy', 'rss:ethtool=-', '--flow', 'tcp 10.0.0.1:5 > 10.0.0.2:6', '--json'];
    const { code, stdout } = spawnProgram(args, shown);
    expect(code).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({
      hash: { key, type: 'tcp-ipv4', input: '0a0000030000000300070003' },
    });
  });

  it('errors name the file', async () => {
    const path = file(shown.replace(colons, 'Operation not supported'), 'nokey.txt');
    const run = (given: string) =>
      rxsteer(['explain', '--policy', given, '--flow', 'ip 10.0.0.1 > 10.0.0.2']);
    expect((await run(`rss:ethtool=${path}`)).stderr).toBe(
      `rxsteer: policy rss: ethtool=${path}: it has no key: give key=HEX too\n`,
    );
    expect((await run('rss:ethtool=/does/not/exist')).stderr).toContain(
      'rss: ethtool=/does/not/exist: ENOENT',
    );
    expect((await run(`rss:ethtool=${path},key=microsoft`)).code).toBe(0);
  });
});

describe('fills in the words of ethtool -X', () => {
  it('entries, weight, equal, start', () => {
    const queuesOf = (text: string) => {
      const steering = policy(text);
      const burst = steer(
        steering,
        Array.from({ length: 60 }, (_, n) =>
          ethernet({}, ipv4({ src: `10.0.0.${n}`, dst: '10.1.0.1' }, udp({ sport: n, dport: 9 }))),
        ),
      );
      return [steering.queues, ...new Set(Array.from(burst.rxq.subarray(0, 60)).toSorted((a, b) => a - b))];
    };
    expect(queuesOf('rss:entries=3+3+1+1')).toEqual([4, 1, 3]);
    expect(queuesOf('rss:weight=0+1+0+1')).toEqual([4, 1, 3]);
    expect(queuesOf('rss:equal=2,start=2')).toEqual([4, 2, 3]);
  });

  it.each([
    ['rss:entries=0+5,queues=4', 'policy rss: entries: queue 5: there are queues 0 to 3'],
    ['rss:entries=0+1,table=4', 'policy rss: table=4: entries has 2; give one of them'],
    ['rss:entries=0+1,equal=2', 'policy rss: entries and equal: one way to fill the table is enough'],
    ['rss:weight=0+0', 'policy rss: weight: at least one weight must be above 0'],
    ['rss:start=1', 'policy rss: start: goes with weight or equal'],
    [
      'rss:nic=ixgbe-82599,entries=0+1',
      'policy rss: entries: 2 of them: ixgbe-82599 has tables of 128 entries',
    ],
  ])('%s is refused', (text, message) => {
    expect(() => policy(text)).toThrow(message);
  });
});
