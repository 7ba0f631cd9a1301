/** What a host does with a packet, as a policy: read from made hosts and trees. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import fc from 'fast-check';
import { afterAll, describe, expect, it } from 'vitest';
import { hostSteeringOf, isHostPolicy } from '#rxsteer/host/policy/host-policy.js';
import { rscale } from '#rxsteer/linux/arith.js';
import { flowFrame, parseFlow } from '#rxsteer/packet/flow-text.js';
import { compilePolicy } from '#rxsteer/policy/compile.js';
import { explainFrame } from '#rxsteer/policy/explanation.js';
import { parsePolicy } from '#rxsteer/policy/parse.js';
import { rxsteer } from '../../cli/run.js';
import { FakeHost } from '../fake-host.js';

const folder = mkdtempSync(join(tmpdir(), 'rxsteer-host-policy-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const KEY = '6d5a56da255b0ec24167253d43a38fb0d0ca2bcbae7b30b477cb2da38030f20c6a42b73bbeac01fa';
const RSS = {
  entries: Array.from({ length: 128 }, (_, i) => i % 4),
  key: KEY,
  function: 'toeplitz',
  symmetric: 'none',
};
/** Queue q on CPU 7 - q. */
const nic = () =>
  new FakeHost(8).nic('eth0', { queues: 4, driver: 'xyz', cpus: [7, 6, 5, 4], ethtool: { rss: RSS } });
const rpsOn = (host: FakeHost, queue: number, mask: string) =>
  host.set(`/sys/class/net/eth0/queues/rx-${queue}/rps_cpus`, mask);
const frame = (port: number, protocol = 'tcp') =>
  flowFrame(parseFlow(`${protocol} 192.0.2.1:${port} > 198.51.100.7:80`, 'flow'));
/** The same NIC as a policy of its own. */
const alone = compilePolicy(parsePolicy({ policy: 'rss', queues: 4, key: KEY, entries: RSS.entries }));

