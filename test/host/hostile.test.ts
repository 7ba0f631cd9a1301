/** Collections and command lines that somebody made on purpose: nothing runs, nothing hangs, nothing is told that is not so. */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import fc from 'fast-check';
import { afterAll, describe, expect, it } from 'vitest';
import { reportText } from '#rxsteer/cli/doctor-report.js';
import { hasControl } from '#rxsteer/errors.js';
import { diagnose } from '#rxsteer/host/doctor.js';
import { fixScript } from '#rxsteer/host/fix-script.js';
import { parseCpuList } from '#rxsteer/host/lists.js';
import { quoted } from '#rxsteer/host/remedy.js';
import { archiveLookup } from '#rxsteer/host/source/archive.js';
import { openTree } from '#rxsteer/host/source/open.js';
import { type Node, TreeSource } from '#rxsteer/host/source/tree.js';
import { Header, Pax } from '#rxsteer/vendor/tar.js';
import { FakeHost } from './fake-host.js';

const folder = mkdtempSync(join(tmpdir(), 'rxsteer-hostile-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const sh = (script: string) => execFileSync('sh', ['-c', script], { encoding: 'utf8' });

/** Names that a process, a card or a collection may bear. */
const NAMES = [
  'a\ntouch /tmp/pwned',
  'a\x1b[2Jb',
  '$(touch /tmp/pwned)',
  "a'; touch /tmp/pwned; '",
  'a" `id` $HOME \\n %s',
  '-rf',
  'a\u202eb\x9bc',
];

describe('words of a shell', () => {
  it('stay one word each, on one line', () => {
    const words = NAMES.map(quoted);
    expect(words.filter(hasControl)).toEqual([]);
    expect(sh(`printf '%s\\0' ${words.join(' ')}`)).toBe(NAMES.map((name) => `${name}\0`).join(''));
  });
});

describe('scripts', () => {
  /** Every check that names a guest, a card or a device in a command or in advice. */
  const wrong = (name: string, mac: string) => {
    const host = new FakeHost(8, 2)
      .nic('eth0', { queues: 4 })
      .bridge('br0')
      .port('br0', 'eth0')
      .tap('vnet0', 'br0');
    host.guest(name, 'vnet0', {
      vcpu: 6,
      vhost: 1,
      vcpuAllowed: '6',
      words: [
        '-name',
        name,
        '-netdev',
        'tap,id=n,ifname=vnet0,vhost=on',
        '-device',
        `virtio-net-pci,netdev=n,mac=${mac}`,
      ],
    });
    for (let queue = 0; queue < 4; queue++) host.set(`/sys/class/net/eth0/queues/rx-${queue}/rps_cpus`, 'ff');
    return host;
  };

  it.each(NAMES)('a guest called %j runs nothing', async (name) => {
    const diagnosis = diagnose(await wrong(name, '52:54:00:00:00:01').read());
    expect(diagnosis.findings.map(({ id }) => id)).toEqual(
      expect.arrayContaining(['vm-flow-steering', 'cpu-mismatch']),
    );
    const script = fixScript(diagnosis, 'here');
    const body = script.split('fix() {\n')[1]!.split('\n}\nundo() {')[0]!;
    for (const line of body.split('\n'))
      expect(line).toMatch(/^ {2}(#|echo \S+ > |ethtool |sysctl |taskset |:$)/);
  });

  it('take no command for an address', async () => {
    const diagnosis = diagnose(await wrong('vm', '$(touch /tmp/pwned)').read());
    expect(JSON.stringify(diagnosis.findings.map(({ fix }) => fix))).not.toContain('pwned');
  });

  it('a setting of a collection that is no number is a word', async () => {
    const host = new FakeHost(8).nic('eth0', { queues: 8 });
    host.ethtool('eth0', { fields: { tcp4: 'sdfn', udp4: 's d;touch x', udp6: 'sd' } }).snmp(60_000, 40_000);
    const { findings } = diagnose(await host.read());
    const { undo } = findings.find(({ id }) => id === 'udp-addresses-only')!;
    expect(undo.join('\n')).toContain("'d;touch'");
  });
});

describe('reports', () => {
  it.each(NAMES)('of %j have the lines that they would have', async (name) => {
    const report = async (guest: string) => {
      const host = new FakeHost(8, 2)
        .nic('eth0', { queues: 1 })
        .bridge('br0')
        .port('br0', 'eth0')
        .tap('vnet0', 'br0');
      host.guest(guest, 'vnet0', { vcpu: 6, vhost: 1, words: ['-name', guest] });
      const read = await host.read();
      return reportText(read, diagnose(read)).split('\n');
    };
    const lines = await report(name);
    expect(lines).toHaveLength((await report('plain')).length);
    expect(lines.some(hasControl)).toBe(false);
  });
});

describe('trees', () => {
  const tree = (nodes: Readonly<Record<string, Node>>) =>
    new TreeSource('tree', (path) => nodes[path] ?? null);
  const dir: Node = { kind: 'folder', names: () => [] };
  const link = (target: string): Node => ({ kind: 'link', target });
  const file = (text: string): Node => ({ kind: 'file', text: () => text });

  it('with links that double end', () => {
    const nodes: Record<string, Node> = { '/': dir, '/end': file('x') };
    for (let i = 0; i < 60; i++) nodes[`/l${i}`] = link(`l${i + 1}/../l${i + 1}/..//l${i + 1}`);
    expect(tree(nodes).read('/l0/end')).toHaveProperty('unknown');
  });

  it('with a way of a million parts end', () => {
    expect(
      tree({ '/': dir, '/a': link('./'.repeat(1e6)), '/b': link('x/../'.repeat(500)) }).resolve('/a'),
    ).toBeNull();
    expect(tree({ '/': dir, '/x': dir, '/b': link('x/../'.repeat(500)) }).resolve('/b')).toBe('/');
  });

  it('with links in a circle, to themselves, and out', () => {
    const source = tree({
      '/': dir,
      '/a': link('b'),
      '/b': link('a'),
      '/self': link('self'),
      '/out': link('../../../../etc/passwd'),
      '/etc': dir,
      '/etc/passwd': file('inside'),
    });
    expect(source.resolve('/a')).toBeNull();
    expect(source.resolve('/self')).toBeNull();
    expect(source.read('/out')).toBe('inside');
  });
});

describe('lists of CPUs', () => {
  it('that name CPUs again and again take no time', () => {
    expect(parseCpuList('0-65535,'.repeat(100_000).slice(0, -1))).toBeNull();
    expect(parseCpuList('0-65535')).toHaveLength(65536);
    expect(parseCpuList(Array.from({ length: 32768 }, (_, i) => 2 * i).join(','))).toHaveLength(32768);
  });
});

interface Member {
  readonly path: string;
  readonly text?: string;
  readonly type?: 'File' | 'Directory' | 'SymbolicLink' | 'Link' | 'CharacterDevice' | 'FIFO';
  readonly linkpath?: string;
}

/** An archive as somebody else's program would write it. */
function archive(members: readonly Member[]): Buffer {
  const parts = members.flatMap(({ path, text = '', type = 'File', linkpath }) => {
    const bytes = Buffer.from(text);
    const data = {
      ...{ path, type, size: bytes.length, mode: 0o644, mtime: new Date(0) },
      ...(linkpath === undefined ? {} : { linkpath }),
    };
    const header = new Header(data);
    const pax = header.encode() ? [new Pax(data).encode()] : [];
    return [...pax, header.block!, bytes, Buffer.alloc((512 - (bytes.length % 512)) % 512)];
  });
  return Buffer.concat([...parts, Buffer.alloc(1024)]);
}

describe('archives', () => {
  const written = (bytes: Uint8Array) => {
    const path = join(folder, 'a.tar.gz');
    writeFileSync(path, bytes);
    return path;
  };

  it('have members of every kind, and none leads out', async () => {
    const source = await openTree(
      written(
        gzipSync(
          archive([
            { path: 'proc/version', text: 'Linux version 6.1.0' },
            { path: '/proc/abs', text: 'absolute' },
            { path: '../../../etc/passwd', text: 'out' },
            { path: 'proc/../../../etc/shadow', text: 'out' },
            { path: 'sys/link', type: 'SymbolicLink', linkpath: '../../../../../etc/passwd' },
            { path: 'sys/hard', type: 'Link', linkpath: '../../../proc/version' },
            { path: 'sys/loop', type: 'SymbolicLink', linkpath: 'loop' },
            { path: 'sys/null', type: 'CharacterDevice' },
            { path: 'sys/pipe', type: 'FIFO' },
            { path: 'sys/name\nwith\x1b[2J', text: 'x' },
            { path: `sys/${'d/'.repeat(2100)}f`, text: 'deep' },
          ]),
        ),
      ),
      '--root',
    );
    expect(source.read('/proc/version')).toBe('Linux version 6.1.0');
    expect(source.read('/proc/abs')).toBe('absolute');
    expect(source.read('/sys/hard')).toBe('Linux version 6.1.0');
    for (const path of ['/etc/passwd', '/etc/shadow', '/sys/link', '/sys/loop'])
      expect(source.read(path), path).toHaveProperty('unknown');
  });

  it('of several hosts are not guessed', async () => {
    const path = written(
      archive([{ path: 'a/proc/stat', text: 'x' }, { path: 'b/sys/x', text: 'x' }, { path: 'c/d' }]),
    );
    await expect(openTree(path, '--root x')).rejects.toThrow(
      '--root x: several hosts in it: name one, such as a or b',
    );
  });

  it('that are cut off, packed otherwise, or no archive are one line', () => {
    const whole = gzipSync(archive([{ path: 'proc/version', text: 'x'.repeat(5000) }]));
    const plain = archive([{ path: 'proc/version', text: 'x'.repeat(5000) }]);
    for (const [bytes, why] of [
      [whole.subarray(0, 40), /cut off/],
      [plain.subarray(0, 1024), /no tar archive|without files/],
      [Buffer.from('fd377a585a000004', 'hex'), /packed by xz.*xz -d/],
      [Buffer.from('28b52ffd2400', 'hex'), /packed by zstd/],
      [Buffer.from('425a6839', 'hex'), /packed by bzip2/],
      [Buffer.from([0x1f, 0x8b, 1, 2, 3]), /: \S/],
      [Buffer.alloc(0), /no tar archive|without files/],
      [Buffer.alloc(4096, 0xff), /no tar archive/],
    ] as const) {
      expect(() => archiveLookup(written(bytes), '--root x')).toThrow(why);
    }
  });

  it('of any bytes are read or refused in one line', () => {
    const good = archive([
      { path: 'proc/version', text: 'Linux' },
      { path: 'sys/a', text: 'b' },
    ]);
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.nat(good.length - 1), fc.nat(255)), { maxLength: 8 }), (changes) => {
        const bytes = Buffer.from(good);
        for (const [at, value] of changes) bytes[at] = value;
        const path = written(bytes);
        try {
          archiveLookup(path, '--root x');
        } catch (error) {
          expect((error as Error).name).toBe('UserError');
          expect((error as Error).message).toMatch(/^--root x: .+$/);
        }
      }),
      { numRuns: 60 },
    );
  });
});

