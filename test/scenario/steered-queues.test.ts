/**
 * The policy in the kernel (`fanout=policy` of a packet port, `steer=policy` of a TAP): each frame arrives in the queue of
 * its worker, nobody hands anything over, and while the program is replaced again and again nothing is late.
 *
 * The meters: what the library says of frames made here, against the counts of the queues; the far end's own count of what
 * came late. Frames come from a generator of its own.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { ask } from '#rxsteer/control/client.js';
import type { Summary as Stats } from '#rxsteer/dataplane/engine/summary.js';
import { steerFrames } from '#rxsteer/policy/experiment.js';
import { parsePolicy } from '#rxsteer/policy/parse.js';
import { tool } from '../../bench/tools/build.mjs';
import { canForward } from '../support/forwarder.js';
import { withLab } from '../support/lab.js';
import { matrix } from '../support/matrix.js';
import { SCENARIO_TIMEOUT_MS, startScenario } from '../support/scenario.js';
import { SLOW } from '../support/slow.js';
import { generate, startSink } from '../support/traffic.js';

const FLOWS = 96;
const GUESTS = 8;
const WORKERS = 2;
const TRAFFIC = { interface: 'g0', flows: FLOWS, guests: GUESTS, size: 100 };
const owners = Object.fromEntries(
  Array.from({ length: GUESTS }, (_, g) => [`02:00:00:01:00:0${g}`, g % 3 === 0 ? 1 : 0]),
);
const POLICIES = [
  'rss:queues=4,key=random,seed=7',
  { policy: 'mac', assign: 'static', owners },
  'rps:cpus=0-1,hash=toeplitz',
  'mac-hash:queues=2',
] as const;

/** A frame of flow f as the generator's description says (bench/tools/pktgen.cc). */
function frameOf(f: number): Uint8Array {
  const frame = new Uint8Array(100);
  const view = new DataView(frame.buffer);
  view.setUint16(0, 0x0200);
  view.setUint32(2, 0x0001_0000 + (f % GUESTS));
  view.setUint16(6, 0x0200);
  view.setUint32(8, 1);
  view.setUint16(12, 0x0800);
  frame[14] = 0x45;
  view.setUint16(16, 86);
  frame[20] = 0x40;
  frame[22] = 64;
  frame[23] = 17;
  view.setUint32(26, 0x0a01_0001 + f);
  view.setUint32(30, 0x0a02_0001 + (f % GUESTS));
  view.setUint16(34, 1024 + ((f * 7919) % 60000));
  view.setUint16(36, 9);
  return frame;
}

/** Packets of each queue, when each flow sends one. */
function predicted(policy: string | object, queues: number): number[] {
  const spec = parsePolicy(policy, { workers: WORKERS });
  const counts = new Array<number>(queues).fill(0);
  for (let f = 0; f < FLOWS; f++) {
    const { workers, queues: named } = steerFrames(spec, [frameOf(f)], { workers: WORKERS });
    const worker = workers.findIndex(({ packets }) => packets === 1);
    const queue = named?.findIndex(({ packets }) => packets === 1) ?? -1;
    counts[queue < 0 ? worker : queue]!++;
  }
  return counts;
}

describe.skipIf(!canForward())(
  'queues that the kernel chooses by the policy',
  { timeout: SCENARIO_TIMEOUT_MS },
  () => {
    const kinds = [
      ['veth', 'fanout=policy'],
      ['tap', 'steer=policy'],
    ] as const;
    it.each(matrix(kinds, [1]))('are the right ones, and keep order: %s, %s', async (kind, option) => {
      const folder = mkdtempSync(join(tmpdir(), 'rxsteer-steered-'));
      const socket = join(folder, 'c.sock');
      try {
        await withLab(async (lab) => {
          const scenario = await startScenario(lab, {
            ports: [kind, 'veth'],
            addresses: false,
            orderly: true,
            policy: 'single',
            workers: WORKERS,
            flags: ['--control', socket],
            firstPortOptions: `queues=4,${option}`,
          });
          const [from, to] = [scenario.guests[0]!.ns, scenario.guests[1]!.ns];
          const stats = () => ask<Stats>(socket, 'GET', '/stats');
          const counts = async () => (await stats()).ports[0]!.queues.map(({ packets }) => packets);
          const sum = (list: number[]) => list.reduce((a, b) => a + b, 0);
          for (const policy of POLICIES) {
            await ask(socket, 'POST', '/apply', { policy });
            const before = await counts();
            await generate(lab, from, { ...TRAFFIC, packets: FLOWS, rate: 10_000 });
            await expect
              .poll(async () => sum(await counts()), { timeout: 60_000 * SLOW, interval: 20 })
              .toBe(sum(before) + FLOWS);
            const after = await counts();
            const arrived = after.map((n, q) => n - before[q]!);
            expect(arrived, JSON.stringify(policy)).toEqual(predicted(policy, 4));
            expect(arrived.filter((n) => n > 0).length).toBeGreaterThan(1);
          }

          const sink = await startSink(lab, to, { interface: 'g0', 'max-flows': 2 * FLOWS });
          const rate = [
            '--flows',
            `${FLOWS}`,
            '--guests',
            `${GUESTS}`,
            '--rate',
            '6000',
            '--size',
            '100',
            '--duration',
            '600',
          ];
          const generator = lab.start(from, tool('pktgen'), '--interface', 'g0', ...rate);
          const trace = await ask<{ reason: string; to: number; worker: number }[]>(
            socket,
            'POST',
            '/trace',
            {
              n: 5,
              timeoutMs: 60_000,
            },
          );
          expect(trace.length).toBe(5);
          for (const { reason, to: went, worker } of trace) {
            expect(reason).toContain('chosen in the kernel');
            expect(went).toBe(worker);
          }
          for (const policy of [...POLICIES, 'rss:queues=4', 'rss:queues=4,weight=1+2+0+1']) {
            const start = (await stats()).totals.received;
            await expect
              .poll(async () => (await stats()).totals.received, { timeout: 60_000 * SLOW, interval: 20 })
              .toBeGreaterThan(start + 4 * FLOWS);
            await ask(socket, 'POST', '/apply', { policy });
          }
          await ask(socket, 'POST', '/rollback');
          await expect(ask(socket, 'POST', '/apply', { policy: 'rps:cpus=0-1' })).rejects.toThrow(
            /the kernel cannot choose its queue by policy rps:cpus=0-1: the kernel’s flow hash/,
          );
          const handoffs = (await stats()).totals.handoffsPerPacket;
          await generator.stop('SIGTERM');
          await generator.expectExit(0);
          const summary = await scenario.finish();
          const seen = await sink.stop();
          const context = JSON.stringify({ summary, seen });
          expect(seen.flows, context).toBe(FLOWS);
          expect(seen.reordered.packets + seen.late + summary.totals.reordered, context).toBe(0);
          expect(handoffs).toBe(0);
          const counted = summary.ports.reduce((all, { rx }) => all + rx.kernelDrops, 0);
          expect(seen.lost, context).toBeLessThanOrEqual(counted + seen.kernelDrops + seen.rxDropped);
        });
      } finally {
        rmSync(folder, { recursive: true, force: true });
      }
    });
  },
);
