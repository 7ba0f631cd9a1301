/** `rxsteer doctor` as it is called. */

import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { FakeHost } from '../host/fake-host.js';
import { rxsteer, spawnProgram } from './run.js';

const folder = mkdtempSync(join(tmpdir(), 'rxsteer-doctor-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** Writes a made host as a tree. */
function written(host: FakeHost, name: string): string {
  const root = join(folder, name);
  host.source();
  for (const [path, text] of host.files) {
    mkdirSync(dirname(join(root, path)), { recursive: true });
    writeFileSync(join(root, path), text);
  }
  for (const [path, target] of host.links) {
    mkdirSync(dirname(join(root, path)), { recursive: true });
    symlinkSync(target, join(root, path));
  }
  return root;
}

/** A NIC that cannot place flows itself. */
const healthy = () => new FakeHost().nic('eth0', { ethtool: { features: {} } });
const broken = () => healthy().set('/proc/sys/net/core/rps_sock_flow_entries', '32768');

const roots = { healthy: '', broken: '' };
beforeAll(() => {
  roots.healthy = written(healthy(), 'healthy');
  roots.broken = written(broken(), 'broken');
});

async function json(args: readonly string[]) {
  const { stdout, code } = await rxsteer(['doctor', ...args, '--json']);
  process.exitCode = 0;
  return { code, document: JSON.parse(stdout) };
}

describe('rxsteer doctor', () => {
  it('has the fields of the contract', async () => {
    const { code, document } = await json(['--root', roots.broken, '--role', 'server']);
    expect(code).toBe(1);
    expect(document).toMatchObject({ role: 'server', checked: 63, unknown: expect.any(Array) });
    expect(document.findings).toEqual([
      {
        id: 'rfs-half',
        severity: 'E',
        subject: 'host',
        why: expect.any(String),
        evidence: expect.any(Object),
        fix: expect.arrayContaining(['echo 4096 > /sys/class/net/eth0/queues/rx-0/rps_flow_cnt']),
        undo: expect.arrayContaining(['echo 0 > /sys/class/net/eth0/queues/rx-0/rps_flow_cnt']),
        persistent: expect.any(Array),
        undoneBy: [],
        reference: 'docs/doctor.md#rfs-half',
      },
    ]);
  });

  it('exits by --fail-on', async () => {
    expect((await json(['--root', roots.healthy])).code).toBe(0);
    const idle = written(healthy().set('/sys/class/net/eth0/queues/tx-5/xps_cpus', '00'), 'hole');
    expect((await json(['--root', idle])).code).toBe(0);
    expect((await json(['--root', idle, '--fail-on', 'W'])).code).toBe(1);
  });

  it('reads archives, also with one folder around', async () => {
    const tree = await json(['--root', roots.broken]);
    for (const [name, args] of [
      ['flat.tar', ['-cf', 'flat.tar', '-C', roots.broken, '.']],
      ['packed.tar.gz', ['-czf', 'packed.tar.gz', '-C', roots.broken, '.']],
      ['around.tar.gz', ['-czf', 'around.tar.gz', 'broken']],
    ] as const) {
      execFileSync('tar', args, { cwd: folder });
      expect(await json(['--root', join(folder, name)])).toEqual(tree);
    }
  });

  it('prints the facts of the contract', async () => {
    const { document } = await json(['--root', roots.healthy, '--facts']);
    expect(document).toMatchObject({
      cpus: { possible: 8, online: [0, 1, 2, 3, 4, 5, 6, 7], isolated: [] },
      nodes: [{ id: 0, cpus: [0, 1, 2, 3, 4, 5, 6, 7] }],
      devices: [
        {
          name: 'eth0',
          driver: 'ice',
          node: 0,
          queues: { rx: 8, tx: 8 },
          irqs: expect.arrayContaining([
            expect.objectContaining({ irq: 45, action: 'eth0-TxRx-5', queue: 5, cpus: [5] }),
          ]),
          rps: expect.arrayContaining([{ queue: 3, cpus: [] }]),
          xps: expect.arrayContaining([{ queue: 3, cpus: [3] }]),
          rfs: expect.arrayContaining([{ queue: 3, entries: 0 }]),
        },
      ],
      guests: [],
    });
    expect(document.softnet[2]).toEqual({
      cpu: 2,
      processed: 1001000,
      dropped: 0,
      squeezed: 0,
      ipis: 0,
      flowLimit: 0,
    });
  });

  it('writes a script that fixes and takes back', async () => {
    const script = join(folder, 'fix.sh');
    await rxsteer(['doctor', '--root', roots.broken, '--fix-script', script]);
    process.exitCode = 0;
    const text = readFileSync(script, 'utf8');
    execFileSync('sh', ['-n', script]);
    // Run on the tree, where the paths are those of files that are there.
    const onTree = join(folder, 'on-tree.sh');
    writeFileSync(onTree, text.replaceAll('> /sys', `> ${roots.broken}/sys`).replaceAll('sysctl', 'true'));
    execFileSync('sh', [onTree]);
    expect((await json(['--root', roots.broken])).document.findings).toEqual([]);
    execFileSync('sh', [onTree, 'undo']);
    expect((await json(['--root', roots.broken])).document.findings).toMatchObject([{ id: 'rfs-half' }]);
  });

  it('says what a fix would bring, and writes what was simulated', async () => {
    const piled = written(
      new FakeHost(4).nic('eth0', { queues: 4, cpus: [0, 0, 0, 0], driver: 'ixgbe' }),
      'piled',
    );
    const scenarios = join(folder, 'scenarios');
    const { document } = await json(['--root', piled, '--scenario', scenarios]);
    const { simulated } = document.findings.find(({ id }: { id: string }) => id === 'irq-pileup');
    expect(simulated).toMatchObject({
      costs: expect.stringContaining('modern'),
      loads: [
        { load: 'limit', unit: expect.stringContaining('/s'), before: { limit: expect.any(Object) } },
        { load: 'now', gain: null },
      ],
      assumed: expect.any(Array),
    });
    expect(simulated.loads[0].gain).toBeGreaterThan(1.5);
    for (const part of ['before', 'after']) {
      const file = join(scenarios, `1-irq-pileup-limit-${part}.yaml`);
      const again = JSON.parse((await rxsteer(['simulate', file, '--json', '--no-limit'])).stdout);
      expect(again.digest).toBe(simulated.loads[0][part].digest);
      expect(again.results[0].throughput.value).toBe(simulated.loads[0][part].perSecond);
    }
    const script = join(folder, 'expect.sh');
    const text = (await rxsteer(['doctor', '--root', piled, '--fix-script', script])).stdout;
    expect(text).toMatch(/^ {3}expect simulated at the limit: [\d.]+ -> [\d.]+ k /m);
    expect(readFileSync(script, 'utf8')).toMatch(/^ {2}# expect: simulated at the limit: /m);
    const [bare, asked] = [await json(['--root', piled]), await json(['--root', piled, '--simulate'])];
    expect(bare.document.findings[0]).not.toHaveProperty('simulated');
    expect(asked.document.findings[0]).toMatchObject({ simulated: { loads: simulated.loads } });
    expect((await rxsteer(['doctor', '--root', piled, '--no-simulate'])).stdout).not.toContain('simulated');
    process.exitCode = 0;
  });

  it('compares with an older collection', async () => {
    const { document } = await json(['--root', roots.broken, '--diff', roots.healthy]);
    expect(document.diff).toMatchObject({ added: [{ id: 'rfs-half' }], gone: [], changed: [] });
    const back = await json(['--root', roots.healthy, '--diff', roots.broken]);
    expect(back.document.diff).toMatchObject({ added: [], gone: [{ id: 'rfs-half' }] });
    const text = (await rxsteer(['doctor', '--root', roots.healthy, '--diff', roots.broken])).stdout;
    expect(text).toMatch(/^- E {2}rfs-half {2}host$/m);
  });

  it('speaks of the devices that are named', async () => {
    const two = written(
      healthy().nic('eth1', { firstIrq: 80, entries: Array.from({ length: 128 }, () => 0) }),
      'two',
    );
    const ids = async (...args: string[]) =>
      (await json([...args, '--root', two])).document.findings.map(
        ({ subject }: { subject: string }) => subject,
      );
    expect(await ids()).toEqual(['eth1']);
    expect(await ids('eth1')).toEqual(['eth1']);
    expect(await ids('eth0')).toEqual([]);
  });

  it.each([
    [['eth7'], 'unknown device "eth7": did you mean eth0? known: eth0'],
    [['--role', 'servr'], 'unknown role "servr": did you mean server?'],
    [['--fail-on', 'X'], '--fail-on X: expected E, W or I'],
    [['--sample', 'x'], '--sample x: expected seconds from 0 to 3600'],
    [['--anonymous'], '--anonymous belongs to --collect FILE'],
    [['--collect', 'x.tar.gz'], '--collect packs the running host: leave out --root'],
    [['--no-simulate', '--scenario', 'x'], '--scenario: leave out --no-simulate'],
    [['--costs', 'modrn'], 'unknown set of costs "modrn": did you mean modern?'],
    [['--fix-script', '/nowhere/x'], '--fix-script /nowhere/x: there is no folder /nowhere'],
  ])('refuses %j', async (args, message) => {
    const { code, stdout, stderr } = await rxsteer(['doctor', '--root', roots.healthy, ...args]);
    expect([code, stdout]).toEqual([2, '']);
    expect(stderr).toContain(`rxsteer: ${message}`);
    expect(stderr.trim().split('\n')).toHaveLength(1);
  });

  it('refuses what is no collection', async () => {
    const text = join(folder, 'text');
    writeFileSync(text, 'no archive\n'.repeat(200));
    for (const [root, message] of [
      [text, 'no tar archive'],
      [`${folder}/none`, 'ENOENT'],
      [join(roots.healthy, 'sys/class'), 'neither proc nor sys in it'],
    ] as const) {
      const { code, stderr } = await rxsteer(['doctor', '--root', root]);
      expect(code).toBe(2);
      expect(stderr).toContain(message);
    }
  });

  it('never follows links out of a tree', async () => {
    const root = written(new FakeHost(), 'links');
    symlinkSync('/../../../../proc/self/environ', join(root, 'proc/uptime2'));
    rmSync(join(root, 'proc/cmdline'));
    symlinkSync('/etc/hostname', join(root, 'proc/cmdline'));
    rmSync(join(root, 'proc/sys/kernel/osrelease'));
    symlinkSync('../../../../../../../../etc/hostname', join(root, 'proc/sys/kernel/osrelease'));
    const { document } = await json(['--root', root, '--facts']);
    expect(document.kernel).toBeNull();
  });

  it('prints one screen a finding at most, and the unknown', async () => {
    const { stdout } = spawnProgram(['doctor', '--root', roots.broken]);
    const finding = stdout.split('\n\n').find((part) => part.startsWith('E  rfs-half'))!;
    expect(finding.split('\n').length).toBeLessThan(25);
    expect(stdout).toContain('1 broken (E)');
  });
});