describe('numbers that no device has', () => {
  it.each([
    ['channels', { rx: 0, tx: 0, combined: 4294967295, maxRx: 0, maxTx: 0, maxCombined: 2 ** 52 }],
    ['rss', { entries: [0, 4294967295], key: null, function: null, symmetric: 'none' }],
    ['rss', { entries: [0, 1], key: 'zz', function: null, symmetric: 'none' }],
    ['rules', [{ location: 1, queue: 2 ** 40, context: null, contextExists: null }]],
  ])('%s %j are unknown', async (name, value) => {
    const host = new FakeHost(4).nic('eth0', { queues: 4 }).ethtool('eth0', { [name]: value });
    const read = await host.read();
    const { unknown } = diagnose(read);
    expect(unknown.filter(({ subject }) => subject === 'the check itself')).toEqual([]);
    expect(JSON.stringify(read.devices[0])).toContain(`${name}: not what the doctor writes`);
  });

  it('counters beyond 2^53 are no load', async () => {
    const host = new FakeHost(4).nic('eth0', { queues: 4 });
    host.set('/sys/class/net/eth0/statistics/rx_packets', '18446744073709551615');
    const { unknown } = diagnose(await host.read());
    expect(unknown.filter(({ subject }) => subject === 'the check itself')).toEqual([]);
  });

  it('a machine of 65536 CPUs is read in its time', async () => {
    const host = new FakeHost(4).nic('eth0', { queues: 4 });
    for (const name of ['possible', 'online']) host.set(`/sys/devices/system/cpu/${name}`, '0-65535');
    host.set('/sys/devices/system/node/node0/cpulist', '0-65535');
    const read = await host.read();
    const { unknown } = diagnose(read);
    expect(unknown.filter(({ subject }) => subject === 'the check itself')).toEqual([]);
    // Eight masks of so many CPUs are 150 kB.
    expect(reportText(read, diagnose(read)).length).toBeLessThan(200_000);
  });
});
