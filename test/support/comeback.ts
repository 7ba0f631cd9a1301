/**
 * A switch whose interfaces go and come back between two runs of traffic, in every way in which one can:
 *
 *   generator ── d0 (port a) ┐             ┌ d1 (port b) ── sink
 *   generator ── t0 (port t) ┼── switch ───┤
 *   generator ── d2 (port c) ┘             └ d3 (port d) ── sink: runs all the time, and must miss nothing
 *
 * What each end has got is judged by `pktsink`, which shares nothing with the program.
 */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'vitest';
import { tool } from '../../bench/tools/build.mjs';
import { startForwarder } from './forwarder.js';
import { type Lab, withLab } from './lab.js';
import { SLOW } from './slow.js';
import { expectConservation } from './summary.js';
import { type Generated, generate, startSink } from './traffic.js';

/** Behind ports a, b, d and t. */
const BEHIND = {
  a: '02:00:00:00:0a:01',
  b: '02:00:00:00:0b:01',
  d: '02:00:00:00:0d:01',
  t: '02:00:00:00:0e:01',
};
const FIXED = '02:00:00:00:00:d0';
/** Frames of one run, and its flows. */
const FRAMES = 300;
const FLOWS = 3;

interface Ground {
  readonly lab: Lab;
  /** Where the forwarder, the generators and the sinks are. */
  readonly ns: string;
  readonly from: string;
  readonly to: string;
  readonly gone: () => Promise<unknown>;
  readonly back: () => Promise<unknown>;
}

/** Makes the veth of port a, or makes it again. */
async function veth(
  { lab, ns, from }: Pick<Ground, 'lab' | 'ns' | 'from'>,
  ...near: string[]
): Promise<void> {
  const peer = ['type', 'veth', 'peer', 'name', 'g0', 'netns', from];
  await lab.exec(ns, 'ip', 'link', 'add', 'd0', ...near, ...peer);
  await lab.up(from, 'g0');
  await lab.up(ns, 'd0');
}

/** How an interface goes and comes back. */
export const COMEBACKS: Record<string, (ground: Ground) => Promise<void>> = {
  'deleted, and made again with its MAC address': async (ground) => {
    await ground.lab.exec(ground.ns, 'ip', 'link', 'del', 'd0');
    await ground.gone();
    await veth(ground, 'address', FIXED);
    await ground.back();
  },
  'deleted, and made again with another MAC address': async (ground) => {
    await ground.lab.exec(ground.ns, 'ip', 'link', 'del', 'd0');
    await ground.gone();
    await veth(ground);
    await ground.back();
  },
  'replaced at once by another of its name and index': async (ground) => {
    const { lab, ns, from } = ground;
    const index = (await lab.exec(ns, 'cat', '/sys/class/net/d0/ifindex')).trim();
    const made = `ip link add d0 index ${index} type veth peer name g0 netns ${from}`;
    await lab.exec(
      ns,
      'sh',
      '-c',
      `ip link del d0; ${made}; ip -n ${from} link set g0 up; ip link set d0 up`,
    );
    await ground.gone();
    await ground.back();
  },
  'renamed, and named as before': async (ground) => {
    const { lab, ns } = ground;
    await lab.exec(ns, 'ip', 'link', 'set', 'd0', 'name', 'other0');
    await ground.gone();
    await lab.exec(ns, 'ip', 'link', 'set', 'other0', 'name', 'd0');
    await ground.back();
  },
  'moved to another namespace and back at once': async (ground) => {
    const { lab, ns, to } = ground;
    const away = `ip link set d0 netns ${to}; ip -n ${to} link set d0 netns ${ns}; ip link set d0 up`;
    await lab.exec(ns, 'sh', '-c', away);
    await ground.gone();
    await ground.back();
  },
};

/** A TAP that goes and comes back. */
export async function tapComeback({ lab, ns, gone, back }: Ground): Promise<void> {
  await lab.exec(ns, 'ip', 'link', 'del', 't0');
  await gone();
  await lab.exec(ns, 'ip', 'tuntap', 'add', 'dev', 't0', 'mode', 'tap', 'vnet_hdr');
  await back();
  await lab.up(ns, 't0');
}

