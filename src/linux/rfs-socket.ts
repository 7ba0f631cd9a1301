/**
 * What a socket contributes to RFS: the hash of its packets, and the CPU of its application at each call
 * (`sock_rps_record_flow`, `sock_rps_save_rxhash`, `sock_rps_delete_flow`).
 *
 * Promise: writes the socket flow table exactly when the kernel does. Recording happens at the start of a call, so
 * that a receive which sleeps and wakes up on another CPU has recorded the old one. poll, epoll and select record
 * nothing. A moved thread is noticed at its next call only.
 */
import type { SockFlowTable } from './rps-tables.js';
import type { LinuxBehaviour } from './version.js';

/** A socket as RFS sees it. */
export class RfsSocket {
  /** Hash of the last packet that counted; 0 before the first one. */
  rxHash = 0;
  private hashed = true;

  /**
   * @param connected established TCP, or connected UDP: only these record, and only these keep their packets' hash.
   * @param deleteAtUnhash see `LinuxBehaviour`. Default true.
   */
  constructor(
    private readonly table: SockFlowTable,
    public connected: boolean,
    private readonly deleteAtUnhash: LinuxBehaviour['deleteAtUnhash'] = true,
  ) {}

  /** A packet with this hash (the NIC's, or the software's, as RPS saw it) was queued to the socket. */
  received(hash: number): void {
    if (this.connected) this.rxHash = hash;
  }

  /** recvmsg, sendmsg, splice or accept (on the new socket) by a thread that runs on `cpu` now. */
  call(cpu: number): void {
    if (this.connected) this.table.record(this.rxHash, cpu);
  }

  /** Closed, or otherwise taken out of the lookup tables: wipes its entry, whoever owns that by now. Once. */
  unhash(): void {
    if (this.hashed && this.deleteAtUnhash) this.table.remove(this.rxHash);
    this.hashed = false;
  }
}
