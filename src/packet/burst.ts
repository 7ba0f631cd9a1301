/**
 * A burst: up to `BURST_MAX` received frames, described by parallel typed arrays.
 *
 * Promise: everything that a stage of the engine needs to know about a frame is a 32-bit field at the frame's
 * index in one of these arrays; no object exists per frame. The arrays are private to one worker (not shared),
 * allocated once and reused for every burst.
 *
 * Structure of arrays rather than array of structures because each stage touches a few fields of all frames:
 * its loop then walks few, contiguous cache lines, and V8 keeps one monomorphic `Int32Array` load per field.
 * `Int32Array` everywhere, also for hashes (read them with `>>> 0`): values above 2^31 in a `Uint32Array` leave
 * the small-integer range and cost V8 a double conversion.
 *
 * Besides, dissection packs a descriptor of each frame (`descriptor.ts`): that travels further, an array of structures.
 *
 * A burst comes from one receive queue, so `port` and `queue` are scalars.
 */
import { DESCRIPTOR_WORDS, FLAGS_SHIFT, GROUP_BIT, Part, VLAN_SHIFT } from './descriptor.js';

/** Frames in one burst at most (NAPI's weight, `dev_weight`, is 64 too). */
export const BURST_MAX = 64;

/**
 * `n & BURST_COUNT` is n, for a burst's number of frames. Loops over the fields in `words` count to that: V8 then knows
 * their indices' range and leaves out the check of every addition for overflow (measured: a fifth of such a loop).
 */
export const BURST_COUNT = 2 * BURST_MAX - 1;

/** Bits of `Burst.flags`: what the receive path knows about a frame before anyone parses it. */
export const FrameFlag = {
  /** A virtio-net header with content precedes the frame (`VNET_HDR_LENGTH` bytes before `off`). */
  vnet: 1,
  /** The frame is a GSO/GRO super-frame: to be segmented before it goes onto a wire. */
  gso: 2,
  /** The transport checksum is partial (`VIRTIO_NET_HDR_F_NEEDS_CSUM`). */
  needsCsum: 4,
  /** The capture or the kernel cut the frame short: `len` bytes are there, the frame was longer. */
  truncated: 8,
} as const;

/** Bytes of the virtio-net header in front of every frame in the pool (without `num_buffers`). */
export const VNET_HDR_LENGTH = 10;

/**
 * Fields of `Burst.kind`, the result of dissection.
 *
 * bits 0-1: IP version (0 = not IP, 1 = IPv4, 2 = IPv6); bits 8-15: the transport protocol number that was
 * reached after walking options and extension headers (the fragment's next header for fragments).
 */
export const Kind = {
  ipMask: 3,
  ipv4: 1,
  ipv6: 2,
  /** The addresses were readable (an IP packet without this bit was cut short or lies about its length). */
  addresses: 4,
  /** TCP, UDP or SCTP ports were readable at `l4`; never set for fragments. */
  ports: 8,
  /** A fragment: IPv4 MF or offset, or an IPv6 Fragment header (atomic ones too). */
  fragment: 16,
  /** IPv6 with at least one extension header. */
  extension: 32,
  /** The headers contradict the frame (bad version, length beyond the frame, truncated header). */
  bad: 64,
  /** Destination MAC is a group address (broadcast or multicast). */
  group: 128,
  protocolShift: 8,
} as const;

/**
 * Where each field's array starts in `Burst.words`: frame i's value is `words[Field.kind + i]`.
 *
 * The loops that touch many fields of every frame index this one array: with an array per field V8 keeps pointer,
 * base and length of each in the loop, runs out of registers, and the loop takes half as long again (measured).
 */
export const Field = {
  id: 0 * BURST_MAX,
  off: 1 * BURST_MAX,
  len: 2 * BURST_MAX,
  flags: 3 * BURST_MAX,
  kind: 4 * BURST_MAX,
  ethertype: 5 * BURST_MAX,
  l3: 6 * BURST_MAX,
  l4: 7 * BURST_MAX,
  vlan: 8 * BURST_MAX,
  flow: 13 * BURST_MAX,
  hash: 14 * BURST_MAX,
  hashType: 15 * BURST_MAX,
  bucket: 16 * BURST_MAX,
  rxq: 17 * BURST_MAX,
  worker: 18 * BURST_MAX,
} as const;
const FIELDS = 19;
/** Of those, the ones that are filled when somebody asks: see `Burst.dmacHi`. */
const MACS = 9 * BURST_MAX;

