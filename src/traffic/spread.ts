/**
 * A capture spread: the same packets, sizes and times, as so many flows or to so many guests.
 *
 * Promise: one pass (after a survey, see survey.ts), constant memory but for the set of flows that is counted;
 * seeded; checksums as in rewrite.ts. Flow v has client v's address and source port and goes to guest v mod guests;
 * packets that are not IP keep everything but the guest's MAC; group MACs stay. All fragments of a datagram become fragments of one flow.
 * Packets are written as Ethernet.
 */
import { ethernetLength, writeEthernet } from '../capture/ethernet.js';
import { type CaptureBatch, PACKET_BYTES_MAX } from '../capture/format.js';
import type { CaptureStream } from '../capture/stream.js';
import { UserError } from '../errors.js';
import { SeededRandom } from '../hash/random.js';
import { BURST_MAX, Burst, FrameFlag, Kind } from '../packet/burst.js';
import { dissectBurst } from '../packet/dissect.js';
import { CLIENT_BITS, mix32, PORT_BASE } from './flows.js';
import { Permutation } from './permutation.js';
import type { RecordEncoder } from './records.js';
import { fragmentId, Rewriter } from './rewrite.js';
import { flowWeights } from './shares.js';
import type { ByteSink } from './sink.js';
import { drawBy, type FlowShares, packetKind, runningSums } from './survey.js';
import { TupleSet } from './tuple-ids.js';

/** How to spread. */
export interface SpreadOptions {
  /** Flows, by kind of packet; null keeps source addresses and ports. */
  readonly flows: FlowShares | null;
  /** Guests (MAC and IP addresses of the destination); 0 keeps destination MACs. */
  readonly guests: number;
  /** Packets of one flow of the capture stay together. */
  readonly keepFlows: boolean;
  /** Zipf exponent of what each flow (or guest) gets. */
  readonly zipf: number;
  readonly seed: number;
}

/** What the spread capture contains. */
export interface SpreadSummary {
  readonly packets: number;
  readonly bytes: number;
  /** Directed outer 5-tuples. */
  readonly flows: number;
  /** Destination MAC addresses, without group addresses. */
  readonly guests: number;
  readonly fragments: number;
  readonly notIp: number;
  /** IP packets that were left as they are: damaged, or Mobile IPv6. */
  readonly unchanged: number;
  /** What could not be read, or null. */
  readonly warning: string | null;
}

const BUFFER_BYTES = 1 << 20;
/** Datagrams whose flow is remembered for their later fragments. */
const DATAGRAMS = 4096;

/** Writes the spread capture into the sink, which stays open. @throws UserError */
export async function spreadCapture(
  input: CaptureStream,
  options: SpreadOptions,
  encoder: RecordEncoder,
  sink: ByteSink,
  onProgress: (packets: number) => void = () => {},
): Promise<SpreadSummary> {
  if (options.flows === null && options.guests === 0)
    throw new UserError('spread: flows or guests are needed');
  const spreader = new Spreader(options, encoder);
  await sink.write(encoder.fileHeader());
  for await (const batch of input) {
    for (let i = 0; i < batch.n; i++) {
      if (!spreader.fits()) {
        await sink.write(spreader.take());
        onProgress(spreader.packets);
      }
      spreader.add(batch, i);
    }
  }
  await sink.write(spreader.take());
  return spreader.summary(input.status.warning);
}

