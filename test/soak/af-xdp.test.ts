/** AF_XDP ports beside other kinds, when a process is killed, a worker dies, a device goes and comes back. */
import { describe, expect, it } from 'vitest';
import { ask } from '#rxsteer/control/client.js';
import { detailOf, finishesChecksums, programOn, steersAsThePolicy } from '../support/af-xdp.js';
import { CLI, canForward, startForwarder } from '../support/forwarder.js';
import { withLab } from '../support/lab.js';
import { pingAll, SCENARIO_TIMEOUT_MS, settle, startScenario } from '../support/scenario.js';
import { expectConservation, type Summary } from '../support/summary.js';
import { generate, startSink } from '../support/traffic.js';

/** Of the first port. */
const queuesOf = (summary: Summary) =>
  (summary.ports[0] as unknown as { queues: { packets: number }[] }).queues;

describe.skipIf(!canForward())('af_xdp', { timeout: SCENARIO_TIMEOUT_MS }, () => {
  it.each([
    { ports: ['xdp', 'tap', 'veth'] },
    { ports: ['tap', 'xdp', 'veth'] },
    { ports: ['veth', 'xdp', 'tap'] },
  ] as const)('$ports: no checksum is left unfinished', async ({ ports }) => {
    await withLab((lab) => finishesChecksums(lab, ports));
  });

  it.each([
    'rss:queues=2,types=tcp-ipv4+udp-ipv6+ipv4',
    'rps:cpus=0-1,hash=toeplitz',
    'mac-hash:fields=both',
  ])('steer=on, %s: every frame comes to the worker that the policy wants', async (policy) => {
    await withLab((lab) => steersAsThePolicy(lab, policy, 20_000));
  });

  it('SIGKILL leaves no program, and the next one starts at once', async () => {
    await withLab(async (lab) => {
      const scenario = await startScenario(lab, { ports: ['xdp', 'xdp'] });
      const { ns, forwarder } = scenario;
      expect(await programOn(lab, ns, 'p0')).toBeGreaterThan(0);
      expect(await forwarder.process.stop('SIGKILL')).toEqual({ code: null, signal: 'SIGKILL' });
      await expect.poll(() => programOn(lab, ns, 'p0')).toBe(0);
      const next = await startForwarder(lab, ns, '--port', 'a=af_xdp:p0', '--port', 'b=af_xdp:p1');
      expect(await pingAll(lab, scenario.guests)).toEqual([]);
      expectConservation(await next.stop());
    });
  });

  it('goes on when its interface has vanished and is back, and when it was down', async () => {
    await withLab(async (lab) => {
      const scenario = await startScenario(lab, { ports: ['xdp', 'xdp'], addresses: false, workers: 2 });
      const { ns, forwarder } = scenario;
      const [from, to] = [scenario.guests[0]!.ns, scenario.guests[1]!.ns];
      const send = (packets: number) => generate(lab, from, { interface: 'g0', packets, rate: 10_000 });
      await lab.down(ns, 'p1');
      await forwarder.process.line(/\(port p1\) is down/);
      await send(100);
      await settle(lab, scenario, 'p1', 100);
      await lab.up(ns, 'p1');
      await forwarder.process.line(/\(port p1\) is up again/);
      await lab.exec(ns, 'ip', 'link', 'del', 'p1');
      await forwarder.process.line(/\(port p1\) has vanished/);
      await send(100);
      await settle(lab, scenario, 'p0', Number.POSITIVE_INFINITY);
      await lab.veth(ns, 'p1', to, 'g0');
      await forwarder.process.line(/\(port p1\) is back/);
      await expect.poll(() => lab.exec(ns, 'cat', '/sys/class/net/p1/operstate')).toBe('up\n');
      await send(50);
      await settle(lab, scenario, 'p1', 50);
      const summary = await scenario.finish();
      expect(summary.totals).toMatchObject({ received: 250, transmitted: 50 });
      expect(summary.totals.dropped.portDown).toBe(200);
    });
  });

  it('a worker that dies takes no slot with it, and those that come and go neither', async () => {
    await withLab(async (lab) => {
      const scenario = await startScenario(lab, {
        ...{ ports: ['xdp', 'xdp'], addresses: false, workers: 2, policy: 'rss', mode: 'switch' },
        flags: ['--fault', 'steer@0:40/decide@1:30'],
      });
      const [from, to] = [scenario.guests[0]!.ns, scenario.guests[1]!.ns];
      const sink = await startSink(lab, to, { interface: 'g0' });
      const sent = generate(lab, from, { interface: 'g0', packets: 20_000, rate: 20_000, flows: 64 });
      const socket = `/run/rxsteer/${scenario.forwarder.process.pid}.sock`;
      const ctl = (...args: string[]) =>
        lab.exec(scenario.ns, 'node', CLI, 'ctl', '--socket', socket, ...args);
      await ctl('worker', 'remove', '1');
      await ctl('worker', 'add');
      const { sent: count } = await sent;
      await settle(lab, scenario, 'p1', count);
      const summary = await scenario.finish();
      await sink.stop();
      const [a] = summary.ports;
      expect(a!.rx.packets + a!.rx.kernelDrops).toBe(count);
      expect(detailOf(summary, 0).lent).toBe(4096 + 64);
    });
  });

  it.each([
    { options: '', sockets: 4 },
    { options: 'steer=on', sockets: 8 },
  ])('receives from four queues of a device, in order: $options', async ({ options, sockets }) => {
    await withLab(async (lab) => {
      const [from, ns, to] = [await lab.namespace(), await lab.namespace(), await lab.namespace()];
      await lab.veth(from, 'g0', ns, 'p0', { queues: 4 });
      await lab.veth(ns, 'p1', to, 'g0');
      const first = `a=af_xdp:p0${options === '' ? '' : `,${options}`}`;
      const policy = ['--policy', 'rss:queues=2', '--workers', '2'];
      const forwarder = await startForwarder(lab, ns, '--port', first, '--port', 'b=af_xdp:p1', ...policy);
      const socket = `/run/rxsteer/${forwarder.process.pid}.sock`;
      const sink = await startSink(lab, to, { interface: 'g0' });
      // Past the queueing discipline the generator's CPU is the queue: by it, the flow's hash is.
      const traffic = { interface: 'g0', packets: 40_000, rate: 8000, flows: 64, bypass: 'off', cpu: 0 };
      const sent = generate(lab, from, traffic);
      for (const next of ['mac-hash:fields=both', 'rss:queues=2,key=symmetric', 'rss:queues=2']) {
        await new Promise((resolve) => setTimeout(resolve, 300));
        await ask(socket, 'POST', '/apply', { policy: next });
      }
      const { sent: count } = await sent;
      await expect.poll(() => lab.statistic(ns, 'p0', 'rx_packets')).toBeGreaterThanOrEqual(count);
      await expect.poll(async () => (await ask<Summary>(socket, 'GET', '/stats')).totals.inFlight).toBe(0);
      const summary = await forwarder.stop();
      const seen = await sink.stop();
      expectConservation(summary);
      const [a] = summary.ports;
      const context = JSON.stringify({ seen, totals: summary.totals, a });
      expect(a!.rx.packets + a!.rx.kernelDrops, context).toBe(count);
      expect(detailOf(summary, 0)).toMatchObject({ queues: 4, deviceQueues: 4 });
      const queues = queuesOf(summary);
      expect(queues.length).toBe(sockets);
      // Each queue of the device has had some.
      const each = sockets / 4;
      for (let q = 0; q < 4; q++) {
        const all = queues.slice(q * each, (q + 1) * each).reduce((sum, { packets }) => sum + packets, 0);
        expect(all, context).toBeGreaterThan(count / 50);
      }
      expect(seen.reordered.packets + seen.late + summary.totals.reordered, context).toBe(0);
      const handed = summary.handoffs.reduce((sum, { packets }) => sum + packets, 0);
      if (options === '') expect(handed).toBeGreaterThan(0);
      else expect(handed).toBe(0);
    });
  });

  it('queues= serves the first ones, and says what becomes of the others', async () => {
    await withLab(async (lab) => {
      const [from, ns] = [await lab.namespace(), await lab.namespace()];
      await lab.veth(from, 'g0', ns, 'p0', { queues: 4 });
      const ports = ['--port', 'a=af_xdp:p0,queues=2', '--port', 'b=memory:sink'];
      const forwarder = await startForwarder(lab, ns, ...ports);
      expect(forwarder.process.stderr).toMatch(/p0 \(port a\) has 4 receive queues, of which 2 are served/);
      const traffic = { interface: 'g0', packets: 4000, rate: 20_000, flows: 64, bypass: 'off' };
      const { sent } = await generate(lab, from, traffic);
      await expect.poll(() => lab.statistic(ns, 'p0', 'rx_packets')).toBeGreaterThanOrEqual(sent);
      const summary = await forwarder.stop();
      const { rx } = summary.ports[0]!;
      const queues = queuesOf(summary);
      expect(queues.length).toBe(2);
      expect(rx.packets).toBeGreaterThan(sent / 10);
      expect(rx.packets).toBeLessThan((9 * sent) / 10);
      const many = lab.start(ns, 'node', CLI, 'forward', ...ports.with(1, 'a=af_xdp:p0,queues=9'));
      await many.expectExit(2);
      expect(many.stderr).toMatch(/queues=9: p0 has 4 receive queue/);
    });
  });

  it('an MTU that grows, and frames that are too long, are told and counted', async () => {
    await withLab(async (lab) => {
      const scenario = await startScenario(lab, { ports: ['xdp', 'xdp'], addresses: false });
      const { ns, forwarder } = scenario;
      const from = scenario.guests[0]!.ns;
      await lab.exec(ns, 'ip', 'link', 'set', 'p0', 'mtu', '3000');
      await lab.exec(from, 'ip', 'link', 'set', 'g0', 'mtu', '3000');
      await forwarder.process.line(/has an MTU of 3000: frames longer than 1984 bytes .* are dropped/);
      const long = await generate(lab, from, { interface: 'g0', packets: 100, size: 2500, rate: 5000 });
      const short = await generate(lab, from, { interface: 'g0', packets: 100, size: 1400, rate: 5000 });
      expect([long.sent, short.sent]).toEqual([100, 100]);
      await settle(lab, scenario, 'p1', 100);
      const summary = await scenario.finish();
      expect(summary.ports[0]!.rx).toMatchObject({ packets: 100, kernelDrops: 100 });
      expect(detailOf(summary, 0).dropped).toBe(100);
    });
  });

  it('an MTU that the driver cannot do XDP with makes it generic, which is said', async () => {
    await withLab(async (lab) => {
      const [from, ns] = [await lab.namespace(), await lab.namespace()];
      await lab.veth(from, 'g0', ns, 'p0', { mtu: 9000 });
      const forwarder = await startForwarder(lab, ns, '--port', 'a=af_xdp:p0', '--port', 'b=memory:sink');
      expect(forwarder.process.stderr).toMatch(/generic hook \(the MTU is too large for XDP in the driver\)/);
      await generate(lab, from, { interface: 'g0', packets: 200, rate: 5000 });
      await expect.poll(() => lab.statistic(ns, 'p0', 'rx_packets')).toBeGreaterThanOrEqual(200);
      const summary = await forwarder.stop();
      expect(detailOf(summary, 0).xdp).toBe('generic');
      expect(summary.ports[0]!.rx.packets + summary.ports[0]!.rx.kernelDrops).toBe(200);
    });
  });

  it('what comes while the forwarder stands still fills its rings, and is counted', async () => {
    await withLab(async (lab) => {
      const scenario = await startScenario(lab, { ports: ['xdp', 'xdp'], addresses: false });
      const from = scenario.guests[0]!.ns;
      scenario.forwarder.process.signal('SIGSTOP');
      const { sent } = await generate(lab, from, { interface: 'g0', packets: 10_000, rate: 50_000 });
      scenario.forwarder.process.signal('SIGCONT');
      await settle(lab, scenario, 'p1', Number.POSITIVE_INFINITY);
      const summary = await scenario.finish();
      const { rx } = summary.ports[0]!;
      const { dropped, ringFull } = detailOf(summary, 0);
      expect(rx.packets + rx.kernelDrops).toBe(sent);
      expect(rx.packets).toBe(4096);
      expect(dropped + ringFull).toBe(sent - 4096);
      expect(summary.totals.framesLeaked).toBe(0);
    });
  });

  it('locked memory and capabilities that are missing are named', async () => {
    await withLab(async (lab) => {
      const ns = await lab.namespace();
      await lab.veth(ns, 'p0', ns, 'q0');
      const refused = async (...before: string[]) => {
        const ports = ['--port', 'a=af_xdp:p0', '--port', 'b=memory:sink'];
        const process = lab.start(ns, ...before, 'node', CLI, 'forward', ...ports);
        await process.expectExit(2);
        return process.stderr;
      };
      const without = (...names: string[]) => [
        'setpriv',
        '--bounding-set',
        names.map((n) => `-${n}`).join(','),
      ];
      const short = await refused(...without('ipc_lock'), 'prlimit', '--memlock=1048576');
      expect(short).toMatch(
        /MiB are locked in memory: raise ulimit -l, give CAP_IPC_LOCK, or choose less --frames/,
      );
      for (const [name, needed] of [
        ['net_raw', 'CAP_NET_RAW'],
        ['net_admin', 'CAP_NET_ADMIN'],
      ] as const) {
        expect(await refused(...without(name))).toContain(needed);
      }
      expect(await refused(...without('bpf', 'sys_admin'))).toContain('CAP_BPF');
      expect(await programOn(lab, ns, 'p0')).toBe(0);
    });
  });
});
