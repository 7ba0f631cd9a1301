/**
 * The signature hash of the Intel 82599's Flow Director, by which ATR (application targeted routing) steers.
 *
 * Promise: the vendor routine's value for a transmitted packet's tuple: a 15-bit signature above a 15-bit bucket.
 * Everything is squeezed to 32 bits before hashing, so tuples with the same XOR of their words share a filter. Pure.
 *
 * Source: ixgbe driver (ixgbe_82599.c, signature filters). The tuple is the transmitted packet's; a received packet
 * of the flow has source and destination exchanged.
 */

const BUCKET_KEY = 0x3dad14e2;
const SIGNATURE_KEY = 0x174d3614;

/** Flow types of the filter's first word. */
export const AtrFlowType = {
  udpIpv4: 1,
  tcpIpv4: 2,
  sctpIpv4: 3,
  udpIpv6: 5,
  tcpIpv6: 6,
  sctpIpv6: 7,
} as const;

/** What is hashed of a transmitted packet. */
export interface AtrTuple {
  readonly flowType: number;
  /** VLAN id, 0 for none. */
  readonly vlan: number;
  /** 4 or 16 bytes each. */
  readonly source: Uint8Array;
  readonly destination: Uint8Array;
  readonly sport: number;
  readonly dport: number;
}

/** XOR of all big-endian 32-bit words. */
function foldWords(bytes: Uint8Array): number {
  let word = 0;
  for (let i = 0; i < bytes.length; i++) word ^= bytes[i]! << (24 - 8 * (i & 3));
  return word;
}

/** The second input word: both addresses, and the ports with the ethertype (0x8100 where there is a VLAN). */
export function atrCommonWord(tuple: AtrTuple): number {
  const ethertype = tuple.vlan !== 0 ? 0x8100 : tuple.source.length === 4 ? 0x0800 : 0x86dd;
  const ports = ((tuple.dport ^ ethertype) << 16) | tuple.sport;
  return foldWords(tuple.source) ^ foldWords(tuple.destination) ^ ports;
}

/** Signature in bits 16-30, bucket in bits 0-14. */
export function atrSignatureHash(tuple: AtrTuple): number {
  return atrSignatureOf((tuple.flowType << 16) | tuple.vlan, atrCommonWord(tuple));
}

/** The same of the two words that the hash sees: flow type and VLAN, and the common word. */
export function atrSignatureOf(flow: number, common: number): number {
  const high = common ^ flow ^ (flow >>> 16);
  let low = (common >>> 16) | (common << 16);
  let bucket = 0;
  let signature = 0;
  for (let n = 0; n < 16; n++) {
    if (((BUCKET_KEY >>> n) & 1) === 1) bucket ^= low >>> n;
    if (((SIGNATURE_KEY >>> n) & 1) === 1) signature ^= low >>> n;
    if (((BUCKET_KEY >>> (n + 16)) & 1) === 1) bucket ^= high >>> n;
    if (((SIGNATURE_KEY >>> (n + 16)) & 1) === 1) signature ^= high >>> n;
    // The flow word enters the low half only after bit 0 was used.
    if (n === 0) low ^= flow ^ (flow << 16);
  }
  return ((signature & 0x7fff) << 16) | (bucket & 0x7fff);
}

/**
 * 13-bit bucket of a perfect filter: the bucket half of the same sum, over the masked fields. `common` is the XOR
 * of all words behind the first one (addresses, ports, flexible bytes).
 */
export function perfectBucketOf(flow: number, common: number): number {
  return atrSignatureOf(flow, common) & 0x1fff;
}