/** Runs the switch, and takes each of its ports' interfaces away and back as `rounds` says, in turn. */
export async function comebacks(folder: string, rounds: readonly string[]): Promise<void> {
  await withLab(async (lab) => {
    const [ns, from, to] = [await lab.namespace(), await lab.namespace(), await lab.namespace()];
    await veth({ lab, ns, from }, 'address', FIXED);
    await lab.veth(ns, 'd1', to, 's0');
    await lab.veth(from, 'g2', ns, 'd2');
    await lab.veth(ns, 'd3', to, 's3');
    const config = join(folder, 'switch.yaml');
    const fdb = Object.entries(BEHIND).map(([port, mac]) => `  - { mac: "${mac}", port: ${port} }`);
    writeFileSync(config, `fdb:\n${fdb.join('\n')}\n`);
    const ports = ['a=af_packet:d0', 'b=af_packet:d1', 'c=af_packet:d2', 'd=af_packet:d3', 't=tap:t0'];
    const forwarder = await startForwarder(
      lab,
      ns,
      ...ports.flatMap((port) => ['--port', port]),
      ...['--config', config, '--workers', '2', '--policy', 'rss', '--no-control'],
    );
    const steadySink = await startSink(lab, to, { interface: 's3' });
    const steady = lab.start(
      ...([from, tool('pktgen'), '--interface', 'g2', '--dst-mac', BEHIND.d, '--src-mac'] as const),
      ...['02:00:00:00:0c:01', '--flows', '4', '--rate', '2000', '--duration', '100000'],
    );
    let [port, times] = ['a', { a: 0, t: 0 } as Record<string, number>];
    const said = async (what: string) => {
      const count = () => forwarder.process.stderr.split(`(port ${port}) ${what}`).length - 1;
      await expect.poll(count, { timeout: 60_000 * SLOW, interval: 10 }).toBe(times[port]!);
    };
    const ground: Ground = {
      lab,
      ns,
      from,
      to,
      gone: () => said('has vanished'),
      back: () => said('is back'),
    };
    for (const [n, round] of rounds.entries()) {
      port = round === 'tap' ? 't' : 'a';
      times[port]!++;
      await traffic(ground, port, 2 * n * FLOWS);
      await (round === 'tap' ? tapComeback : COMEBACKS[round]!)(ground);
      await traffic(ground, port, (2 * n + 1) * FLOWS);
    }
    await steady.stop('SIGTERM');
    await steady.expectExit(0);
    const { sent } = JSON.parse(steady.stdout) as Generated;
    const summary = await forwarder.stop();
    const seen = await steadySink.stop();
    const { unique, lost, reordered, duplicates } = seen;
    const context = JSON.stringify({ sent, seen, summary });
    expect({ reordered: reordered.packets, duplicates }, context).toEqual({ reordered: 0, duplicates: 0 });
    // None is missed for what happens to others. Where the machine had no CPU for it, that is counted.
    const { dropped } = summary.totals;
    const kernel = summary.ports.reduce((sum, { rx }) => sum + rx.kernelDrops, 0);
    const counted = kernel + dropped.backlog + dropped.txFull + seen.kernelDrops + seen.rxDropped;
    expect(sent - unique, context).toBeLessThanOrEqual(counted);
    expect(lost, context).toBeLessThanOrEqual(counted);
    expect(unique, context).toBeGreaterThan(sent / 2);
    expectConservation(summary);
    expect(summary.totals.reordered).toBe(0);
    expect(summary.totals.dropped.workerDied).toBe(0);
  });
}

/** What is sent to a port's interface and by way of it arrives, whole and in order. */
async function traffic({ lab, ns, from, to }: Ground, port: string, firstFlow: number): Promise<void> {
  const [space, link] = port === 't' ? [ns, 't0'] : [from, 'g0'];
  const range = { 'first-flow': firstFlow, flows: FLOWS };
  const run = { ...range, packets: FRAMES, rate: 20_000, 'src-mac': BEHIND[port as 'a' | 't'] };
  const seen = { 'first-flow': firstFlow, 'max-flows': FLOWS, packets: FRAMES };
  const sinks = [await startSink(lab, to, { interface: 's0', ...seen })];
  // What a TAP gets nobody reads in its namespace but the kernel, which counts it.
  if (port === 'a') sinks.push(await startSink(lab, space, { interface: link, ...seen }));
  await generate(lab, space, { ...run, interface: link, 'dst-mac': BEHIND.b });
  await generate(lab, to, {
    ...run,
    interface: 's0',
    'src-mac': BEHIND.b,
    'dst-mac': BEHIND[port as 'a' | 't'],
  });
  for (const sink of sinks) {
    const { unique, lost, reordered, duplicates } = await sink.finish();
    expect({ unique, lost, reordered: reordered.packets, duplicates }).toEqual({
      ...{ unique: FRAMES, lost: 0, reordered: 0, duplicates: 0 },
    });
  }
}
