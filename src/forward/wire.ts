/**
 * Wire: two ports, each to the other.
 *
 * Promise: like a cable, it looks at no address and keeps nothing: groups, link-local frames (LLDP, STP, LACP)
 * and VLAN tags pass. Only what is not an Ethernet frame at all is dropped.
 */
import { ETHERNET_HEADER_BYTES, type Forwarder, Out, WORK_COUNT, type Work, WorkField } from './work.js';

// Constants of this module's own, which V8 folds into the loop (see packet/dissect).
const COUNT = WORK_COUNT;
const LEN = WorkField.len;
const PORT = WorkField.port;
const OUT = WorkField.out;
const HEADER = ETHERNET_HEADER_BYTES;
const MALFORMED = Out.malformed;
const NO_ROUTE = Out.noRoute;

export class Wire implements Forwarder {
  decide(work: Work, _nowSeconds: number): void {
    const { words } = work;
    const n = work.n & COUNT;
    for (let i = 0; i < n; i++) {
      const from = words[PORT + i]!;
      if (words[LEN + i]! < HEADER) words[OUT + i] = MALFORMED;
      else words[OUT + i] = from === 0 ? 1 : from === 1 ? 0 : NO_ROUTE;
    }
  }
}
