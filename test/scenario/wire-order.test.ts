/**
 * Order at the far end of the wire, where devices have several transmit queues, queueing disciplines, XPS, or too few
 * offloads: flows whose frames are of every kind (plain, partial checksum, super-frame), with and without moves between
 * workers. The receiver judges: its device spreads its queues over threads (threaded NAPI), one of which has to share
 * its CPU, so that two queues drift apart by milliseconds.
 */
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { tool } from '../../bench/tools/build.mjs';
import { canForward } from '../support/forwarder.js';
import { type Lab, withLab } from '../support/lab.js';
import { ELSEWHERE, WHOLE } from '../support/matrix.js';
import { SCENARIO_TIMEOUT_MS } from '../support/scenario.js';
import { expectConservation, type Summary } from '../support/summary.js';
import { startSink } from '../support/traffic.js';

const DRIVER = fileURLToPath(new URL('../support/wire-driver.mjs', import.meta.url));
const FRAMES = 6000;
const FLOWS = 12;
const SEGMENTS = 4;
/** Frames that wait at a queue of a veth's far end at most (VETH_RING_SIZE, drivers/net/veth.c). */
const VETH_RING = 256;

interface Case {
  readonly what: string;
  readonly queues: number;
  /** Changes of the table, milliseconds apart; 0 = none. */
  readonly restMs: number;
  /** TCP segmentation of the out device; default off. */
  readonly tso?: 'on';
  /** More of the generator (see bench/tools/mixgen.cc); default UDP without a tag. */
  readonly traffic?: Readonly<Record<string, string>>;
  /** Where the port sends; absent for AF_XDP ports, which have one way. */
  readonly path?: string;
  /** Flows move in front of the workers, who have nothing to move then. */
  readonly inProgram?: boolean;
  /** The ports; default: packet sockets. */
  readonly ports?: readonly [string, string];
  /** Makes the out device what it is to be. */
  readonly prepare?: (lab: Lab, ns: string) => Promise<unknown>;
  /** The device gets other queues: what waits in the old one then may be overtaken, once. */
  readonly queueChanges?: number;
  /** Something that happens while frames pass. */
  readonly meanwhile?: (lab: Lab, ns: string) => Promise<unknown>;
}

const NO_SEGMENTATION = { 'tx-udp-segmentation': 'off' } as const;
const qdisc = (lab: Lab, ns: string, ...words: string[]) =>
  lab.exec(ns, 'tc', 'qdisc', 'replace', 'dev', 'p1', 'root', ...words);
const SLOW_DOWN = ['tbf', 'rate', '60mbit', 'burst', '20kb', 'latency', '400ms'];

