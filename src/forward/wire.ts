/**
 * Wire: two ports, each to the other.
 *
 * Promise: like a cable, it looks at no address and keeps nothing: groups, link-local frames (LLDP, STP, LACP)
 * and VLAN tags pass. Only what is not an Ethernet frame at all is dropped.
 */
import {
  BATCH_COUNT,
  type Batch,
  DESCRIPTOR_SHIFT,
  ETHERNET_HEADER_BYTES,
  type Forwarder,
  LENGTH_MASK,
  Out,
  Part,
  PORT_MASK,
} from './batch.js';

// Constants of the module: docs/hot-loops.md.
const COUNT = BATCH_COUNT;
const SHIFT = DESCRIPTOR_SHIFT;
const SIZE = Part.size;
const ORIGIN = Part.origin;
const LENGTH = LENGTH_MASK;
const PORT = PORT_MASK;
const HEADER = ETHERNET_HEADER_BYTES;
const MALFORMED = Out.malformed;
const NO_ROUTE = Out.noRoute;

export class Wire implements Forwarder {
  decide(batch: Batch, _nowSeconds: number): void {
    const { words, out } = batch;
    const n = batch.n & COUNT;
    for (let i = 0; i < n; i++) {
      const at = i << SHIFT;
      const from = words[at + ORIGIN]! & PORT;
      if ((words[at + SIZE]! & LENGTH) < HEADER) out[i] = MALFORMED;
      else out[i] = from < 2 ? from ^ 1 : NO_ROUTE;
    }
  }
}
