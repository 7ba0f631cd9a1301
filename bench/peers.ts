/**
 * Suite `peers`: this program beside what a user would take instead, in one run, interleaved.
 *
 * What is not installed is left out and named with the package that brings it; a peer that does not start here is
 * left out with what it said.
 */

import {
  capacityNote,
  commonResults,
  DEPLOYMENT,
  directResults,
  measureDirect,
  requireForwarding,
} from './forward.js';
import { blindness } from './lab/disturbance.js';
import type { Forwarder } from './lab/forwarder.js';
import { hasProgram } from './lab/programs.js';
import { FORWARDER_CPU, GENERATOR_CPU, Topology } from './lab/topology.js';
import { buildGenerators } from './lab/traffic.js';
import { FULL, LIGHT_LOAD, QUICK, visit } from './lab/visit.js';
import { bridge } from './peers/bridge.js';
import { ovs } from './peers/ovs.js';
import { rxsteer, rxsteerXdp } from './peers/rxsteer.js';
import { afPacket, afXdp } from './peers/testpmd.js';
import {
  abba,
  type BenchOptions,
  present,
  ratioOf,
  Samples,
  type Suite,
  type SuiteReport,
} from './runner.js';

const PEERS: readonly Forwarder[] = [afPacket, afXdp, ovs, bridge];

/** Those that are installed and start here; the others go into the notes. */
async function usable(topology: Topology, notes: string[]): Promise<Forwarder[]> {
  const found: Forwarder[] = [];
  for (const forwarder of [rxsteer, rxsteerXdp, ...PEERS]) {
    const missing = forwarder.missing();
    if (missing !== null) {
      notes.push(missing);
      continue;
    }
    topology.offloads(forwarder.offloads);
    try {
      await (await forwarder.start(topology)).stop();
      notes.push(`${forwarder.name}: ${forwarder.settings}`);
      found.push(forwarder);
    } catch (error) {
      notes.push(
        `${forwarder.name} left out: does not start here: ${(error as Error).message.split('\n')[0]}`,
      );
    }
  }
  return found;
}

/** What the machine did besides, for the report. */
function disturbanceNotes(disturbances: readonly string[]): string[] {
  if (disturbances.length === 0) return [];
  return [
    `${disturbances.length} measurements were disturbed and repeated: ${disturbances.slice(0, 3).join('; ')}`,
  ];
}

async function run(options: BenchOptions): Promise<SuiteReport> {
  requireForwarding();
  const suite = 'peers';
  const durations = options.quick ? QUICK : FULL;
  const rounds = options.rounds ?? (options.quick ? 2 : 6);
  const notes: string[] = [
    DEPLOYMENT,
    ...blindness([GENERATOR_CPU, FORWARDER_CPU]).split('\n').filter(Boolean),
  ];
  const withTcp = hasProgram('iperf3');
  if (!withTcp) notes.push('TCP stream left out: no iperf3 (apt-get install iperf3)');
  const generator = await buildGenerators();
  const samples = new Samples();
  const disturbances: string[] = [];
  const context = { generator, durations, samples, disturbances };
  const topology = await Topology.build();
  let found: Forwarder[] = [];
  try {
    options.progress('peers: which are there');
    found = await usable(topology, notes);
    for (const [index, round] of abba(found, rounds).entries()) {
      await measureDirect(topology, generator, samples, durations);
      for (const forwarder of round) {
        options.signal.throwIfAborted();
        options.progress(`peers: round ${index + 1} of ${rounds}: ${forwarder.name}`);
        try {
          await visit(topology, forwarder, context, async (it) => {
            await it.rate();
            await it.throughput(1.1 * samples.of(forwarder.name, 'rate').at(-1)!);
            if (withTcp) await it.tcp();
            await it.ping();
            await it.light();
          });
        } catch (error) {
          if (forwarder === rxsteer || options.signal.aborted) throw error;
          notes.push(`${forwarder.name}, round ${index + 1}: ${(error as Error).message.split('\n')[0]}`);
        }
      }
    }
    for (const forwarder of found) {
      options.signal.throwIfAborted();
      options.progress(`peers: idle: ${forwarder.name}`);
      await visit(topology, forwarder, context, (it) => it.idle());
    }
  } finally {
    topology.close();
  }
  notes.push(...disturbanceNotes(disturbances));
  for (const { name } of found) {
    const note = capacityNote(samples, name);
    if (note !== null) notes.push(`${name} 60-byte frames: ${note}`);
  }
  const against = (
    label: string,
    measure: string,
    peer: Forwarder,
    wanted: string | null,
    note: string | null = null,
  ) =>
    ratioOf(
      `${label}: rxsteer / ${peer.name}`,
      samples.of(rxsteer.name, measure),
      samples.of(peer.name, measure),
      wanted,
      note,
    );
  const xdpAgainst = (label: string, measure: string, other: Forwarder, wanted: string | null) =>
    ratioOf(
      `${label}: rxsteer-af_xdp / ${other.name}`,
      samples.of(rxsteerXdp.name, measure),
      samples.of(other.name, measure),
      wanted,
      capacityNote(samples, rxsteerXdp.name),
    );
  const bound = capacityNote(samples, rxsteer.name);
  return {
    results: [
      ...directResults(suite, samples),
      ...found.flatMap(({ name }) => commonResults(suite, samples, name)),
    ],
    ratios: present([
      against('60-byte frames', 'rate', afPacket, '>= 1.2', bound),
      against('60-byte frames', 'rate', ovs, '>= 2', bound),
      against('60-byte frames', 'rate', afXdp, null, bound),
      against('60-byte frames', 'rate', bridge, null, bound),
      xdpAgainst('CPU time a frame at full rate', 'frameNs', afXdp, '<= 0.85'),
      xdpAgainst('CPU time a frame at full rate', 'frameNs', rxsteer, '<= 0.92'),
      xdpAgainst('60-byte frames', 'rate', afXdp, null),
      xdpAgainst('60-byte frames', 'rate', rxsteer, null),
      xdpAgainst('60-byte frames', 'rate', bridge, null),
      xdpAgainst('60-byte frames at zero loss', 'zeroLoss', afXdp, '>= 1.15'),
      xdpAgainst('60-byte frames at zero loss', 'zeroLoss', afPacket, '>= 1.15'),
      against('60-byte frames at zero loss', 'zeroLoss', afPacket, '>= 1.25', bound),
      against('60-byte frames at 0.5 % loss', 'pdr', afPacket, null, bound),
      against('latency at half of NDR, p99.9', 'latency999', afPacket, null),
      against('CPU time a frame at full rate', 'frameNs', afPacket, null),
      against('CPU time a frame at full rate', 'frameNs', ovs, null),
      against('tcp stream', 'tcp', afPacket, '>= 7'),
      against('tcp stream', 'tcp', bridge, '>= 0.35', 'the goal is 0.5'),
      against('ping, median', 'pingMedian', afPacket, null),
      against(`process time at ${LIGHT_LOAD / 1000} kpps`, 'light', afPacket, null),
    ]),
    notes,
  };
}

export const peers: Suite = {
  name: 'peers',
  about: 'the same by DPDK testpmd, Open vSwitch and the Linux bridge, interleaved (root)',
  run,
};
