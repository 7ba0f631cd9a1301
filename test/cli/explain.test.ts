import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { ethernet, ipv4, ipv6, tcp, udp } from '#rxsteer/packet/build.js';
import { rxsteer } from './run.js';

const directory = mkdtempSync(join(tmpdir(), `rxsteer-explain-${process.pid}-`));
afterAll(() => rmSync(directory, { recursive: true, force: true }));

async function explain(args: string[]): Promise<Record<string, unknown>> {
  const { code, stdout, stderr } = await rxsteer(['explain', ...args, '--json']);
  expect([code, stderr]).toEqual([0, '']);
  return JSON.parse(stdout) as Record<string, unknown>;
}

const key = '6d5a56da255b0ec24167253d43a38fb0d0ca2bcbae7b30b477cb2da38030f20c6a42b73bbeac01fa';

/** A pcap file with these frames. */
function capture(frames: readonly Uint8Array[]): string {
  const header = Buffer.alloc(24);
  header.writeUInt32LE(0xa1b2c3d4, 0);
  header.writeUInt16LE(2, 4);
  header.writeUInt16LE(4, 6);
  header.writeUInt32LE(65535, 16);
  header.writeUInt32LE(1, 20);
  const records = frames.map((frame, i) => {
    const record = Buffer.alloc(16);
    record.writeUInt32LE(i, 0);
    record.writeUInt32LE(frame.length, 8);
    record.writeUInt32LE(frame.length, 12);
    return Buffer.concat([record, frame]);
  });
  const path = join(directory, `${frames.length}.pcap`);
  writeFileSync(path, Buffer.concat([header, ...records]));
  return path;
}

