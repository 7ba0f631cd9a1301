/**
 * Why a guest's or a flow's packets go where they go: decisions that were made just now.
 *
 * Promise: of a trace only what concerns the guest or the flow is told, each flow once.
 */
import type { TraceEntry } from '../dataplane/shared/trace.js';
import { flowName } from '../packet/flow-name.js';

/** A decision as the socket gives it: the frame in hex digits. */
export type TracedEntry = Omit<TraceEntry, 'frame'> & { readonly frame: string };

/** Flows that are told. */
const FLOWS_MAX = 12;

export interface WhyAnswer {
  /** Decisions that were looked at, and those that concern what was asked about. */
  readonly looked: number;
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

/** What is asked about: a guest by its address, a flow by its name, or neither: whatever came. */
export interface Wanted {
  /** Lower case with colons. */
  readonly mac?: string;
  readonly flow?: string;
}

export function whyOf(entries: readonly TracedEntry[], { mac, flow }: Wanted): WhyAnswer {
  const digits = mac?.replaceAll(':', '') ?? '';
  const flows = new Map<string, WhyAnswer['flows'][number]>();
  let seen = 0;
  for (const entry of entries) {
    if (!entry.frame.startsWith(digits) && !entry.frame.startsWith(digits, 12)) continue;
    const packet = flowName(entry.packet);
    if (flow !== undefined && packet !== flow) continue;
    seen++;
    if (flows.has(packet) || flows.size >= FLOWS_MAX) continue;
    flows.set(packet, {
      packet,
      from: `${entry.port}/${entry.rxQueue}`,
      ...{ by: entry.by, to: entry.to, bucket: entry.bucket, hash: entry.hash?.value ?? null },
      why: entry.reason,
    });
  }
  return { looked: entries.length, seen, flows: [...flows.values()] };
}

/** Decisions that are looked at a time, how often, and how long all of it may take. */
const TRACE_N = 400;
const ROUNDS_MAX = 40;
const WAIT_MS = 1500;

/**
 * Traces until something of what is asked about came, or the time is over: where much else comes, one look would be full of
 * that.
 * @param trace the next decisions, fewer when the time is over
 */
export async function lookAt(
  trace: (n: number, timeoutMs: number) => Promise<readonly TracedEntry[]>,
  wanted: Wanted,
): Promise<WhyAnswer> {
  const end = performance.now() + WAIT_MS;
  let answer = whyOf([], wanted);
  for (let round = 0; round < ROUNDS_MAX && answer.seen === 0; round++) {
    const left = Math.ceil(end - performance.now());
    if (left <= 0) break;
    const looked = whyOf(await trace(TRACE_N, left), wanted);
    answer = { ...looked, looked: answer.looked + looked.looked };
  }
  return answer;
}
