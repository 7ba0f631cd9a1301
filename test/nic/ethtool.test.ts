import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { UserError } from '#rxsteer/errors.js';
import { namedKey } from '#rxsteer/hash/keys.js';
import { type GivenBeside, parseEthtool } from '#rxsteer/nic/ethtool.js';
import { ethernet, ipv4, tcp, udp } from '#rxsteer/packet/build.js';
import { defaultWorkers } from '#rxsteer/policy/compile.js';
import { parsePolicy } from '#rxsteer/policy/parse.js';
import type { RssSteering } from '#rxsteer/policy/rss.js';
import type { RssSpec } from '#rxsteer/policy/spec.js';
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

/** `--json -x` of a NIC with so many queues. */
function json(queues: number): string {
  const rss = {
    ifname: 'eth0',
    'rss-indirection-table': Array.from({ length: 128 }, (_, i) => i % queues),
    'rss-hash-key': [...namedKey('mlx5')],
    'rss-hash-function': 'toeplitz',
  };
  // Several lines, as the tool prints it.
  return `${JSON.stringify([rss], null, 4)}\n`;
}

const unknownFunction = shown
  .replace('toeplitz: on', 'toeplitz: off')
  .replace('crc32: off', 'crc32: off\n    Unknown hash function: 0x10');

/** With bits of a transformation that have no names; `isAll`: those that have some are on too. */
function xfrm(bits: string, isAll: boolean): string {
  const text = shown.replace(
    'or-xor: on',
    `or-xor: off\n    Unknown bits in RSS input transformation: ${bits}`,
  );
  return isAll ? text.replace(/xor: off$/gm, 'xor: on').replace('    xor: on', '    xor: off') : text;
}

/** The table without rows 24 to 119, with something in their place. */
function hole(between: string): string {
  return shown.replace(/ {3}24:[\s\S]*(?= {2}120:)/, between);
}

