/** The running kernel as oracle, and the proof that nothing is changed. */
import { execFile, execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, describe, expect, it } from 'vitest';
import { loadNative } from '#rxsteer/addon/native.js';
import { UNPRIVILEGED } from '../cli/run-cli.js';
import { installed, privileged } from '../support/lab.js';

const run = promisify(execFile);
const main = fileURLToPath(import.meta.resolve('#rxsteer/cli/main.js'));
const folder = mkdtempSync(join(tmpdir(), 'rxsteer-live-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** Exit code 1 means findings: no failure. */
async function doctor(before: readonly string[], ...args: readonly string[]) {
  const words = [...before, process.execPath, main, 'doctor', ...args];
  const { stdout } = await run(words[0]!, words.slice(1), { maxBuffer: 1 << 26 }).catch((error) => {
    if (error.code === 1) return error as { stdout: string };
    throw error;
  });
  return stdout;
}

/** A namespace with a veth whose queues are set, and a tap that this script holds twice. */
const LAB = `
import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
const sh = (line) => execFileSync('sh', ['-c', line], { encoding: 'utf8' });
sh('ip link add v0 numrxqueues 2 numtxqueues 2 type veth peer name v1 numrxqueues 2 numtxqueues 2');
// Not every kernel has every kind.
const has = (line) => {
  try {
    sh(line + ' 2>/dev/null');
    return true;
  } catch {
    return false;
  }
};
const bridge = has('ip link add br7 type bridge') && has('ip link set v0 master br7');
const vlan = has('ip link add link v1 name v1.7 type vlan id 7');
const at = '/sys/class/net/v0/queues';
writeFileSync(at + '/rx-1/rps_cpus', '2');
writeFileSync(at + '/rx-0/rps_flow_cnt', '300');
writeFileSync(at + '/tx-1/xps_cpus', '3');
const { loadNative } = await import(process.argv[2]);
const tap = loadNative();
const words = process.argv.slice(3);
tap.openTap({ name: 'tap7', queues: 2, offload: false });
const facts = JSON.parse(execFileSync(process.execPath, [...words, '--facts', '--json'], { encoding: 'utf8' }));
const kernel = Object.fromEntries(['rx-0/rps_cpus', 'rx-1/rps_cpus', 'rx-0/rps_flow_cnt', 'tx-1/xps_cpus'].map((file) => [file, readFileSync(at + '/' + file, 'utf8').trim()]));
process.stdout.write(JSON.stringify({ facts, kernel, bridge, vlan, pid: process.pid, flags: Number(readFileSync('/sys/class/net/tap7/tun_flags', 'utf8')) }));
`;

describe.skipIf(!privileged() || loadNative() === null)('in a network namespace', () => {
  it('facts are what the kernel has', async () => {
    const script = join(folder, 'lab.mjs');
    const native = import.meta.resolve('#rxsteer/addon/native.js');
    execFileSync('sh', ['-c', 'cat > "$0"', script], { input: LAB });
    const inside = 'mount -t sysfs sysfs /sys && exec "$0" "$@"';
    const { stdout } = await run('unshare', [
      ...['-n', '-m', 'sh', '-c', inside, process.execPath, script, native, main, 'doctor'],
    ]);
    const { facts, kernel, bridge, vlan, pid, flags } = JSON.parse(stdout);
    const device = (name: string) => facts.devices.find((one: { name: string }) => one.name === name);
    const v0 = device('v0');
    expect(kernel['rx-0/rps_flow_cnt']).toBe('512');
    expect(v0.queues).toEqual({ rx: 2, tx: 2 });
    expect(v0.rps).toEqual([
      { queue: 0, cpus: [] },
      { queue: 1, cpus: [1] },
    ]);
    expect(v0.rfs[0]).toEqual({ queue: 0, entries: 512 });
    expect(v0.xps[1]).toEqual({ queue: 1, cpus: [0, 1] });
    expect(v0.master).toBe(bridge ? 'br7' : null);
    if (bridge) expect(device('br7')).toMatchObject({ kind: 'bridge', lower: ['v0'] });
    if (vlan) expect(device('v1.7')).toMatchObject({ kind: 'vlan', lower: ['v1'] });
    expect(device('tap7')).toMatchObject({ kind: 'tap', tunFlags: flags });
    // Processes of other namespaces are seen too.
    expect(facts.tapHolders).toContainEqual({ pid, name: 'tap7', queues: 2 });
  }, 120_000);
});

describe.skipIf(process.platform !== 'linux')('on this host', () => {
  it('counters and interrupts are those of /proc', async () => {
    const lines = () => readFileSync('/proc/net/softnet_stat', 'utf8').trim().split('\n');
    const before = lines().map((line) => Number.parseInt(line.split(' ')[0]!, 16));
    const facts = JSON.parse(await doctor([], '--facts', '--json'));
    const after = lines().map((line) => Number.parseInt(line.split(' ')[0]!, 16));
    expect(facts.softnet).toHaveLength(before.length);
    facts.softnet.forEach(({ processed }: { processed: number }, i: number) => {
      expect(processed).toBeGreaterThanOrEqual(before[i]!);
      expect(processed).toBeLessThanOrEqual(after[i]!);
    });
    for (const { irqs } of facts.devices) {
      for (const { irq, action, asked } of irqs) {
        expect(readFileSync('/proc/interrupts', 'utf8')).toMatch(new RegExp(`^ *${irq}:.*${action}$`, 'm'));
        const list = readFileSync(`/proc/irq/${irq}/smp_affinity_list`, 'utf8').trim();
        const bits = list.split(',').flatMap((part) => {
          const [from, to] = part.split('-').map(Number) as [number, number | undefined];
          return Array.from({ length: (to ?? from) - from + 1 }, (_, i) => from + i);
        });
        expect(asked).toEqual(bits);
      }
    }
  }, 120_000);

  it('a collection says what the host said', async () => {
    const file = join(folder, 'host.tar.gz');
    const live = JSON.parse(await doctor([], '--collect', file, '--sample', '0.2', '--json'));
    expect(JSON.parse(await doctor([], '--root', file, '--json'))).toEqual(live);
    const hidden = join(folder, 'hidden.tar.gz');
    await doctor([], '--collect', hidden, '--anonymous', '--sample', '0', '--json');
    const text = execFileSync('tar', ['-xzOf', hidden], { encoding: 'latin1', maxBuffer: 1 << 26 });
    const addresses = JSON.parse(await doctor([], '--facts', '--json')).devices.flatMap(
      ({ mac }: { mac: string | null }) => (mac === null || /^(00:)+00$/.test(mac) ? [] : [mac]),
    );
    for (const address of addresses) expect(text).not.toContain(address);
  }, 120_000);

  it.skipIf(!privileged())(
    'nothing is needed to read most, and nothing can be written',
    async () => {
      const ids = (text: string) => JSON.parse(text).findings.map(({ id }: { id: string }) => id);
      const whole = ids(await doctor([], '--sample', '0', '--json'));
      expect(ids(await doctor(UNPRIVILEGED, '--sample', '0', '--json'))).toEqual(whole);
      // Everything read-only, the output but.
      const readOnly =
        'for at in /proc /sys; do mount --bind $at $at && mount -o remount,ro,bind $at || exit 9; done; exec "$0" "$@"';
      expect(ids(await doctor(['unshare', '-m', 'sh', '-c', readOnly], '--sample', '0', '--json'))).toEqual(
        whole,
      );
    },
    120_000,
  );

  it.skipIf(!installed('strace'))(
    'no file is opened to be written, and the kernel is only asked',
    async () => {
      const trace = join(folder, 'trace');
      const calls =
        'open,openat,openat2,creat,ioctl,sendto,sendmsg,unlink,rename,mkdir,chmod,fchmod,mount,sched_setaffinity,setsockopt';
      await doctor(
        ['strace', '-f', '-qq', '-s', '64', '-o', trace, '-e', `trace=${calls}`],
        '--sample',
        '0',
        '--json',
      );
      const lines = readFileSync(trace, 'utf8').split('\n');
      const opened = lines.filter((line) => /\bopen(at2?)?\(/.test(line));
      expect(opened.filter((line) => /"\/(proc|sys|etc)\//.test(line)).length).toBeGreaterThan(50);
      expect(
        opened.filter((line) => /O_WRONLY|O_RDWR|O_CREAT|O_TRUNC/.test(line) && !/"\/dev\/null"/.test(line)),
      ).toEqual([]);
      expect(
        lines.filter((line) => /\b(creat|unlink|rename|mkdir|f?chmod|mount|sched_setaffinity)\(/.test(line)),
      ).toEqual([]);
      const asked = lines.filter((line) => /SIOCETHTOOL/.test(line));
      if (loadNative() !== null) expect(asked.length).toBeGreaterThan(0);
      const sent = lines.filter((line) => /\bsend(to|msg)\(/.test(line));
      // get-family and three dumps, once a reading.
      for (const line of sent) expect(line).toMatch(/NLM_F_REQUEST/);
      expect(sent.length).toBeLessThanOrEqual(12);
    },
    120_000,
  );
});

describe.skipIf(loadNative() === null)('the addon', () => {
  const native = loadNative()!;

  it.each([
    [0x02, 'SSET'],
    [0x0f, 'SCOALESCE'],
    [0x3d, 'SCHANNELS'],
    [0x47, 'SRSSH'],
    [0x32, 'SRXCLSRLINS'],
  ])('refuses command %i (%s)', (command) => {
    const bytes = new Uint8Array(256);
    new DataView(bytes.buffer).setUint32(0, command, true);
    expect(() => native.ethtool('lo', bytes)).toThrow(expect.objectContaining({ code: 'EPERM' }));
  });

  it('refuses a structure that is shorter than what the kernel would write', () => {
    const bytes = new Uint8Array(64);
    const view = new DataView(bytes.buffer);
    view.setUint32(0, 0x1d, true);
    view.setUint32(4, 100, true);
    expect(() => native.ethtool('lo', bytes)).toThrow(expect.objectContaining({ code: 'EINVAL' }));
    expect(() => native.ethtool('lo', new Uint8Array(4))).toThrow(
      expect.objectContaining({ code: 'EINVAL' }),
    );
    expect(() => native.netlink(16, new Uint8Array(4))).toThrow(expect.objectContaining({ code: 'EINVAL' }));
  });
});
