/**
 * Wire: two ports, each to the other.
 *
 * Promise: like a cable, it looks at no address and keeps nothing: groups, link-local frames (LLDP, STP, LACP)
 * and VLAN tags pass. Only what is not an Ethernet frame at all is dropped.
 */
import { ETHERNET_HEADER_BYTES, type Forwarder, Out, type Work } from './work.js';

export class Wire implements Forwarder {
  decide(work: Work, _nowSeconds: number): void {
    const { n, len, port, out } = work;
    for (let i = 0; i < n; i++) {
      const from = port[i]!;
      if (len[i]! < ETHERNET_HEADER_BYTES) out[i] = Out.malformed;
      else out[i] = from === 0 ? 1 : from === 1 ? 0 : Out.noRoute;
    }
  }
}