/** Where frame 0's descriptor starts in `Burst.words`; the others follow, see `Part`. */
export const PARTS = FIELDS * BURST_MAX;

/** Where the keys of flow tags lie in `Burst.words`: see `flow-tag.ts`. */
export const KEYS = PARTS + BURST_MAX * DESCRIPTOR_WORDS;
/** The keys of bursts that nobody gives others: odd, and known to everybody. */
const DEFAULT_KEYS: readonly number[] = [
  0x9e3779b1, 0x85ebca6b, 0xc2b2ae35, 0x27d4eb2f, 0x165667b1, 0x61c88647, 0x5bd1e995, 0x1b873593,
];
export const FLOW_KEYS = DEFAULT_KEYS.length;

/** Up to `BURST_MAX` frames and everything that is known about them. */
export class Burst {
  /** All fields of all frames; the arrays below are views of it. See `Field`. */
  readonly words = new Int32Array(KEYS + FLOW_KEYS);
  /** The same memory in pairs of words, for copying descriptors. */
  readonly wide = new Float64Array(this.words.buffer);

  /** Frames in the burst: valid indices are 0 … n-1. */
  n = 0;
  /** Index of the port that received the frames. */
  port = 0;
  /** Receive queue of that port. */
  queue = 0;
  /** The frame pool; a frame's bytes are `bytes[off[i]] … bytes[off[i] + len[i] - 1]`. */
  readonly bytes: Uint8Array;
  /** The same memory for multi-byte reads. Big-endian by DataView's default. */
  readonly view: DataView;

  // Filled by the port.
  /** Pool slot. */
  readonly id = this.field(Field.id);
  /** Byte offset of the frame in `bytes`. */
  readonly off = this.field(Field.off);
  /** Bytes of the frame that are present. */
  readonly len = this.field(Field.len);
  /** `FrameFlag` bits. */
  readonly flags = this.field(Field.flags);

  // Filled by dissection (`dissectBurst`).
  /** See `Kind`. */
  readonly kind = this.field(Field.kind);
  /** Ethertype after all VLAN tags (0 for LLC frames and frames below 14 bytes). */
  readonly ethertype = this.field(Field.ethertype);
  /** Absolute offset of the IP header, or -1. */
  readonly l3 = this.field(Field.l3);
  /** Absolute offset of the transport header (ports at `l4` … `l4 + 3`), or -1. */
  readonly l4 = this.field(Field.l4);
  /** Outer VLAN tag control information, or -1 when untagged. */
  readonly vlan = this.field(Field.vlan);
  /** Descriptors, all words but `seq` and `ledger` (see `Part`); frame i's begins at word `i * DESCRIPTOR_WORDS`. */
  readonly parts = this.words.subarray(PARTS, KEYS);
  /** How many of the frames have `Kind.bad`. */
  bad = 0;
  /** The MAC fields have been unpacked. Whoever changes descriptors makes it false. */
  hasMacs = false;
  private readonly macs = [0, 1, 2, 3].map((k) => this.field(MACS + k * BURST_MAX));
  /**
   * 32-bit identity of the directed outer flow (addresses, protocol, ports, VLAN id); 0 when not IP. Depends on the keys,
   * which are secret in a running engine; a user's policy sees it as the default ones make it.
   */
  readonly flow = this.field(Field.flow);

  // Filled by steering.
  /** The hash that decided (0 where nothing was hashed). */
  readonly hash = this.field(Field.hash);
  /** `HashType` that was hashed (0 = none). */
  readonly hashType = this.field(Field.hashType);
  /** Index into the indirection table or CPU list, or -1. */
  readonly bucket = this.field(Field.bucket);
  /** Queue that the table names, or -1 where the policy has no queues. */
  readonly rxq = this.field(Field.rxq);
  /** The worker that shall process the frame. */
  readonly worker = this.field(Field.worker);