describe('rxsteer explain', () => {
  it('gives what the contract says', async () => {
    const result = await explain([
      '--policy',
      'rss:nic=ixgbe-82599,queues=16,key=microsoft',
      '--workers',
      '1',
      '--flow',
      'tcp 66.9.149.187:2794 > 161.142.100.80:1766',
    ]);
    expect(result).toEqual({
      packet: {
        length: 60,
        ethertype: '0x0800',
        vlans: [],
        src: '66.9.149.187',
        dst: '161.142.100.80',
        protocol: 6,
        sport: 2794,
        dport: 1766,
        fragment: false,
      },
      hash: {
        function: 'toeplitz',
        type: 'tcp-ipv4',
        input: '420995bba18e64500aea06e6',
        key,
        init: '0x00000000',
        value: '0x51ccc178',
      },
      bucket: 120,
      queue: 8,
      worker: 0,
      reason: 'tcp-ipv4 is enabled: addresses and ports hashed; 0x51ccc178 & 127 = bucket 120 -> queue 8',
    });
  });

  it('IPv6 in brackets, VLAN, MAC addresses', async () => {
    const result = await explain([
      '--policy',
      'mac-hash',
      '--flow',
      'udp [3FFE:2501:200:1fff::7]:2794 > [3ffe:2501:200:3::1]:1766',
      '--vlan',
      '100',
      '--dst-mac',
      '52:54:00:00:00:01',
    ]);
    expect(result).toMatchObject({
      packet: {
        vlans: [100],
        src: '3ffe:2501:200:1fff::7',
        dst: '3ffe:2501:200:3::1',
        sport: 2794,
        protocol: 17,
      },
      hash: { function: 'toeplitz', type: 'none', input: '525400000001' },
      worker: 0,
    });
  });

  it('icmp and ip have no ports; absent values are null', async () => {
    const args = ['--policy', 'rps:cpus=0-3,hash=toeplitz', '--flow'];
    expect(await explain([...args, 'icmp 192.0.2.1 > 192.0.2.2'])).toMatchObject({
      packet: { protocol: 1, sport: null, dport: null },
      hash: { type: 'ipv4' },
      queue: null,
    });
    expect(await explain([...args, 'icmp [2001:db8::1] > [2001:db8::2]'])).toMatchObject({
      packet: { protocol: 58 },
    });
    expect(await explain([...args, 'ip 192.0.2.1 > 192.0.2.2'])).toMatchObject({ packet: { protocol: 253 } });
    expect(await explain([...args, 'sctp 192.0.2.1:1 > 192.0.2.2:2'])).toMatchObject({
      packet: { protocol: 132, sport: 1 },
    });
    expect(
      await explain(['--policy', 'round-robin', '--workers', '2', '--flow', 'ip 192.0.2.1 > 192.0.2.2']),
    ).toMatchObject({
      hash: null,
      bucket: null,
      queue: null,
      worker: 0,
    });
  });

  it('a frame in hex', async () => {
    const frame = ethernet(
      {},
      ipv4({ src: '192.0.2.1', dst: '192.0.2.2', moreFragments: true }, udp({ sport: 1, dport: 2 }, 8)),
    );
    const result = await explain(['--policy', 'rss:queues=4', '--frame', Buffer.from(frame).toString('hex')]);
    expect(result).toMatchObject({
      packet: { length: frame.length, fragment: true, sport: null },
      hash: { type: 'ipv4' },
    });
    expect(result.reason).toMatch(
      /^a fragment has no ports to rely on, so ipv4: addresses hashed; 0x[0-9a-f]{8} & 127 = bucket \d+ -> queue \d$/,
    );
    const arp = await explain(['--policy', 'rss:queues=4', '--frame', 'ffffffffffff0200000000010806']);
    expect(arp).toMatchObject({
      packet: { ethertype: '0x0806', src: null, protocol: null },
      hash: null,
      bucket: null,
      queue: 0,
      reason: 'not an IP packet, so no type applies -> default queue 0',
    });
  });

  it('the n-th packet of a capture, after those before it', async () => {
    const guest = (n: number) => `52:54:00:00:00:0${n}`;
    const packet = ipv4({ src: '192.0.2.1', dst: '192.0.2.2' }, tcp({ sport: 1, dport: 2 }));
    const learning = Array.from({ length: 70 }, (_, n) =>
      ethernet({ src: guest(n % 3), dst: 'ff:ff:ff:ff:ff:ff' }, packet),
    );
    const file = capture([
      ...learning,
      ethernet({ src: guest(0), dst: guest(2) }, packet),
      ethernet({}, ipv6({ src: '::1', dst: '::2' }, '')),
    ]);
    const args = ['--policy', 'mac', '--workers', '3', '--capture', file, '--packet'];
    expect(await explain([...args, '71'])).toMatchObject({
      worker: 2,
      reason: '52:54:00:00:00:02 is owned by worker 2 (the least loaded when it was learned)',
    });
    expect(await explain([...args, '1'])).toMatchObject({
      worker: 0,
      reason: 'broadcast -> owner of port 0, worker 0',
    });
    expect(await explain([...args, '72'])).toMatchObject({
      packet: { src: '::1', dst: '::2', protocol: 59 },
    });
    expect(
      await explain(['--policy', 'round-robin', '--workers', '7', '--capture', file, '--packet', '71']),
    ).toMatchObject({ worker: 0 });
    expect(await rxsteer(['explain', ...args, '73'])).toMatchObject({
      code: 2,
      stderr: `rxsteer: --packet 73: ${file} has 72 packets\n`,
    });
  });

  it('text for people', async () => {
    const { stdout } = await rxsteer([
      'explain',
      '--policy',
      'rss:queues=4',
      '--flow',
      'udp 192.0.2.1:1 > 192.0.2.2:2',
      '--vlan',
      '9',
    ]);
    expect(stdout).toMatch(/^packet {4}60 bytes/);
    expect(stdout).toMatch(/\nfrom {6}192\.0\.2\.1 port 1\n/);
    expect(stdout).toMatch(/\nworker {4}\d\n/);
    expect(stdout).not.toContain('\x1b');
  });

  const flow = ['--flow', 'udp 192.0.2.1:1 > 192.0.2.2:2'];
  it.each([
    [['--policy', 'rss'], 'no packet given: one of --flow, --frame, --capture is needed'],
    [['--policy', 'rss', ...flow, '--frame', '00'], '--flow and --frame given'],
    [[...flow], "required option '--policy <policy>' not specified"],
    [['--policy', 'rsss', ...flow], 'unknown policy "rsss": did you mean rss'],
    [['--policy', 'rps:cpus=0-3', '--workers', '2', ...flow], 'CPU 2 is no worker; workers: 0 to 1'],
    [['--policy', 'rss', '--workers', '0', ...flow], '--workers: "0" is not a whole number from 1 to 1024'],
    [
      ['--policy', 'rss', '--flow', 'tcp 192.0.2.1 > 192.0.2.2:2'],
      '"192.0.2.1" has no port; expected such as',
    ],
    [['--policy', 'rss', '--flow', 'tcp 192.0.2.1:70000 > 192.0.2.2:2'], 'port 70000: ports are 0 to 65535'],
    [['--policy', 'rss', '--flow', 'tcp 192.0.2.1:1 > [::1]:2'], 'one address is IPv4, the other IPv6'],
    [['--policy', 'rss', '--flow', 'tcp ::1:1 > [::1]:2'], '"::1:1" has no port'],
    [
      ['--policy', 'rss', '--flow', 'dccp 192.0.2.1:1 > 192.0.2.2:2'],
      'protocol "dccp" is not one of tcp, udp, sctp, icmp, ip',
    ],
    [['--policy', 'rss', '--flow', 'icmp 192.0.2.1:1 > 192.0.2.2'], 'no port is wanted here'],
    [['--policy', 'rss', '--flow', 'nonsense'], '"nonsense" is not a flow'],
    [['--policy', 'rss', ...flow, '--vlan', '4096'], '--vlan: "4096" is not a whole number from 0 to 4095'],
    [['--policy', 'rss', ...flow, '--src-mac', '1:2'], '--src-mac: "1:2" is not a MAC address'],
    [['--policy', 'rss', ...flow, '--packet', '1'], '--packet: goes with --capture only'],
    [['--policy', 'rss', '--frame', ''], '--frame: 0 bytes; 1 to 65557 are permitted'],
    [['--policy', 'rss', '--frame', '00', '--vlan', '1'], '--vlan: goes with --flow only'],
    [['--policy', 'rss', '--capture', '/does/not/exist', '--packet', '1'], '/does/not/exist: no such file'],
    [
      ['--policy', 'rss', '--capture', '/dev/null', '--packet', '0'],
      '--packet: "0" is not a whole number from 1',
    ],
  ])('%j is refused', async (args, message) => {
    const { code, stdout, stderr } = await rxsteer(['explain', ...args]);
    expect([code, stdout]).toEqual([2, '']);
    expect(stderr).toMatch(/^rxsteer: [^\n]+\n$/);
    expect(stderr).toContain(message);
  });
});
