/**
 * Watches addresses that go from one port of the switch to another, and says so.
 *
 * Promise: a line when an address moves, the next one a minute later at the earliest, with how many moves there were
 * meanwhile. A machine that migrates does this once; two machines with one address, a loop, or a guest that sends with
 * another's address do it again and again, or get the other's frames for good. Never throws. Main thread only.
 */
import type { MacControl } from '../../forward/mac-control.js';

const QUIET_MS = 60_000;

export class MoveWatch {
  private told = 0;
  private toldAt = Number.NEGATIVE_INFINITY;

  /** @param nameOf what a port is called */
  constructor(
    private readonly table: MacControl | null,
    private readonly nameOf: (port: number) => string,
    private readonly warn: (message: string) => unknown,
  ) {}

  /** Moves so far. */
  get moves(): number {
    return this.table?.moves() ?? 0;
  }

  /** Now and then. */
  look(nowMs: number): void {
    const { moves, told, table } = this;
    if (table === null || moves === told || nowMs - this.toldAt < QUIET_MS) return;
    // Where a worker has the table just now, at the next look.
    const last = table.lastMove();
    if (last === null) return;
    const vlan = last.vlan === 0 ? '' : ` (VLAN ${last.vlan})`;
    const count = moves - told === 1 ? '' : `, and ${moves - told - 1} moves before that`;
    this.warn(
      `address ${last.mac}${vlan} went from port ${this.nameOf(last.from)} to port ${this.nameOf(last.to)}${count}: a machine that moved, a loop, or another's address; mac= of a port and fdb keep addresses where they are`,
    );
    this.told = moves;
    this.toldAt = nowMs;
  }
}
