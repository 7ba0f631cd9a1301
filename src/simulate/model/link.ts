/**
 * A direction of a link: so many bits a second, one packet behind the other, then the way.
 *
 * Promise: a packet takes its bytes and what Ethernet adds (24: preamble, check sequence, gap). What waits to be sent is
 * limited as a transmit ring is.
 */

import type { Packets } from '../machine/packets.js';
import type { Actor, Sim } from '../machine/sim.js';

const OVERHEAD = 24;

export class Link implements Actor {
  /** Picoseconds that it was busy, booked when a packet is accepted. */
  busy = 0;
  packetsSent = 0;
  refused = 0;
  /** The far end. */
  receive: (packet: number) => void = () => {};
  #freeAt = 0;
  readonly #actor: number;

  /**
   * @param perByte picoseconds; 0 = no limit.
   * @param latency one way.
   * @param limit packets of full size that may wait.
   */
  constructor(
    readonly name: string,
    private readonly sim: Sim,
    private readonly packets: Packets,
    public perByte: number,
    private readonly latency: number,
    private readonly limit: number,
  ) {
    this.#actor = sim.enter(this);
  }

  get isFull(): boolean {
    return this.perByte > 0 && this.#freeAt - this.sim.now > this.limit * 1538 * this.perByte;
  }

  /** Sends a packet; false when too much is waiting. */
  send(p: number): boolean {
    const { now } = this.sim;
    if (this.isFull) {
      this.refused++;
      return false;
    }
    const time = Math.round((this.packets.bytes[p]! + OVERHEAD) * this.perByte);
    const start = Math.max(this.#freeAt, now);
    this.#freeAt = start + time;
    this.busy += time;
    this.packetsSent++;
    this.sim.at(this.#freeAt + this.latency, this.#actor, p);
    return true;
  }

  fire(p: number): void {
    this.receive(p);
  }

  /** When there is room again, for those who wait. */
  get roomAt(): number {
    return this.#freeAt - (this.limit * 1538 * this.perByte) / 2;
  }

  /** Busy time that lies beyond the present moment. */
  get ahead(): number {
    return Math.max(0, this.#freeAt - this.sim.now);
  }
}