  /**
   * @param bytes the pool (or any buffer that holds the frames); kept, not copied
   * @param packs dissection makes whole descriptors; false where frames are steered but go nowhere, so that only the
   *   addresses in `parts` are filled
   */
  constructor(
    bytes: Uint8Array,
    readonly packs = true,
  ) {
    this.bytes = bytes;
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.words.set(DEFAULT_KEYS, KEYS);
  }

  /** Flow tags depend on these `FLOW_KEYS` words from now on; they are made odd. */
  keyFlows(keys: Int32Array): void {
    for (let k = 0; k < FLOW_KEYS; k++) this.words[KEYS + k] = keys[k]! | 1;
  }

  /**
   * Destination MAC: first two bytes. The four MAC fields are arrays by frame like the others, to be read only: unpacked
   * from the descriptors when somebody asks, since most policies never do.
   */
  get dmacHi(): Int32Array {
    return this.unpackMacs()[0]!;
  }
  /** Destination MAC: last four bytes. */
  get dmacLo(): Int32Array {
    return this.unpackMacs()[1]!;
  }
  /** Source MAC: first two bytes. */
  get smacHi(): Int32Array {
    return this.unpackMacs()[2]!;
  }
  /** Source MAC: last four bytes. */
  get smacLo(): Int32Array {
    return this.unpackMacs()[3]!;
  }

  /** Packs frame i's descriptor from its fields, `port` included, and its addresses. Not for the hot path. */
  describe(i: number, dmacHi: number, dmacLo: number, smacHi: number, smacLo: number): void {
    const { parts } = this;
    const at = i * DESCRIPTOR_WORDS;
    const group = (this.kind[i]! & Kind.group) === 0 ? 0 : GROUP_BIT;
    const tag = this.vlan[i]!;
    parts[at + Part.dmacLo] = dmacLo;
    parts[at + Part.size] = this.len[i]! | (this.flags[i]! << FLAGS_SHIFT) | group;
    parts[at + Part.smacLo] = smacLo;
    parts[at + Part.id] = this.id[i]!;
    parts[at + Part.macs] = (dmacHi << 16) | smacHi;
    parts[at + Part.origin] = this.port | ((tag < 0 ? 0 : (tag & 0xfff) + 1) << VLAN_SHIFT);
    this.hasMacs = false;
  }

  /** Takes out the frames that are marked; the others keep their order. Not for the hot path. */
  remove(marks: Uint8Array): void {
    const { words } = this;
    let kept = 0;
    let bad = 0;
    for (let i = 0; i < this.n; i++) {
      if (marks[i] !== 0) continue;
      if ((this.kind[i]! & Kind.bad) !== 0) bad++;
      if (kept < i) {
        for (let field = 0; field < PARTS; field += BURST_MAX) words[field + kept] = words[field + i]!;
        words.copyWithin(
          PARTS + kept * DESCRIPTOR_WORDS,
          PARTS + i * DESCRIPTOR_WORDS,
          PARTS + (i + 1) * DESCRIPTOR_WORDS,
        );
      }
      kept++;
    }
    this.n = kept;
    this.bad = bad;
    this.hasMacs = false;
  }

  private unpackMacs(): Int32Array[] {
    const { macs } = this;
    if (this.hasMacs) return macs;
    this.hasMacs = true;
    const { words } = this;
    const n = this.n & BURST_COUNT;
    for (let i = 0; i < n; i++) {
      const at = PARTS + i * DESCRIPTOR_WORDS;
      words[MACS + i] = words[at + Part.macs]! >>> 16;
      words[MACS + BURST_MAX + i] = words[at + Part.dmacLo]!;
      words[MACS + 2 * BURST_MAX + i] = words[at + Part.macs]! & 0xffff;
      words[MACS + 3 * BURST_MAX + i] = words[at + Part.smacLo]!;
    }
    return macs;
  }

  private field(start: number): Int32Array {
    return this.words.subarray(start, start + BURST_MAX);
  }

  /** Describes one frame for stages that work on bursts (explain, replay, tests). Throws RangeError when full. */
  add(off: number, len: number, flags = 0): number {
    const i = this.n;
    if (i >= BURST_MAX) throw new RangeError(`a burst holds at most ${BURST_MAX} frames`);
    this.id[i] = i;
    this.off[i] = off;
    this.len[i] = len;
    this.flags[i] = flags;
    this.n = i + 1;
    return i;
  }
}
