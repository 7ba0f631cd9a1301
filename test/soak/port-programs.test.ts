/**
 * Programs that choose queues by the policy, while they change under traffic: a worker stands still in the middle of the
 * change, with frames of flows that move away from it. The meter is the far end's own (bench/tools/pktsink.cc); the same
 * run with the two steps taken out shows that it sees what they prevent.
 */
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { ask } from '#rxsteer/control/client.js';
import type { Summary as Stats } from '#rxsteer/dataplane/engine/summary.js';
import { canForward } from '../support/forwarder.js';
import { withLab } from '../support/lab.js';
import { SCENARIO_TIMEOUT_MS, settle, startScenario } from '../support/scenario.js';
import { expectConservation, type Summary } from '../support/summary.js';
import { generate, startSink } from '../support/traffic.js';

const DRIVER = fileURLToPath(new URL('../support/program-driver.mjs', import.meta.url));
const FLOWS = 32;
const GUESTS = 8;
const PACKETS = 60_000;
const RATE = 10_000;
const STAND_MS = 150;

const FIRST = ['a=af_packet:p0,queues=2,fanout=policy', 'a=af_xdp:p0,steer=on'] as const;

async function changeWhileOneStands(first: string, steps: boolean) {
  let result: { late: number; received: number; totals: Summary['totals'] } | null = null;
  await withLab(async (lab) => {
    const [from, ns, to] = [await lab.namespace(), await lab.namespace(), await lab.namespace()];
    await lab.veth(from, 'g0', ns, 'p0');
    await lab.veth(ns, 'p1', to, 'g0');
    // A generator that moves to another core fills two cores' queues.
    await lab.exec(ns, 'sh', '-c', 'echo 1 > /sys/class/net/p0/queues/rx-0/rps_cpus');
    const config = { ports: [first, 'b=af_packet:p1'], standMs: STAND_MS, steps };
    const driver = lab.start(ns, 'node', DRIVER, JSON.stringify(config));
    await driver.line(/^ready$/m);
    const sink = await startSink(lab, to, { interface: 'g0', 'max-flows': FLOWS });
    const sent = await generate(lab, from, {
      ...{ interface: 'g0', flows: FLOWS, packets: PACKETS, rate: RATE, cpu: 0 },
    });
    await driver.line(/^changed$/m);
    await driver.stop('SIGINT');
    await driver.expectExit(0);
    const summary = JSON.parse(driver.stdout.split('\n').at(-2)!) as Summary & { warnings: string[] };
    const seen = await sink.stop();
    expectConservation(summary);
    expect(summary.warnings.filter((line) => /within|behind/.test(line))).toEqual([]);
    const [a] = summary.ports;
    expect(a!.rx.packets + a!.rx.kernelDrops).toBe(sent.sent);
    expect(seen.duplicates).toBe(0);
    result = {
      late: seen.reordered.packets + seen.late,
      received: a!.rx.packets,
      totals: summary.totals,
    };
  });
  return result!;
}

