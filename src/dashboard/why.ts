/**
 * Why a guest's or a flow's packets go where they go: decisions that were made just now.
 *
 * Promise: pure; of a trace only what concerns the guest is told, each flow once.
 */
import type { TraceEntry } from '../dataplane/shared/trace.js';
import type { FrameDescription } from '../packet/describe.js';
import { protocolName } from '../packet/protocol.js';

/** A decision as the socket gives it: the frame in hex digits. */
export type TracedEntry = Omit<TraceEntry, 'frame'> & { readonly frame: string };

/** Flows that are told. */
const FLOWS_MAX = 12;

export interface WhyAnswer {
  readonly seen: number;
  readonly flows: readonly {
    readonly packet: string;
    readonly from: string;
    readonly by: number;
    readonly to: number;
    readonly bucket: number | null;
    readonly hash: string | null;
    readonly why: string;
  }[];
}

/** `udp 10.0.0.1:1000 > 10.0.0.2:53`. */
export function flowText({ src, dst, protocol, sport, dport, ethertype }: FrameDescription): string {
  if (src === null || dst === null) return `ethertype ${ethertype ?? 'none'}`;
  const end = (address: string, port: number | null) =>
    port === null ? address : `${address.includes(':') ? `[${address}]` : address}:${port}`;
  return `${protocol === null ? 'ip' : protocolName(protocol)} ${end(src, sport)} > ${end(dst, dport)}`;
}

/** @param mac the guest, lower case with colons; null: whatever came */
export function whyOf(entries: readonly TracedEntry[], mac: string | null): WhyAnswer {
  const digits = mac?.replaceAll(':', '') ?? '';
  const mine = entries.filter(({ frame }) => frame.startsWith(digits) || frame.startsWith(digits, 12));
  const flows = new Map<string, WhyAnswer['flows'][number]>();
  for (const entry of mine) {
    const packet = flowText(entry.packet);
    if (flows.has(packet) || flows.size >= FLOWS_MAX) continue;
    flows.set(packet, {
      packet,
      from: `${entry.port}/${entry.rxQueue}`,
      ...{ by: entry.by, to: entry.to, bucket: entry.bucket, hash: entry.hash?.value ?? null },
      why: entry.reason,
    });
  }
  return { seen: mine.length, flows: [...flows.values()] };
}
