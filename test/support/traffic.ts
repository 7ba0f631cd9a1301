/** Traffic of scenario tests: ping, iperf3, and the sequence-checked generator and sink. */
import { tool } from '../../bench/tools/build.mjs';
import type { Lab } from './lab.js';
import type { Process } from './processes.js';

export interface Pings {
  readonly sent: number;
  readonly received: number;
  readonly duplicates: number;
}

/**
 * Pings from a namespace, `count` times 10 ms apart; resolves also when none is answered. What `ping` says it received
 * is a lower bound: once it has a reply it waits for the others two round-trip times only.
 */
export async function ping(
  lab: Lab,
  ns: string,
  target: string,
  { count = 20, size = 56, interval = 0.01 } = {},
): Promise<Pings> {
  const process = lab.start(
    ...([ns, 'ping', '-n', '-q', '-c', `${count}`, '-i', `${interval}`, '-W', '2', '-s', `${size}`] as const),
    target,
  );
  await process.finish();
  const match = process.stdout.match(/(\d+) packets transmitted, (\d+) received(?:, \+(\d+) duplicates)?/);
  if (!match) throw new Error(`ping ${target}: ${process.stdout}${process.stderr}`);
  return { sent: Number(match[1]), received: Number(match[2]), duplicates: Number(match[3] ?? 0) };
}

export interface Iperf {
  /** Bytes that arrived. */
  readonly bytes: number;
  readonly bitsPerSecond: number;
  /** TCP: segments sent again. */
  readonly retransmits: number;
  /** UDP: datagrams sent, lost and out of order, as the server saw them. */
  readonly packets: number;
  readonly lost: number;
  readonly outOfOrder: number;
}

export interface IperfOptions {
  readonly udp?: boolean;
  /** UDP: bits per second. */
  readonly rate?: string;
  /** Ends after so many bytes rather than `seconds`. */
  readonly bytes?: string;
  /** Whole seconds (iperf3 takes 0.5 for 0, and 0 for ever). */
  readonly seconds?: number;
  readonly parallel?: number;
  /** Server sends. */
  readonly reverse?: boolean;
  /** UDP: length of a datagram. */
  readonly length?: number;
  readonly port?: number;
}

/** One iperf3 run from a client namespace to a server namespace. */
export async function iperf(
  lab: Lab,
  client: string,
  server: string,
  target: string,
  options: IperfOptions = {},
): Promise<Iperf> {
  const { udp = false, rate = '20M', seconds = 1, parallel = 1, port = 5201 } = options;
  const listener = lab.start(server, 'iperf3', '-s', '-1', '--forceflush', '-p', `${port}`);
  await listener.line(/Server listening/);
  const args = ['-c', target, '-J', '-p', `${port}`, '-P', `${parallel}`, '--connect-timeout', '5000'];
  if (udp) args.push('-u', '-b', rate, '-l', `${options.length ?? 1200}`);
  if (options.reverse) args.push('-R');
  args.push(...(options.bytes ? ['-n', options.bytes] : ['-t', `${seconds}`]));
  const run = lab.start(client, 'iperf3', ...args);
  await run.finish(60_000);
  await listener.stop('SIGINT');
  const result = JSON.parse(run.stdout);
  if (result.error) throw new Error(`iperf3 ${args.join(' ')}: ${result.error}`);
  const { sum_received: received, sum_sent: sent, sum } = result.end;
  const streams: { udp?: { out_of_order?: number } }[] = result.end.streams ?? [];
  return {
    bytes: (received ?? sum).bytes,
    bitsPerSecond: (received ?? sum).bits_per_second,
    retransmits: sent?.retransmits ?? 0,
    packets: sum?.packets ?? 0,
    lost: sum?.lost_packets ?? 0,
    outOfOrder: streams.reduce((count, stream) => count + (stream.udp?.out_of_order ?? 0), 0),
  };
}

/** What `pktgen` prints; see bench/tools/pktgen.cc. */
export interface Generated {
  sent: number;
  bytes: number;
  flows: number;
  rejected: number;
  txPackets: number;
  txDropped: number;
  packetsPerSecond: number;
  cpuNsPerPacket: number;
}

/** What `pktsink` prints; see bench/tools/pktsink.cc. */
export interface Sunk {
  packets: number;
  checked: number;
  other: number;
  /** Of the checked ones: those of other flows than asked for. */
  foreignFlows: number;
  kernelDrops: number;
  rxDropped: number;
  flows: number;
  unique: number;
  lost: number;
  duplicates: number;
  late: number;
  reordered: { packets: number; flows: number; ratio: number; maxExtent: number; extentsClipped: number };
  latencyNs: { count: number; min: number; p50: number; p99: number; max: number } | null;
}

/** Options of a tool, without the dashes. */
export type Settings = Record<string, string | number>;
const flags = (settings: Settings) =>
  Object.entries(settings).flatMap(([key, value]) => [`--${key}`, `${value}`]);

/** Longest wait for a tool that should end by itself. */
const PATIENCE_MS = 60_000;

/** Runs `pktgen` in a namespace to its end. Settings are its options without the dashes. */
export async function generate(
  lab: Lab,
  ns: string,
  settings: Settings,
  patienceMs = PATIENCE_MS,
): Promise<Generated> {
  const process = lab.start(ns, tool('pktgen'), ...flags(settings));
  await process.finish(patienceMs);
  await process.expectExit(0);
  return JSON.parse(process.stdout) as Generated;
}

export interface Sink {
  readonly process: Process;
  /** SIGTERM (or, with `idle-ms` or `packets`, its own end), and what it has seen. */
  stop(): Promise<Sunk>;
  finish(): Promise<Sunk>;
}

/** Starts `pktsink` in a namespace and awaits its readiness. */
export async function startSink(lab: Lab, ns: string, settings: Settings): Promise<Sink> {
  const process = lab.start(ns, tool('pktsink'), ...flags(settings));
  await process.line(/^ready$/m);
  const result = async () => {
    await process.expectExit(0);
    return JSON.parse(process.stdout) as Sunk;
  };
  return {
    process,
    async stop() {
      await process.stop('SIGTERM');
      return result();
    },
    async finish() {
      await process.finish(PATIENCE_MS);
      return result();
    },
  };
}

/**
 * A VLAN interface `name` with the tag `id` over `parent`: the kernel's where it has 802.1Q, else `vlantap`.
 * Resolves when it is up.
 */
export async function vlan(lab: Lab, ns: string, parent: string, name: string, id: number): Promise<void> {
  try {
    await lab.exec(
      ns,
      ...['ip', 'link', 'add', 'link', parent, 'name', name, 'up', 'type', 'vlan', 'id', `${id}`],
    );
  } catch (error) {
    if (!/Unknown device type|not supported/.test(String(error))) throw error;
    const process = lab.start(
      ns,
      ...[tool('vlantap'), '--interface', parent, '--tap', name, '--vlan', `${id}`],
    );
    await process.line(/^ready$/m);
  }
}
