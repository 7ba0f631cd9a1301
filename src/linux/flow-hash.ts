/**
 * The kernel's software packet hash (`skb_get_hash`, and `__skb_get_hash_symmetric` with `symmetric`).
 *
 * Promise: for a given 128-bit key the exact value that a little-endian kernel with that key computes for the
 * frame: flow keys (see `FlowKeys`), made symmetric, SipHash-2-4, lower 32 bits, 0 replaced by 1. A running kernel's
 * key is random per boot and secret, so values differ from its values while equalities between frames do not.
 * No allocation per packet. An object may be used by one thread only.
 */
import { type Burst, Kind } from '../packet/burst.js';
import { AddressKind, FLOW_KEY_BYTES, FlowKeys } from './flow-keys.js';
import { SIPHASH_STATE_WORDS, SipHash } from './siphash.js';
import type { LinuxBehaviour } from './version.js';

/** Which of the hashes, and the behaviour of which kernel. */
export interface LinuxFlowHashOptions {
  /** Addresses and ports only: what PACKET_FANOUT_HASH and tun use. Default false. */
  readonly symmetric?: boolean;
  /** See `LinuxBehaviour.canonical`. Default 'sorted'. */
  readonly canonical?: LinuxBehaviour['canonical'];
  /** See `FlowKeyOptions.mplsEntropy`. Default false. */
  readonly mplsEntropy?: boolean;
}

/**
 * Plain frames share their first 24 bytes (no label, no tag): the state behind them is kept per combination. Those
 * with one tag share them with the others of their VLAN: the states of recent tags are kept.
 */
const PREFIX_WORDS = 6;
/** Tags remembered; a power of two. Two of one slot cost what remembering saves. */
const TAG_SLOTS = 256;
/** First words of these combinations: IPv4 TCP, IPv4 UDP, IPv6 TCP, IPv6 UDP. */
const PREFIX_OF = Int32Array.of(0x060008, 0x110008, 0x06dd86, 0x11dd86);
const PLAIN_KIND = Kind.addresses | Kind.ports | Kind.fragment | Kind.extension | Kind.bad | Kind.ipMask;
const PLAIN_IPV4 = Kind.addresses | Kind.ports | Kind.ipv4;
const PLAIN_IPV6 = Kind.addresses | Kind.ports | Kind.ipv6;

/** The kernel's software hash of a packet (`skb_get_hash`, `__skb_get_hash_symmetric`) under a given 16-byte key. */
export class LinuxFlowHash {
  /** What the last hashed frame consisted of. Not written by `hashBurst` for plain TCP and UDP. */
  readonly keys: FlowKeys;

  private readonly sip: SipHash;
  private readonly symmetric: boolean;
  private readonly canonical: LinuxBehaviour['canonical'];
  /** Saved states, in the order of `PREFIX_OF`. */
  private readonly prefixes = new Int32Array(4 * SIPHASH_STATE_WORDS);
  /** The words of a plain frame; word 8 (ICMP), 11 and 17 (padding) stay 0. */
  private readonly plain4 = new Int32Array(12);
  private readonly plain6 = new Int32Array(18);
  /** States behind tags, by slot, and the tag that each is of; 0 = none. */
  private readonly tagStates = new Int32Array(TAG_SLOTS * SIPHASH_STATE_WORDS);
  private readonly tagsOf = new Int32Array(TAG_SLOTS);
  private readonly tagWords = new Int32Array(PREFIX_WORDS);

  /** @param key 16 bytes. Throws `UserError` for any other length. */
  constructor(key: Uint8Array, options: LinuxFlowHashOptions = {}) {
    this.sip = new SipHash(key);
    this.symmetric = options.symmetric === true;
    this.canonical = options.canonical ?? 'sorted';
    this.keys = new FlowKeys({ symmetric: this.symmetric, mplsEntropy: options.mplsEntropy === true });
    const first = new Int32Array(PREFIX_WORDS);
    for (let i = 0; i < 4; i++) {
      const at = i * SIPHASH_STATE_WORDS;
      first[0] = PREFIX_OF[i]!;
      this.prefixes.set(this.sip.initial, at);
      this.sip.absorb(this.prefixes, at, first, 0, PREFIX_WORDS);
    }
  }

