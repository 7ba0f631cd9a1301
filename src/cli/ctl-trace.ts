/**
 * `rxsteer ctl trace`: live decisions for people, and as a capture whose packets carry their reason as a comment.
 *
 * Promise: a capture has one packet for each decision, in the order of their times, cut to the bytes that the
 * forwarder kept, with the original length. Wireshark and tshark show the reason as `frame.comment`.
 */
import { CaptureWriter } from '../capture/writer.js';
import type { TraceEntry } from '../dataplane/shared/trace.js';
import { UserError } from '../errors.js';
import type { FrameDescription } from '../packet/describe.js';
import { flowName } from '../packet/flow-name.js';
import { formatTable } from './output.js';

/** A decision as the socket gives it: the frame in hex digits. */
export type TracedDecision = Omit<TraceEntry, 'frame'> & { readonly frame: string };

function packetText(packet: FrameDescription): string {
  const tag = packet.vlans.length === 0 ? '' : ` vlan ${packet.vlans.join('.')}`;
  return `${flowName(packet)}${packet.src === null ? `, ${packet.length} bytes` : ''}${tag}`;
}

/** What became of the frame, in one line. */
export function reasonText(entry: TracedDecision): string {
  const held = entry.to === entry.worker ? '' : `; it went to worker ${entry.to}`;
  return `${entry.reason}${held}`;
}

export function renderTrace(entries: readonly TracedDecision[]): string {
  const first = entries[0]?.timeMs ?? 0;
  const rows = entries.map((entry) => [
    `${((entry.timeMs - first) / 1000).toFixed(6)}`,
    `${entry.port}/${entry.rxQueue}`,
    packetText(entry.packet),
    String(entry.by),
    entry.hash?.value ?? '-',
    entry.bucket === null ? '-' : String(entry.bucket),
    String(entry.to),
    reasonText(entry),
  ]);
  return formatTable(
    [
      { title: 'seconds', align: 'right' },
      { title: 'port/queue' },
      { title: 'packet' },
      { title: 'by', align: 'right' },
      { title: 'hash' },
      { title: 'bucket', align: 'right' },
      { title: 'worker', align: 'right' },
      { title: 'why' },
    ],
    rows,
  );
}

/** Refuses a name that is no pcapng file: plain pcap has no comments. */
export function checkTraceFile(path: string): void {
  if (!path.toLowerCase().endsWith('.pcapng')) {
    throw new UserError(`--write ${path}: the name must end in .pcapng (other captures have no comments)`);
  }
}

/** Writes the capture. @throws UserError where it cannot be written */
export function writeTrace(path: string, entries: readonly TracedDecision[]): void {
  const writer = CaptureWriter.create(path);
  for (const entry of entries) {
    const frame = Buffer.from(entry.frame, 'hex');
    const seconds = Math.floor(entry.timeMs / 1000);
    const nanoseconds = Math.round((entry.timeMs - seconds * 1000) * 1e6);
    writer.comment(
      `port ${entry.port} queue ${entry.rxQueue}, worker ${entry.by} -> ${entry.to}: ${reasonText(entry)}`,
    );
    writer.write(frame, 0, frame.length, entry.length, seconds, Math.min(nanoseconds, 999_999_999));
  }
  const complete = writer.close();
  if (!complete) throw new Error(writer.problem ?? `${path}: not written`);
}