const cases: readonly Case[] = [
  { what: 'two queues, every kind of frame, nothing moves', queues: 2, restMs: 0, path: 'queued' },
  { what: 'two queues, flows move', queues: 2, restMs: 5, path: 'queued' },
  {
    what: 'four queues, no segmentation by the device, flows move',
    queues: 4,
    restMs: 5,
    path: 'queued',
    prepare: (lab, ns) => lab.offload(ns, 'p1', NO_SEGMENTATION),
  },
  {
    what: 'two queues that XPS maps to CPUs, flows move',
    queues: 2,
    restMs: 5,
    path: 'af_xdp',
    prepare: (lab, ns) =>
      lab.exec(
        ns,
        'sh',
        '-c',
        'for q in 0 1; do echo $((q+1)) > /sys/class/net/p1/queues/tx-$q/xps_cpus; done',
      ),
  },
  {
    what: 'a shaper on a device with TCP but without UDP segmentation, nothing moves',
    tso: 'on',
    queues: 1,
    restMs: 0,
    path: 'queued',
    prepare: async (lab, ns) => {
      await lab.offload(ns, 'p1', NO_SEGMENTATION);
      await qdisc(lab, ns, ...SLOW_DOWN);
    },
  },
  {
    what: 'one queue without UDP segmentation, flows move',
    queues: 1,
    restMs: 5,
    path: 'direct',
    prepare: (lab, ns) => lab.offload(ns, 'p1', NO_SEGMENTATION),
  },
  {
    what: 'one queue whose offloads come and go',
    queues: 1,
    restMs: 5,
    path: 'direct',
    meanwhile: async (lab, ns) => {
      for (const state of ['off', 'on', 'off'] as const) {
        await lab.offload(ns, 'p1', { 'tx-udp-segmentation': state });
      }
    },
  },
  {
    what: 'one queue that gets a shaper while frames pass',
    queues: 1,
    restMs: 5,
    path: 'queued',
    prepare: (lab, ns) => lab.offload(ns, 'p1', NO_SEGMENTATION),
    meanwhile: (lab, ns) => qdisc(lab, ns, ...SLOW_DOWN),
  },
  {
    what: 'one queue that gets three more while frames pass',
    queues: 4,
    restMs: 5,
    path: 'queued',
    queueChanges: 1,
    prepare: (lab, ns) => lab.exec(ns, 'ethtool', '-L', 'p1', 'tx', '1'),
    meanwhile: async (lab, ns) => {
      await expect
        .poll(() => lab.statistic(ns, 'p1', 'tx_packets'), { timeout: 60_000 })
        .toBeGreaterThan(FRAMES / 4);
      await lab.exec(ns, 'ethtool', '-L', 'p1', 'tx', '4');
    },
  },
  {
    what: 'AF_XDP out, four queues, every kind of frame, flows move',
    queues: 4,
    restMs: 5,
    ports: ['a=af_packet:p0', 'b=af_xdp:p1'],
  },
  {
    what: 'AF_XDP on both sides, sockets for each worker, four queues, flows move with the program',
    queues: 4,
    restMs: 5,
    inProgram: true,
    ports: ['a=af_xdp:p0,steer=on', 'b=af_xdp:p1'],
  },
  {
    what: 'AF_XDP out, one queue, TCP that the far end merges, flows move',
    queues: 1,
    restMs: 5,
    ports: ['a=af_packet:p0', 'b=af_xdp:p1'],
    traffic: { protocol: 'tcp', kinds: 'plain+super' },
  },
  // The far end merges frames of TCP (GRO), and only those of one socket.
  {
    what: 'four queues, tagged frames of TCP, flows move',
    queues: 4,
    restMs: 5,
    path: 'queued',
    traffic: { protocol: 'tcp', vlan: '5' },
  },
  {
    what: 'four queues, tagged frames of different lengths, flows move',
    queues: 4,
    restMs: 5,
    path: 'queued',
    traffic: { vlan: '5' },
  },
  {
    what: 'one queue, plain frames and super-frames of TCP, nothing moves',
    queues: 1,
    restMs: 0,
    path: 'direct',
    traffic: { protocol: 'tcp', kinds: 'plain+super' },
  },
];

/**
 * Receivers that drift apart: of the threads that receive for the far end's queues the first has the lowest priority on
 * a CPU where something else runs.
 */
async function spread(lab: Lab, ns: string, link: string): Promise<void> {
  await lab.exec(ns, 'ethtool', '-K', link, 'gro', 'on');
  await lab.exec(ns, 'sh', '-c', `echo 1 > /sys/class/net/${link}/threaded`);
  const threads = (await lab.exec(ns, 'sh', '-c', `grep -l '^napi/${link}-' /proc/[0-9]*/comm || true`))
    .split('\n')
    .flatMap((path) => /[0-9]+/.exec(path)?.[0] ?? []);
  expect(threads.length).toBeGreaterThan(0);
  for (const [i, thread] of threads.entries()) {
    await lab.exec(ns, 'taskset', '-pc', i === 0 ? '1' : '0', thread);
    if (i === 0) await lab.exec(ns, 'renice', '-n', '19', '-p', thread);
  }
  lab.start(ns, 'taskset', '-c', '1', 'sh', '-c', 'while :; do :; done');
}

const pause = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms));