  /** Hash of one Ethernet frame, as a signed 32-bit number, never 0. Leaves what was hashed in `keys`. */
  hashFrame(bytes: Uint8Array, off: number, len: number): number {
    const keys = this.keys;
    keys.dissect(bytes, off, len);
    const words = keys.words;
    if (keys.addresses === AddressKind.ipv4) this.order(words, 9, 10, 1, 7);
    else if (keys.addresses === AddressKind.ipv6) this.order(words, 9, 13, 4, 7);
    const length = FLOW_KEY_BYTES[keys.addresses]!;
    const whole = (length >> 3) << 1;
    const lo = (length & 4) !== 0 ? words[whole]! : 0;
    // Most frames that come here have nothing in the first 24 bytes but a well-known pair of protocols.
    let h = 0;
    const prefix = (words[1]! | words[2]! | words[3]!) === 0 ? PREFIX_OF.indexOf(words[0]!) : -1;
    if (prefix >= 0) {
      const at = prefix * SIPHASH_STATE_WORDS;
      h = this.sip.finish(this.prefixes, at, words, PREFIX_WORDS, whole, lo, length << 24);
    } else h = this.sip.finish(this.sip.initial, 0, words, 0, whole, lo, length << 24);
    return h === 0 ? 1 : h;
  }

  /**
   * Writes `burst.hash` for all frames of a dissected burst. TCP and UDP behind plain headers and at most one VLAN
   * tag take the positions of their headers from the dissection; all else is walked again by the kernel's rules.
   */
  hashBurst(burst: Burst): void {
    const { n, kind, off, len, l3, l4, hash, bytes } = burst;
    for (let i = 0; i < n; i++) {
      const k = kind[i]!;
      const shape = k & PLAIN_KIND;
      const transport = k >> Kind.protocolShift;
      if ((shape === PLAIN_IPV4 || shape === PLAIN_IPV6) && (transport === 6 || transport === 17)) {
        const at = l3[i]!;
        const start = off[i]!;
        const isTagged = at === start + 18 && isVlan(bytes, start + 12);
        if (isTagged || at === start + 14) {
          const pair = (shape === PLAIN_IPV4 ? 0 : 2) + (transport === 6 ? 0 : 1);
          let states = this.prefixes;
          let state = pair * SIPHASH_STATE_WORDS;
          if (isTagged && !this.symmetric) {
            states = this.tagStates;
            state = this.tagState(pair, bytes, start);
          }
          if (pair < 2) {
            hash[i] = this.hashPlain4(states, state, bytes, at, l4[i]!);
            continue;
          }
          // A flow label is the low 20 bits of the first word; it ends the walk, except for the symmetric hash.
          if (this.symmetric || ((bytes[at + 1]! & 15) | bytes[at + 2]! | bytes[at + 3]!) === 0) {
            hash[i] = this.hashPlain6(states, state, bytes, at, l4[i]!);
            continue;
          }
        }
      }
      hash[i] = this.hashFrame(bytes, off[i]!, len[i]!);
    }
  }

  /** Where the state behind the tag of a frame is. */
  private tagState(pair: number, bytes: Uint8Array, off: number): number {
    // TPID and tag; the drop-eligible bit is not kept.
    const tag =
      (bytes[off + 12]! << 24) |
      (bytes[off + 13]! << 16) |
      ((bytes[off + 14]! & 0xef) << 8) |
      bytes[off + 15]!;
    const slot = ((tag << 2) ^ (tag >>> 11) ^ pair) & (TAG_SLOTS - 1);
    const { tagsOf, tagStates, tagWords } = this;
    const at = slot * SIPHASH_STATE_WORDS;
    // One tag has different slots with different pairs.
    if (tagsOf[slot] === tag) return at;
    tagsOf[slot] = tag;
    tagWords[0] = PREFIX_OF[pair]!;
    tagWords[2] = (tag & 0xffff) | ((tag >>> 24) << 16) | (((tag >>> 16) & 255) << 24);
    tagWords[3] = PREFIX_OF[pair]! & 0xffff;
    tagStates.set(this.sip.initial, at);
    this.sip.absorb(tagStates, at, tagWords, 0, PREFIX_WORDS);
    return at;
  }