describe.skipIf(!canForward())('programs that choose queues', { timeout: SCENARIO_TIMEOUT_MS }, () => {
  it.each(FIRST)('%s: nothing is late when they change, although a worker stands still', async (first) => {
    const result = await changeWhileOneStands(first, true);
    expect(result.late, JSON.stringify(result)).toBe(0);
    expect(result.received).toBeGreaterThan(PACKETS / 2);
  });

  it.each(FIRST)('%s: without the two steps dozens are, and the meter sees it', async (first) => {
    const result = await changeWhileOneStands(first, false);
    expect(result.late, JSON.stringify(result)).toBeGreaterThan(20);
  });

  it('of AF_XDP follow every policy that has one; what has none is handed over, in order', async () => {
    await withLab(async (lab) => {
      const scenario = await startScenario(lab, {
        ...{ ports: ['xdp', 'veth'], addresses: false, orderly: true, workers: 2 },
        ...{ policy: 'rss:queues=2', firstPortOptions: 'steer=on' },
      });
      const [from, to] = [scenario.guests[0]!.ns, scenario.guests[1]!.ns];
      const socket = `/run/rxsteer/${scenario.forwarder.process.pid}.sock`;
      const stats = () => ask<Stats>(socket, 'GET', '/stats');
      const handed = async () => (await stats()).handoffs.reduce((sum, { packets }) => sum + packets, 0);
      const sink = await startSink(lab, to, { interface: 'g0', 'max-flows': FLOWS });
      const rest = { flows: FLOWS, guests: 8, rate: 6000, size: 100, packets: 120_000, cpu: 0 };
      const sent = generate(lab, from, { interface: 'g0', ...rest });
      const more = async () => {
        const { received } = (await stats()).totals;
        await expect
          .poll(async () => (await stats()).totals.received, { timeout: 60_000, interval: 20 })
          .toBeGreaterThan(received + 1500);
      };
      const owners = { '02:00:00:01:00:00': 1, '02:00:00:01:00:03': 1 };
      const programs = [
        'mac-hash:fields=both',
        { policy: 'mac', assign: 'static', owners },
        'rps:cpus=0-1,hash=toeplitz',
        'rss:queues=2,key=symmetric',
      ];
      await more();
      for (const policy of programs) {
        await ask(socket, 'POST', '/apply', { policy });
        await more();
        expect(await handed(), JSON.stringify(policy)).toBe(0);
      }
      await ask(socket, 'POST', '/apply', { policy: 'rfs:cpus=0-1' });
      await scenario.forwarder.process.line(/its program goes on as it is, .* policy rfs.* has none/);
      await more();
      const over = await handed();
      expect(over).toBeGreaterThan(0);
      await ask(socket, 'POST', '/apply', { policy: 'rss:queues=2' });
      const after = await handed();
      await more();
      expect(await handed()).toBe(after);
      const { sent: count } = await sent;
      await settle(lab, scenario, 'p1', count);
      const summary = await scenario.finish();
      const seen = await sink.stop();
      const context = JSON.stringify({ seen, totals: summary.totals });
      expect(seen.reordered.packets + seen.late, context).toBe(0);
      expect(summary.ports[0]!.rx.packets + summary.ports[0]!.rx.kernelDrops).toBe(count);
    });
  });

  it.each([
    ['veth', 'queues=2,fanout=policy'],
    ['xdp', 'steer=on'],
  ] as const)('%s, %s: guests that mac learns get into the program, in order', async (kind, options) => {
    await withLab(async (lab) => {
      const scenario = await startScenario(lab, {
        ...{ ports: [kind, 'veth'], addresses: false, orderly: true, workers: 2, mode: 'switch' },
        ...{ policy: 'mac:assign=least-loaded', firstPortOptions: options },
      });
      const [from, to] = [scenario.guests[0]!.ns, scenario.guests[1]!.ns];
      const socket = `/run/rxsteer/${scenario.forwarder.process.pid}.sock`;
      const queues = async () => {
        const { ports } = await ask<Stats>(socket, 'GET', '/stats');
        return ports[0]!.queues.map(({ packets }) => packets);
      };
      const sink = await startSink(lab, to, { interface: 'g0', 'max-flows': GUESTS });
      const rest = { guests: GUESTS, flows: GUESTS, rate: 4000, size: 100, packets: 40_000, cpu: 0 };
      const sent = generate(lab, from, { interface: 'g0', ...rest });
      await expect.poll(async () => (await queues())[0], { timeout: 30_000 }).toBeGreaterThan(1000);
      // The generator's own address was the first one: nobody else is known, and its owner has everything.
      expect((await queues())[1]).toBe(0);
      for (let g = 0; g < GUESTS; g++) {
        const mac = `02:00:00:01:00:0${g}`;
        const one = { flows: 1, packets: 1, 'first-flow': 1000 + g, 'src-mac': mac };
        await generate(lab, to, { interface: 'g0', ...one, 'dst-mac': '02:00:00:00:00:01' });
      }
      const { sent: count } = await sent;
      type Known = { owners: { mac: string; worker: number }[] };
      const { owners } = await ask<Known>(socket, 'GET', '/policy');
      const guests = owners.filter(({ mac }) => mac.startsWith('02:00:00:01:'));
      expect(guests.length).toBe(GUESTS);
      const before = await queues();
      await generate(lab, from, { interface: 'g0', ...rest, packets: 800 });
      const all = async () => (await queues()).reduce((a, b) => a + b, 0);
      await expect.poll(all, { timeout: 30_000 }).toBe(before[0]! + before[1]! + 800);
      const after = await queues();
      const share = (worker: number) => guests.filter((guest) => guest.worker === worker).length;
      expect(after.map((n, q) => n - before[q]!)).toEqual([0, 1].map((w) => 100 * share(w)));
      expect(share(1)).toBeGreaterThan(2);
      await settle(lab, scenario, 'p1', count + 800);
      const summary = await scenario.finish();
      const seen = await sink.stop();
      expect(seen.reordered.packets, JSON.stringify({ seen, totals: summary.totals })).toBe(0);
      expect(summary.handoffs.filter(({ from: w, packets }) => w === 1 && packets > 0)).toEqual([]);
    });
  });
});