describe.skipIf(!canForward())('order on the wire', { timeout: SCENARIO_TIMEOUT_MS }, () => {
  it.runIf(WHOLE).each(cases)(`is kept with $what${ELSEWHERE}`, async (one) => {
    await withLab(async (lab) => {
      const [from, ns, to] = [await lab.namespace(), await lab.namespace(), await lab.namespace()];
      // Threads carry the link's name.
      const link = `s${process.pid % 1_000_000}`;
      await lab.veth(from, 'g0', ns, 'p0');
      await lab.veth(ns, 'p1', to, link, { queues: one.queues });
      // With TSO the far end of a veth receives on the sending CPU, without such threads.
      if (one.tso !== 'on') await lab.offload(ns, 'p1', { tso: 'off' });
      await one.prepare?.(lab, ns);
      // There it is the CPU that takes a frame off the queueing discipline, now this one, now that: RPS puts that right.
      if (one.tso === 'on')
        await lab.exec(to, 'sh', '-c', `echo 1 | tee /sys/class/net/${link}/queues/rx-*/rps_cpus`);
      await spread(lab, to, link);

      const ports = one.ports ?? ['a=af_packet:p0', 'b=af_packet:p1'];
      const driver = lab.start(ns, 'node', DRIVER, JSON.stringify({ ports, restMs: one.restMs }));
      await driver.line(/^ready$/m);
      const sink = await startSink(lab, to, { interface: link, 'max-flows': FLOWS });
      const settings = {
        interface: 'g0',
        flows: FLOWS,
        packets: FRAMES,
        rate: 9000,
        segments: SEGMENTS,
        cpu: 0,
        ...one.traffic,
      };
      const generator = lab.start(
        ...([from, tool('mixgen')] as const),
        ...Object.entries(settings).flatMap(([key, value]) => [`--${key}`, `${value}`]),
      );
      await one.meanwhile?.(lab, ns);
      await generator.finish(60_000);
      await generator.expectExit(0);
      await driver.stop('SIGINT');
      await driver.expectExit(0);
      const summary = JSON.parse(driver.stdout.replace(/^ready\n/, '')) as Summary & {
        warnings: string[];
        changes: number;
        ports: { detail?: { transmit: string; queueChanges: number; mayBeLate: number } }[];
      };
      // What has been sent waits in the shaper, then for the receiver, which may get no CPU for longer than any pause: until
      // all of it has come or was dropped, or (a shaper drops where nobody counts) nothing has come for long.
      const { transmitted, segmentCopies } = summary.totals;
      let [come, quiet] = [-1, 0];
      for (; quiet < 60; await pause(50)) {
        const now = await lab.statistic(to, link, 'rx_packets');
        if (now + (await lab.statistic(to, link, 'rx_dropped')) >= transmitted + segmentCopies) break;
        quiet = now === come ? quiet + 1 : 0;
        come = now;
      }
      const seen = await sink.stop();
      const context = JSON.stringify({ seen, totals: summary.totals, warnings: summary.warnings });

      expectConservation(summary);
      expect(summary.order, context).toBe('strict');
      const detail = summary.ports[1]!.detail!;
      if (one.path !== undefined) {
        expect(detail, context).toMatchObject({ transmit: one.path, queueChanges: one.queueChanges ?? 0 });
      }
      if (one.inProgram === true) expect(summary.changes, context).toBeGreaterThan(2);
      else if (one.restMs > 0) expect(summary.totals.moves, context).toBeGreaterThan(0);
      expect(seen.unique, context).toBeGreaterThan(FRAMES / 10);
      expect(summary.totals.reordered, context).toBe(0);
      const late = seen.reordered.packets + seen.late;
      if (one.queueChanges === undefined) expect([late, detail.mayBeLate ?? 0], context).toEqual([0, 0]);
      else expect(late, context).toBeLessThanOrEqual(detail.mayBeLate + VETH_RING);
      expect(seen.duplicates, context).toBe(0);
    });
  });
});