describe('host:DEV', () => {
  it('takes the queue of the table and the CPU of its interrupt', async () => {
    const steering = hostSteeringOf(await nic().read(1), 'host:eth0');
    expect([steering.workers, steering.queues, steering.assumed]).toEqual([8, 4, []]);
    fc.assert(
      fc.property(fc.nat(65535), (port) => {
        const { queue, worker, hash } = explainFrame(steering, frame(port));
        const expected = explainFrame(alone, frame(port));
        expect([queue, worker, hash]).toEqual([expected.queue, 7 - expected.queue!, expected.hash]);
      }),
      { numRuns: 50 },
    );
    expect(explainFrame(steering, frame(1)).reason).toMatch(
      /-> queue (\d); queue \1 is received on CPU \d; no RPS on rx-\1$/,
    );
  });

  it('then that of RPS, by the hash that the NIC gave', async () => {
    const host = nic();
    for (let queue = 0; queue < 4; queue++) rpsOn(host, queue, '2c');
    const steering = hostSteeringOf(await host.read(1), 'host:eth0');
    for (let port = 0; port < 40; port++) {
      const { worker, hash } = explainFrame(steering, frame(port));
      expect(worker).toBe([2, 3, 5][rscale(Number(hash!.value), 3)]);
    }
    expect(steering.assumed).toEqual([
      expect.stringMatching(/^the key of the kernel’s own hash is not known/),
    ]);
  });

  it('and leaves packets where they are where RPS names a CPU that is offline', async () => {
    const host = nic().set('/sys/devices/system/cpu/online', '0-1,3-7');
    for (let queue = 0; queue < 4; queue++) rpsOn(host, queue, '4');
    const steering = hostSteeringOf(await host.read(1), 'host:eth0');
    const { worker, queue, reason } = explainFrame(steering, frame(9));
    expect(worker).toBe(7 - queue!);
    expect(reason).toContain('CPU 2, which is offline: it stays on CPU');
  });

  it('spreads by the kernel’s hash where the NIC gives none, and says so', async () => {
    const host = nic().ethtool('eth0', { features: { 'receive-hashing': { on: false, fixed: false } } });
    for (let queue = 0; queue < 4; queue++) rpsOn(host, queue, '3');
    const steering = hostSteeringOf(await host.read(1), 'host:eth0');
    const workers = Array.from({ length: 200 }, (_, port) => explainFrame(steering, frame(port)).worker);
    expect(new Set(workers)).toEqual(new Set([0, 1]));
    expect(steering.assumed.join()).toContain('a flow may go to another CPU of the map');
    expect(explainFrame(steering, frame(3)).reason).toContain('the kernel’s hash (key assumed)');
  });

  it('says what cannot be read, and takes it when it is given', async () => {
    const silent = nic().ethtool('eth0', { rss: { ...RSS, key: null } });
    const read = await silent.read(1);
    expect(() => hostSteeringOf(read, 'host:eth0')).toThrow(
      'policy host:eth0: 4 receive queues, and what chooses among them could not be read (eth0: the key was not told): give it with the keys of rss',
    );
    const given = hostSteeringOf(read, `host:eth0,key=${KEY},entries=0-3,types=tcp-ipv4+ipv4`);
    expect(explainFrame(given, frame(5)).queue).toBe(explainFrame(alone, frame(5)).queue);
    const queues = new FakeHost(8).tap('tap0', null);
    queues.set('/sys/class/net/tap0/queues/rx-1/rps_cpus', '0');
    const several = await queues.read(1);
    expect(() => hostSteeringOf(several, 'host:tap0')).toThrow(
      '2 receive queues, and who writes a frame chooses its queue',
    );
    const tap = await new FakeHost(8).tap('tap0', null).read(1);
    expect(() => hostSteeringOf(tap, 'host:tap0')).toThrow('give cpus=LIST, one for each queue');
    expect(explainFrame(hostSteeringOf(tap, 'host:tap0,cpus=3'), frame(5)).worker).toBe(3);
  });

  it.each([
    ['host', 'a device is needed'],
    ['host:', 'a device is needed'],
    ['host:root=x', 'a device is needed'],
    ['host:eth0,fast', '"fast" is not key=value'],
    ['host:eth9', 'has no such device; devices: eth0'],
    ['host:eth0,cpus=x', 'cpus'],
    ['host:eth0,kye=1', 'unknown key of policy rss "kye"'],
  ])('refuses %s', async (policy, why) => {
    const read = await nic().read(1);
    expect(() => hostSteeringOf(read, policy)).toThrow(why);
  });

  it('is told from a policy by its beginning', () => {
    expect(['host:eth0', ' host', 'hosts:x', 'rss'].map(isHostPolicy)).toEqual([true, true, false, false]);
  });

  it('explains and replays a collected host', async () => {
    const root = join(folder, 'tree');
    const host = nic();
    host.source();
    for (const [path, text] of host.files) {
      mkdirSync(dirname(join(root, path)), { recursive: true });
      writeFileSync(join(root, path), text);
    }
    const policy = `host:eth0,root=${root}`;
    const flow = ['--flow', 'tcp 192.0.2.1:5 > 198.51.100.7:80', '--json'];
    const told = JSON.parse((await rxsteer(['explain', '--policy', policy, ...flow])).stdout);
    expect(told).toMatchObject({ queue: explainFrame(alone, frame(5)).queue, worker: 7 - told.queue });
    const capture = join(folder, 'in.pcap');
    await rxsteer(['make', capture, '--flows', '50', '--packets', '400', '--json']);
    const { stdout, code } = await rxsteer([
      'replay',
      capture,
      '--policy',
      policy,
      '--policy',
      'rss:queues=4',
      '--json',
    ]);
    const { policies } = JSON.parse(stdout);
    expect([code, policies[0].policy]).toEqual([0, policy]);
    const packets = policies[0].workers.map((one: { packets: number }) => one.packets);
    expect(packets.slice(0, 4)).toEqual([0, 0, 0, 0]);
    expect(packets.reduce((a: number, b: number) => a + b, 0)).toBe(400);
  });
});
