/** What tests of AF_XDP ports share. */
import { fileURLToPath } from 'node:url';
import { expect } from 'vitest';
import { ask } from '#rxsteer/control/client.js';
import { startForwarder } from './forwarder.js';
import type { Lab } from './lab.js';
import { python } from './python.js';
import { pingAll, startScenario } from './scenario.js';
import { expectConservation, expectNoDrops, type Summary } from './summary.js';

const PYTHON = python() ?? 'python3';
const here = (name: string) => fileURLToPath(new URL(`./${name}`, import.meta.url));
const BULK_BYTES = 3_000_000;

export interface XdpDetail {
  xdp: string;
  mode: string;
  sendsInPlace: boolean;
  lent: number;
  partialChecksums: number;
  dropped: number;
  ringFull: number;
}
export const detailOf = (summary: Summary, port: number) =>
  (summary.ports[port] as unknown as { detail: XdpDetail }).detail;

/** Number of the XDP program on a link; 0 = none. */
export async function programOn(lab: Lab, ns: string, link: string): Promise<number> {
  const shown = JSON.parse(await lab.exec(ns, 'ip', '-j', '-d', 'link', 'show', 'dev', link)) as {
    xdp?: { prog?: { id: number } };
  }[];
  return shown[0]?.xdp?.prog?.id ?? 0;
}

/** TCP and UDP of two stacks that leave checksums to their devices; what a raw socket at the far end thinks of them. */
async function bulk(lab: Lab, from: string, to: string, address: string) {
  const server = lab.start(to, PYTHON, here('bulk.py'), 'serve', address);
  const meter = lab.start(to, PYTHON, here('sums.py'), 'g0', '1500');
  await Promise.all([server.line(/ready/), meter.line(/ready/)]);
  await lab.exec(from, PYTHON, here('bulk.py'), 'send', address, `${BULK_BYTES}`, '200');
  await Promise.all([server.expectExit(0), meter.expectExit(0)]);
  expect(Number(server.stdout.split('\n')[1])).toBe(BULK_BYTES);
  return JSON.parse(meter.stdout.split('\n')[1]!) as { frames: number; wrong: number; longest: number };
}

/** A switch of such ports whose guests leave checksums to their devices: none may arrive unfinished. */
export async function finishesChecksums(lab: Lab, ports: readonly ('xdp' | 'veth' | 'tap')[]): Promise<void> {
  const scenario = await startScenario(lab, { ports, workers: 2, policy: 'rss' });
  expect(await pingAll(lab, scenario.guests)).toEqual([]);
  const [from, to] = [scenario.guests[0]!, scenario.guests[1]!];
  // Where segments are merged again, or partial checksums handed on as such, a raw socket sees what never was on a wire.
  const wire = ports[1] === 'xdp';
  if (wire) await lab.offload(to.ns, 'g0', { gro: 'off' });
  const seen = await bulk(lab, from.ns, to.ns, to.ipv4);
  if (wire) expect(seen).toMatchObject({ wrong: 0 });
  if (wire) expect(seen.longest).toBeLessThanOrEqual(1514);
  const summary = await scenario.finish();
  expectNoDrops(summary);
  const partial = detailOf(summary, ports.indexOf('xdp')).partialChecksums;
  expect(partial).toBeGreaterThan(20);
}

/**
 * The program in front has chosen each frame's worker, the one that the policy names: a trace says both. Frames of all kinds,
 * many of them damaged.
 */
export async function steersAsThePolicy(lab: Lab, policy: string, frames: number): Promise<void> {
  const [ns, from] = [await lab.namespace(), await lab.namespace()];
  await lab.veth(ns, 'p0', from, 'g0');
  const ports = ['--port', 'a=af_xdp:p0,steer=on', '--port', 'b=memory:sink'];
  const forwarder = await startForwarder(lab, ns, ...ports, '--policy', policy, '--workers', '2');
  const socket = `/run/rxsteer/${forwarder.process.pid}.sock`;
  const n = frames / 4;
  const trace = ask<{ reason: string }[]>(socket, 'POST', '/trace', { n, timeoutMs: 60_000 });
  await lab.exec(from, PYTHON, here('odd.py'), 'g0', `${frames}`, '7');
  const reasons = (await trace).map(({ reason }) => reason);
  expect(reasons.length).toBe(n);
  expect(reasons.filter((reason) => !/decided in XDP: worker \d polls it$/.test(reason))).toEqual([]);
  const statistic = () => lab.statistic(ns, 'p0', 'rx_packets');
  await expect.poll(statistic, { timeout: 30_000 }).toBeGreaterThanOrEqual(frames);
  const summary = await forwarder.stop();
  expectConservation(summary);
  const [a] = summary.ports;
  expect(a!.rx.packets + a!.rx.kernelDrops).toBe(frames);
  expect(summary.handoffs.filter(({ packets }) => packets > 0)).toEqual([]);
  for (const { received } of summary.workers) expect(received).toBeGreaterThan(frames / 20);
}