  private hashPlain4(states: Int32Array, state: number, bytes: Uint8Array, l3: number, l4: number): number {
    const w = this.plain4;
    w[7] = wire(bytes, l4);
    w[9] = wire(bytes, l3 + 12);
    w[10] = wire(bytes, l3 + 16);
    this.order(w, 9, 10, 1, 7);
    const h = this.sip.finish(states, state, w, PREFIX_WORDS, 12, 0, 48 << 24);
    return h === 0 ? 1 : h;
  }

  private hashPlain6(states: Int32Array, state: number, bytes: Uint8Array, l3: number, l4: number): number {
    const w = this.plain6;
    w[7] = wire(bytes, l4);
    for (let i = 0; i < 8; i++) w[9 + i] = wire(bytes, l3 + 8 + 4 * i);
    this.order(w, 9, 13, 4, 7);
    const h = this.sip.finish(states, state, w, PREFIX_WORDS, 18, 0, 72 << 24);
    return h === 0 ? 1 : h;
  }

  /**
   * Puts the two addresses (`size` words at `src` and `dst`) and the two ports into the order that both
   * directions of a flow share (`__flow_hash_consistentify`). IPv4 addresses and ports compare as little-endian
   * numbers, IPv6 addresses byte by byte.
   */
  private order(words: Int32Array, src: number, dst: number, size: number, ports: number): void {
    const p = words[ports]!;
    const portsSwap = Number(p >>> 16 < (p & 0xffff));
    // Which of two addresses is the smaller is a coin toss: no branches where they differ in their first word.
    let swap = 0;
    let same = 0;
    if (size === 1) {
      const s = words[src]!;
      const d = words[dst]!;
      swap = Number(this.canonical === 'signed' ? ((d - s) | 0) < 0 : d >>> 0 < s >>> 0);
      same = Number(s === d);
    } else {
      let i = 0;
      while (i < size - 1 && words[src + i] === words[dst + i]) i++;
      const s = words[src + i]!;
      const d = words[dst + i]!;
      swap = Number(swap32(d) >>> 0 < swap32(s) >>> 0);
      same = Number(s === d);
    }
    for (let i = 0; i < size; i++) {
      const difference = (words[src + i]! ^ words[dst + i]!) & -swap;
      words[src + i]! ^= difference;
      words[dst + i]! ^= difference;
    }
    const turn = this.canonical === 'together' ? swap | (same & portsSwap) : portsSwap;
    // A rotation by 16 bits, or by 0.
    const bits = turn << 4;
    words[ports] = (p << bits) | ((p >>> (32 - bits)) & -turn);
  }
}

function wire(b: Uint8Array, o: number): number {
  return b[o]! | (b[o + 1]! << 8) | (b[o + 2]! << 16) | (b[o + 3]! << 24);
}

/** A tag protocol that the kernel's dissector walks. */
function isVlan(b: Uint8Array, o: number): boolean {
  return (b[o] === 0x81 && b[o + 1] === 0) || (b[o] === 0x88 && b[o + 1] === 0xa8);
}

function swap32(w: number): number {
  return (w << 24) | ((w & 0xff00) << 8) | ((w >>> 8) & 0xff00) | (w >>> 24);
}

/** What a driver says that its hash covers (`enum pkt_hash_types`). */
export type HardwareHashType = 'none' | 'l2' | 'l3' | 'l4';

/**
 * The hash that the stack uses (`skb_get_hash`): the NIC's only when it is marked as covering layer 4, whatever its
 * value (0 then means that the packet is not steered), else the software's.
 */
export function packetHash(type: HardwareHashType, hardware: number, software: () => number): number {
  return type === 'l4' ? hardware : software();
}