/** What `ethtool -n DEV` prints: TCP to a port. */
function rules(port = 443, queue = 3): string {
  return `6 RX rings available
Total 1 rules

Filter: 1023
\tRule Type: TCP over IPv4
\tSrc IP addr: 0.0.0.0 mask: 255.255.255.255
\tDest IP addr: 0.0.0.0 mask: 255.255.255.255
\tTOS: 0x0 mask: 0xff
\tSrc port: 0 mask: 0xffff
\tDest port: ${port} mask: 0x0
\tAction: Direct to queue ${queue}

`;
}

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

  it('what surrounds it says nothing: prompts, quotes, line ends, other outputs', () => {
    const around = `$ ethtool -i eth0
driver: mlx5_core
version: 6.8.0
firmware-version: 16.35.4506 (MT_0000000013)
expansion-rom-version:
bus-info: 0000:3b:00.0
supports-statistics: yes
root@host:~# ethtool -x eth0
${shown}# ethtool -l eth0
Channel parameters for eth0:
Pre-set maximums:
RX:\t\tn/a
TX:\t\tn/a
Other:\t\tn/a
Combined:\t63
Current hardware settings:
RX:\t\tn/a
TX:\t\tn/a
Other:\t\tn/a
Combined:\t6
Cannot get RX network flow hashing options: Operation not supported
${udp4}`;
    const expected = { ...parseEthtool(`${shown}${udp4}`, 'x'), driver: 'mlx5_core' };
    expect(parseEthtool(around, 'x')).toEqual(expected);
    expect(parseEthtool(around.replaceAll('\n', '\r\n'), 'x')).toEqual(expected);
    expect(parseEthtool(`\uFEFF${around.replaceAll(/^/gm, '> ')}`, 'x')).toEqual(expected);
    expect(parseEthtool(around.replaceAll(/^/gm, '\t|'), 'x')).toEqual(expected);
  });

  it('a key that was wrapped is one key, wherever the lines end', () => {
    for (const at of [53, 54, 55, 56]) {
      const wrapped = `${colons.slice(0, at)}\n${colons.slice(at, 2 * at)}\n${colons.slice(2 * at)}`;
      expect(parseEthtool(shown.replace(colons, wrapped), 'x').key).toBe(key);
    }
    const prefixed = shown.replace(
      colons,
      colons.replaceAll(/^|:/g, (mark) => `${mark}0x`),
    );
    expect(parseEthtool(prefixed, 'x').key).toBe(key);
  });

  it('fields below "For RSS context" are those of the context', () => {
    const addresses = tcp4.replace(/L4.*\n/g, '');
    expect(parseEthtool(`${shown}${tcp4}For RSS context 1:\n${addresses}`, 'x').ports).toEqual({
      'tcp-ipv4': true,
    });
    expect(parseEthtool(`${shown}For RSS context 1:\n${addresses}${tcp4}`, 'x').ports).toEqual({
      'tcp-ipv4': true,
    });
  });

  it('JSON and text stand behind each other; channels tell the rings that JSON does not', () => {
    expect(parseEthtool(`${json(4)}${udp4}`, 'x')).toMatchObject({ queues: 4, ports: { 'udp-ipv4': false } });
    expect(parseEthtool(`${udp4}${json(4)}`, 'x')).toMatchObject({ key, ports: { 'udp-ipv4': false } });
    const channels = 'Channel parameters for a:\nCurrent hardware settings:\nRX: 2\nTX: 1\nCombined: 6\n';
    expect(parseEthtool(`${json(4)}${channels}`, 'x')).toMatchObject({ queues: 8 });
  });

  it('flow rules come out in the words of ethtool -N', () => {
    expect(parseEthtool(`${shown}${rules()}`, 'x').rules).toEqual([
      'flow-type tcp4 dst-port 443 action 3 loc 1023',
    ]);
    const others = `Total 3 rules

Filter: 0
\tFlow Type: Raw Ethernet
\tSrc MAC addr: 00:00:00:00:00:00 mask: FF:FF:FF:FF:FF:FF
\tDest MAC addr: 02:00:00:00:00:2A mask: 00:00:00:00:00:00
\tEthertype: 0x0 mask: 0xFFFF
\tVLAN EtherType: 0x0 mask: 0xffff
\tVLAN: 0x64 mask: 0xf000
\tUser-defined: 0x0 mask: 0xffffffffffffffff
\tAction: Drop

Filter: 1
\tRule Type: Raw IPv6
\tSrc IP addr: :: mask: ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff
\tDest IP addr: 2001:db8:: mask: ::ffff:ffff:ffff:ffff
\tTraffic Class: 0x0 mask: 0xff
\tProtocol: 58 mask: 0x0
\tL4 bytes: 0x0 mask: 0xffffffff
\tRSS Context ID: 1
\tAction: Direct to queue 0

Filter: 7679
\tRule Type: UDP over IPv4
\tSrc IP addr: 10.0.0.0 mask: 0.0.0.255
\tDest IP addr: 0.0.0.0 mask: 255.255.255.255
\tSrc port: 0 mask: 0xff
\tDest port: 0 mask: 0xffff
\tAction: Direct to RSS context id 2 (queue base offset: 4)
`;
    expect(parseEthtool(others, 'x').rules).toEqual([
      'flow-type ether dst 02:00:00:00:00:2A vlan 0x64 m 0xf000 action -1 loc 0',
      'flow-type ip6 dst-ip 2001:db8:: m ::ffff:ffff:ffff:ffff l4proto 58 context 1 action 0 loc 1',
      'flow-type udp4 src-ip 10.0.0.0 m 0.0.0.255 src-port 0 m 0xff context 2 action 4 loc 7679',
    ]);
  });

  it('what is given beside it is not looked at', () => {
    const beside = (...names: GivenBeside[]) => new Set(names);
    expect(parseEthtool(hole('  ...\n'), 'x', beside('entries'))).not.toHaveProperty('entries');
    expect(parseEthtool(xfrm('0xfc', true), 'x', beside('symmetric'))).toMatchObject({ queues: 6, key });
    expect(parseEthtool(unknownFunction, 'x', beside('function'))).toMatchObject({ queues: 6, key });
    const odd = tcp4.replace('IP SA\n', '');
    expect(parseEthtool(odd, 'x', beside('types')).ports).toEqual({});
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
    [shown.replace('xor: off', 'xor: on'), 'several hash functions are on: toeplitz, xor'],
    [shown.replace('toeplitz: on', 'toeplitz: off'), 'x: no hash function is on'],
    [unknownFunction, 'x: the NIC hashes with an unknown function (0x10)'],
    [shown.replace('crc32: off', 'blake: on').replace('toeplitz: on', 'toeplitz: off'), 'function (blake)'],
    [xfrm('0x4', false), 'x: unknown input transformation 0x4'],
    [xfrm('0xfc', true), 'kernels 6.17 and 6.18 report'],
    // Holes, as people paste tables.
    [hole('  ...\n'), 'x: line 5: "...": the table has a hole'],
    [hole('…\n'), 'x: line 5: "…": the table has a hole'],
    [hole('[...]\n'), 'x: line 5: "[...]": the table has a hole'],
    [hole('[...snip...]\n'), 'the table has a hole'],
    [hole('<snip>\n'), 'the table has a hole'],
    [hole('(and so on)\n'), 'x: line 5: "(and so on)" is not understood'],
    [hole(''), 'x: line 5: table row 120 where row 24 is due'],
    [hole('\n'), 'x: line 6: table row 120 where row 24 is due'],
    [hole('').replace(/ {2}120:.*\n/, '  ...\n'), 'the table has a hole'],
    [shown.replace(/( +8: .*) +\d+\n/, '$1\n'), 'table row 16 where row 8 is not complete'],
    // Two NICs in one file.
    [`${tcp4}${tcp4.replace(/L4.*\n/g, '')}`, 'tcp over IPV4 twice, with other fields; one NIC is wanted'],
    [`${shown}8 RX rings available\nTotal 0 rules\n`, '8 RX rings here and 6 above; one NIC is wanted'],
    ['driver: igb\ndriver: ice\n', 'the driver is ice here and igb above'],
    [`${shown}${json(4)}`, 'a second table; one NIC is wanted'],
    [shown.replace(' RX ring(s):', ' RX ring(s), context 1:'), 'a table of, context 1'],
    // Keys.
    [shown.replace(colons, colons.slice(0, 54)), 'x: line 19: the hash key is cut off'],
    [shown.replace(colons, colons.slice(0, -1)), 'x: line 19: not a hash key'],
    // Flow rules.
    [rules().replace('Total 1', 'Total 2'), 'x: 2 flow rules are announced, 1 are there'],
    [rules().replace('TOS: 0x0 mask: 0xff', 'TOS: 0x8 mask: 0x0'), 'filter 1023 compares "TOS"'],
    [rules().replace('Direct to queue 3', 'Direct to VF 1 queue 3'), 'the action "Direct to VF 1 queue 3"'],
    [rules().replace(/\tAction.*\n/, ''), 'x: line 4: filter 1023 has no action: cut off?'],
    [rules().replace('TCP over IPv4', 'IPSEC ESP over IPv4'), 'cannot be modelled'],
    ['TCP over IPV4 flows - All matching flows discarded on RX\n', 'discarded on RX" cannot be modelled'],
    [`${shown}lo: some words\n`, '"lo: some words" is not understood'],
    ['[{"rss-hash-key": [1], "rss-context": 2}]', 'x: JSON of RSS context 2'],
    ['[{"rss-hash-key": [1], "rss-flags": 2}]', 'x: JSON: rss-flags is not known'],
    ['[{"rss-hash-key": [1], "rss-hash-function-raw": 16}]', 'an unknown function (without a name)'],
    [
      '[{"rss-hash-key": [1], "rss-input-transformation": {"symmetric-xor": false, "raw": 4}}]',
      'x: unknown input transformation 0x4',
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

  it('names the driver, which names the NIC', () => {
    const path = file(`driver: ixgbe\n${shown}`);
    expect(parsePolicy(`rss:ethtool=${path}`)).toMatchObject({ nic: 'ixgbe-82599', queues: 6 });
    expect(parsePolicy(`rss:ethtool=${path},nic=mlx5_core`)).toMatchObject({ nic: 'mlx5' });
    expect(parsePolicy(`rss:ethtool=${file(shown)}`)).toMatchObject({ nic: 'generic' });
    const x550 = file(`driver: ixgbe\n${shown.replace(table(128, 6), table(512, 6))}`);
    expect(parsePolicy(`rss:ethtool=${x550}`)).toMatchObject({ nic: 'ixgbe-x550' });
    const { assumed } = parsePolicy(`rss:ethtool=${file(`driver: veth\n${shown}`)}`) as RssSpec;
    expect(assumed!.map(({ text }) => text)).toContainEqual(expect.stringContaining('driver veth, which is'));
  });

  it('a NIC may have more rings than its RSS reaches', () => {
    const rings = shown.replace('with 6 RX', 'with 63 RX').replace(table(128, 6), table(128, 16));
    const steering = policy(`rss:ethtool=${file(rings)},nic=ixgbe`);
    expect([steering.queues, Math.max(...(steering as RssSteering).table.entries)]).toEqual([63, 15]);
    expect(() => policy(`rss:ethtool=${file(rings.replace('    15\n', '    16\n'))},nic=ixgbe`)).toThrow(
      'reaches 16 at most',
    );
  });

  it('xor is the function of a NIC of which that is known', () => {
    const xor = shown
      .replace('toeplitz: on', 'toeplitz: off')
      .replace('    xor: off', '    xor: on')
      .replace('or-xor: on', 'or-xor: off');
    const path = file(xor);
    const frames = [udpFrame, tcpFrame];
    const same = steer(
      policy(
        `rss:nic=mlx5,queues=6,function=xor8,entries=${table(128, 6)
          .match(/\d+(?=\s|$)(?!:)/g)!
          .join('+')}`,
      ),
      frames,
    );
    for (const given of ['nic=mlx5', 'nic=mlx5,function=xor8', 'function=xor8']) {
      const burst = steer(policy(`rss:ethtool=${path},${given}`), frames);
      expect(Array.from(burst.rxq.subarray(0, 2))).toEqual(Array.from(same.rxq.subarray(0, 2)));
    }
    expect(() => parsePolicy(`rss:ethtool=${path}`)).toThrow('which one depends on the NIC: give nic=NAME');
    expect(() => parsePolicy(`rss:ethtool=${path},nic=igb`)).toThrow('not known of igb-82576');
  });

  it('its flow rules are followed, whatever their locations', () => {
    const path = file(`${shown}${rules(6, 5).replace('1023', '7679')}`);
    expect(Array.from(steer(policy(`rss:ethtool=${path}`), [tcpFrame, tcpFrame]).rxq.subarray(0, 2))).toEqual(
      [5, 5],
    );
    expect(() => policy(`rss:ethtool=${file(`${shown}${rules(6, 6)}`)}`)).toThrow('action 6: queues 0 to 5');
    const context = rules().replace('Direct to queue 3', 'Direct to RSS context id 1');
    expect(() => policy(`rss:ethtool=${file(`${shown}${context}`)}`)).toThrow(
      'a flow rule uses an RSS context',
    );
  });

  it('what it does not say is assumed, and said so', () => {
    const assumed = (text: string) =>
      ((parsePolicy(text) as RssSpec).assumed ?? []).flatMap(({ types }) => types);
    const path = file(`${shown}${tcp4}`);
    expect(assumed(`rss:ethtool=${path}`)).toEqual(['udp-ipv4', 'udp-ipv6', 'tcp-ipv6']);
    expect(assumed(`rss:ethtool=${path},types=ipv4`)).toEqual([]);
    const all = ['tcp', 'udp'].flatMap((transport) =>
      ['4', '6'].map((version) =>
        tcp4.replace('TCP', transport.toUpperCase()).replace('IPV4', `IPV${version}`),
      ),
    );
    expect(parsePolicy(`rss:ethtool=${file(shown + all.join(''))}`)).not.toHaveProperty('assumed');
    expect(() => parsePolicy(`rss:ethtool=${file(udp4)}`)).toThrow('the output of ethtool -x DEV is missing');
    expect(parsePolicy(`rss:ethtool=${file(udp4)},key=mlx5,queues=2`)).toMatchObject({ queues: 2 });
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
