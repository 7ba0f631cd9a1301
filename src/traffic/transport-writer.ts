/**
 * Who finishes the transport headers of made packets.
 *
 * Promise: `TrafficMaker` implements it; pieces of fragmented packets are finished through it.
 */
export interface TransportWriter {
  /** Numbers and checksum of the transport header at `l4`. */
  transport(view: DataView, l4: number, entry: number, kind: number, extra: number, flags: number): void;
  /** Stores the CRC of the SCTP packet of `length` bytes at `l4`. */
  storeCrc(bytes: Uint8Array, view: DataView, l4: number, length: number): void;
}