class Spreader {
  packets = 0;
  readonly #options: SpreadOptions;
  readonly #encoder: RecordEncoder;
  readonly #bytes = new Uint8Array(BUFFER_BYTES + 2 * PACKET_BYTES_MAX);
  readonly #burst = new Burst(this.#bytes);
  readonly #rewriter = new Rewriter();
  readonly #flows = new TupleSet();
  readonly #random: SeededRandom;
  readonly #addresses: Permutation;
  /** Running sums of the guests' weights. */
  readonly #upTo: Float64Array;
  readonly #datagramKeys = new Int32Array(DATAGRAMS);
  readonly #datagramFlows = new Int32Array(DATAGRAMS).fill(-1);
  readonly #macs = new Set<number>();
  readonly #tuple: {
    changesSource: boolean;
    source: number;
    destination: number;
    sport: number;
    dport: number;
  };
  #end = 0;
  #wireBytes = 0;
  #fragments = 0;
  #notIp = 0;

  constructor(options: SpreadOptions, encoder: RecordEncoder) {
    this.#options = options;
    this.#encoder = encoder;
    this.#random = new SeededRandom(options.seed ^ 0x73707264);
    this.#addresses = new Permutation(2 ** CLIENT_BITS, options.seed ^ 0x61646472);
    this.#upTo = runningSums(flowWeights(Math.max(1, options.guests), options.zipf, 0, 0));
    const changesSource = options.flows !== null;
    this.#tuple = { changesSource, source: 0, destination: 0, sport: -1, dport: -1 };
  }

  /** Whether the buffer takes another packet. */
  fits(): boolean {
    return this.#end < BUFFER_BYTES;
  }

  /** Adds a packet of a batch. */
  add(batch: CaptureBatch, i: number): void {
    const { head } = this.#encoder;
    const linkType = batch.linkType[i]!;
    const captured = batch.len[i]!;
    // Cut off inside a cooked header: an empty frame stays an empty frame.
    const length = Math.max(0, ethernetLength(linkType, captured));
    const at = this.#end + head;
    if (length > 0) writeEthernet(linkType, batch.bytes, batch.off[i]!, captured, this.#bytes, at);
    const original = batch.original[i]! + length - captured;
    const isCut = batch.original[i]! > captured;
    this.#end += this.#encoder.finish(
      this.#burst.view,
      this.#end,
      length,
      Math.max(length, original),
      batch.seconds[i]!,
      batch.nanoseconds[i]!,
    );
    this.packets++;
    this.#wireBytes += Math.max(length, original);
    this.#burst.add(at, length, isCut ? FrameFlag.truncated : 0);
    if (this.#burst.n === BURST_MAX) this.#flush();
  }

  /** The buffer's content, ready to be written; it starts anew with the next `add`. */
  take(): Uint8Array {
    this.#flush();
    const taken = this.#bytes.subarray(0, this.#end);
    this.#end = 0;
    return taken;
  }

  #flush(): void {
    const burst = this.#burst;
    dissectBurst(burst);
    for (let i = 0; i < burst.n; i++) this.#spread(i);
    burst.n = 0;
  }

  #spread(i: number): void {
    const burst = this.#burst;
    const { view } = burst;
    const { flows, guests } = this.#options;
    const kind = burst.kind[i]!;
    const isIp = (kind & Kind.addresses) !== 0;
    if ((kind & Kind.fragment) !== 0) this.#fragments++;
    if (!isIp) this.#notIp++;
    const chosen = flows !== null && !isIp ? 0 : this.#choose(i, kind);
    const guest = guests > 0 ? chosen % guests : 0;
    const isGroup = (kind & Kind.group) !== 0;
    const off = burst.off[i]!;
    if (guests > 0 && !isGroup && burst.len[i]! >= 14) {
      view.setUint16(off, 0x5254);
      view.setUint32(off + 2, guest + 1);
    }
    if (!isGroup && burst.len[i]! >= 14)
      this.#macs.add(view.getUint16(off) * 2 ** 32 + view.getUint32(off + 2));
    // Packets to a group stay with their group, unless they shall be flows.
    if (isIp && (flows !== null || !isGroup)) {
      const tuple = this.#tuple;
      tuple.source = 0x0a000000 + (flows !== null ? this.#addresses.at(chosen) : 0);
      tuple.destination = 0x0a800000 + guest + 1;
      if (flows !== null) {
        tuple.sport = PORT_BASE + (mix32(chosen) & (PORT_BASE - 1));
        tuple.dport = 5001;
      }
      this.#rewriter.rewrite(burst, i, tuple);
    }
    // Addresses and ports are read where they lie, so this counts the new tuple.
    this.#flows.addFrame(burst, i);
  }

  /** Flow (or guest) of a packet. */
  #choose(i: number, kind: number): number {
    const burst = this.#burst;
    const { keepFlows, seed } = this.#options;
    if (keepFlows) return this.#draw(kind, mix32(burst.flow[i]! ^ seed), true);
    if ((kind & Kind.fragment) === 0) return this.#draw(kind, this.#random.next(), false);
    const key = mix32(fragmentId(burst, i) ^ mix32(burst.flow[i]!)) | 0;
    const slot = key & (DATAGRAMS - 1);
    if (this.#datagramKeys[slot] !== key || this.#datagramFlows[slot]! < 0) {
      this.#datagramKeys[slot] = key;
      this.#datagramFlows[slot] = this.#draw(kind, this.#random.next(), false);
    }
    return this.#datagramFlows[slot]!;
  }

  #draw(kind: number, bits: number, keep: boolean): number {
    const { flows } = this.#options;
    return flows === null ? drawBy(this.#upTo, bits) : flows.choose(packetKind(kind), bits, keep);
  }

  summary(warning: string | null): SpreadSummary {
    return {
      packets: this.packets,
      bytes: this.#wireBytes,
      flows: this.#flows.size,
      guests: this.#macs.size,
      fragments: this.#fragments,
      notIp: this.#notIp,
      unchanged: this.#rewriter.unchanged,
      warning,
    };
  }
}
