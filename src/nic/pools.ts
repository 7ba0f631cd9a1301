/**
 * Pool selection of the Intel 82576 and 82599: which virtual machines' pools get a frame, before RSS chooses a
 * queue inside each pool.
 *
 * Promise: `select` and `transmit` are exact for the order that is modelled, allocate nothing and never throw; the
 * result stays in `low` and `high` until the next call. Built once from a configuration that was checked; one
 * thread.
 *
 * Order (82576 as QEMU's igb models it; 82599 drivers): VLAN table, then MAC (broadcast; all exact filters; else
 * hash tables; promiscuous modes), then VLAN narrows, then the default pool for unicast that nobody wants, then
 * enabled pools and frame length; without replication only the lowest pool gets a group frame. Mirror rules add
 * their destination last.
 */
import { HashFilter, lowestPool, MacFilters, type PoolMask, VlanFilters } from './pool-filters.js';

/** Largest value of the 14-bit RLPML. */
export const LONG_LENGTH_MAX = 0x3fff;

/** What a chip has. */
export interface PoolChip {
  readonly id: 'igb-82576' | 'igb-i350' | 'ixgbe-82599' | 'ixgbe-x540' | 'ixgbe-x550';
  readonly macFilters: number;
  readonly vlanFilters: number;
  readonly mirrorRules: number;
}

/** The chips whose pools are modelled. */
export const POOL_CHIPS: readonly PoolChip[] = [
  { id: 'igb-82576', macFilters: 24, vlanFilters: 32, mirrorRules: 4 },
  { id: 'igb-i350', macFilters: 32, vlanFilters: 32, mirrorRules: 4 },
  { id: 'ixgbe-82599', macFilters: 128, vlanFilters: 64, mirrorRules: 4 },
  { id: 'ixgbe-x540', macFilters: 128, vlanFilters: 64, mirrorRules: 4 },
  { id: 'ixgbe-x550', macFilters: 128, vlanFilters: 64, mirrorRules: 4 },
];

/** A mirror rule: what matches is copied to a pool. */
export interface MirrorRule {
  /** Frames that these pools get. */
  readonly pools?: PoolMask;
  /** Frames that come from the wire. */
  readonly uplink?: boolean;
  /** Frames that go to the wire. */
  readonly downlink?: boolean;
  readonly vlans?: readonly number[];
  readonly to: number;
}

/** Pools with a property, as sets. Names in brackets are the register bits. */
export interface PoolSettings {
  readonly pools: number;
  /** Unicast that no pool wants goes here; -1 = disabled. */
  readonly defaultPool: number;
  readonly replication: boolean;
  readonly vlanFiltering: boolean;
  /** Accepts broadcast (BAM). */
  readonly broadcast: PoolMask;
  /** Accepts multicast by hash (ROMPE). */
  readonly multicastHash: PoolMask;
  /** Accepts unicast by hash (ROPE). */
  readonly unicastHash: PoolMask;
  /**
   * Which pools a hit in the unicast table adds: those of ROPE, as the register is named (default), or those of
   * ROMPE, as QEMU's igb does for both tables.
   */
  readonly unicastHashBy?: 'rope' | 'rompe';
  /** Gets all multicast (MPE). */
  readonly allMulticast: PoolMask;
  /** Gets all unicast (UPE). */
  readonly promiscuous: PoolMask;
  /** Accepts untagged frames (AUPE). */
  readonly untagged: PoolMask;
  /** Accepts every VLAN (VPE). */
  readonly vlanPromiscuous: PoolMask;
  readonly enabled: PoolMask;
  /** Longest frame that all but the pools of `longFrames` take. */
  readonly maxLength: number;
  /** Pools that take frames up to their long length (LPE). */
  readonly longFrames: PoolMask;
  /** Long length of each pool (RLPML, 14 bits); absent = the register's largest. */
  readonly longLengths?: readonly number[];
  /** May send with any source MAC (no anti-spoofing). */
  readonly anySource: PoolMask;
  /** May send on any VLAN. */
  readonly anyVlan: PoolMask;
  /** May send every ethertype. Absent = all pools. */
  readonly anyEthertype?: PoolMask;
  /** Ethertypes that other pools may not send (LLDP, flow control, …). */
  readonly guardedEthertypes?: readonly number[];
  /** Frames between pools stay inside (local switch). */
  readonly loopback: boolean;
  /** Pools whose frames the local switch takes. Absent = all. */
  readonly loopbackPools?: PoolMask;
  readonly mirrors: readonly MirrorRule[];
  readonly macFilters: number;
  readonly vlanFilters: number;
  /** Which address bits the hash tables take, 0-3. */
  readonly hashMode: number;
}

/** Why `select` came to its pools. */
export const PoolReason = {
  broadcast: 0,
  exact: 1,
  hash: 2,
  promiscuous: 3,
  defaultPool: 4,
  /** Tagged with a VLAN that is not in the table. */
  vlanDropped: 5,
  /** Nobody wants it. */
  unwanted: 6,
  tooLong: 7,
  /** Nobody wants it, but a mirror rule copies it. */
  mirror: 8,
} as const;

/** What became of a frame that a pool sent. */
export const Transmitted = { wire: 1, inside: 2, spoofed: 4 } as const;

/** The switch of a NIC with pools: `select` for frames from the wire, `transmit` for frames that a pool sends. */
export class PoolSwitch {
  readonly settings: PoolSettings;
  readonly macs: MacFilters;
  readonly vlans: VlanFilters;
  readonly multicast: HashFilter;
  readonly unicast: HashFilter;
  /** Pools of the last call. */
  low = 0;
  high = 0;
  /** `PoolReason` of the last call. */
  reason: number = PoolReason.unwanted;

  constructor(settings: PoolSettings) {
    this.settings = settings;
    this.macs = new MacFilters(settings.macFilters);
    this.vlans = new VlanFilters(settings.vlanFilters);
    this.multicast = new HashFilter(settings.hashMode);
    this.unicast = new HashFilter(settings.hashMode);
  }

  /**
   * Pools of a frame from the wire. `vlan` is the outer VLAN id, -1 for untagged and priority-tagged frames.
   * Gives the lowest pool, or -1 where the NIC drops the frame.
   */
  select(high: number, low: number, vlan: number, length: number): number {
    this.#choose(high, low, vlan, length, false);
    this.#mirror(vlan, true, false);
    return lowestPool(this.low, this.high);
  }

  /**
   * A frame that pool `from` sends: bits of `Transmitted`; the pools that get it inside are in `low` and `high`.
   * Unicast with a filter stays inside, everything else goes to the wire too. `ethertype` is checked where some are
   * guarded. What comes back has no hash: it goes to queue index 0 of its pools.
   */
  transmit(
    from: number,
    source: { high: number; low: number },
    destination: { high: number; low: number },
    vlan: number,
    length: number,
    ethertype = -1,
  ): number {
    const { settings } = this;
    this.low = 0;
    this.high = 0;
    const bit = 1 << (from & 31);
    const isLow = from < 32;
    if (!has(settings.anySource, from)) {
      const slot = this.macs.find(source.high, source.low);
      if (slot < 0 || ((isLow ? this.macs.low(slot) : this.macs.high(slot)) & bit) === 0)
        return Transmitted.spoofed;
    }
    if (vlan >= 0 && !has(settings.anyVlan, from)) {
      if (((isLow ? this.vlans.low(vlan) : this.vlans.high(vlan)) & bit) === 0) return Transmitted.spoofed;
    }
    if (
      settings.guardedEthertypes?.includes(ethertype) === true &&
      settings.anyEthertype !== undefined &&
      !has(settings.anyEthertype, from)
    ) {
      return Transmitted.spoofed;
    }
    if (!settings.loopback || (settings.loopbackPools !== undefined && !has(settings.loopbackPools, from))) {
      this.reason = PoolReason.unwanted;
      this.#mirror(vlan, false, true);
      return Transmitted.wire | ((this.low | this.high) !== 0 ? Transmitted.inside : 0);
    }
    this.#choose(destination.high, destination.low, vlan, length, true);
    // The sender does not get its own frame back.
    if (isLow) this.low &= ~bit;
    else this.high &= ~bit;
    const group = (destination.high & 0x100) !== 0;
    const exact = this.reason === PoolReason.exact;
    const toWire = group || !exact || (this.low | this.high) === 0;
    this.#mirror(vlan, false, toWire);
    return (toWire ? Transmitted.wire : 0) | ((this.low | this.high) !== 0 ? Transmitted.inside : 0);
  }

  #choose(high: number, low: number, vlan: number, length: number, looped: boolean): void {
    const { settings } = this;
    this.low = 0;
    this.high = 0;
    const group = (high & 0x100) !== 0;
    if (settings.vlanFiltering && vlan >= 0 && !this.vlans.isAllowed(vlan)) {
      this.reason = PoolReason.vlanDropped;
      return;
    }
    this.reason = PoolReason.unwanted;
    if (high === 0xffff && low === -1) this.#add(settings.broadcast, PoolReason.broadcast);
    else {
      const slot = this.macs.find(high, low);
      if (slot >= 0) {
        this.low = this.macs.low(slot);
        this.high = this.macs.high(slot);
        this.reason = PoolReason.exact;
      } else if ((group ? this.multicast : this.unicast).matches(low)) {
        const byRompe = group || settings.unicastHashBy === 'rompe';
        this.#add(byRompe ? settings.multicastHash : settings.unicastHash, PoolReason.hash);
      }
      this.#add(group ? settings.allMulticast : settings.promiscuous, PoolReason.promiscuous);
    }
    if (settings.vlanFiltering) {
      const tagged = vlan >= 0;
      this.low &= tagged ? this.vlans.low(vlan) | settings.vlanPromiscuous.low : settings.untagged.low;
      this.high &= tagged ? this.vlans.high(vlan) | settings.vlanPromiscuous.high : settings.untagged.high;
    }
    if ((this.low | this.high) === 0) {
      if (group || looped || settings.defaultPool < 0) {
        this.reason = PoolReason.unwanted;
        return;
      }
      if (settings.defaultPool < 32) this.low = 1 << settings.defaultPool;
      else this.high = 1 << (settings.defaultPool - 32);
      this.reason = PoolReason.defaultPool;
    }
    this.low &= settings.enabled.low;
    this.high &= settings.enabled.high;
    if ((this.low | this.high) === 0) {
      this.reason = PoolReason.unwanted;
      return;
    }
    if (length > settings.maxLength) {
      this.low &= settings.longFrames.low;
      this.high &= settings.longFrames.high;
      this.#dropTooLong(length);
      if ((this.low | this.high) === 0) this.reason = PoolReason.tooLong;
    }
    if (group && !settings.replication) {
      this.low &= -this.low;
      this.high = this.low !== 0 ? 0 : this.high & -this.high;
    }
  }

  /** Takes out the pools whose own long length the frame exceeds. */
  #dropTooLong(length: number): void {
    const lengths = this.settings.longLengths;
    for (let pool = 0; pool < 64; pool++) {
      if (length <= (lengths?.[pool] ?? LONG_LENGTH_MAX)) continue;
      if (pool < 32) this.low &= ~(1 << pool);
      else this.high &= ~(1 << (pool - 32));
    }
  }

  #add(pools: PoolMask, reason: number): void {
    if ((pools.low & ~this.low) === 0 && (pools.high & ~this.high) === 0) return;
    if (this.reason === PoolReason.unwanted) this.reason = reason;
    this.low |= pools.low;
    this.high |= pools.high;
  }

  #mirror(vlan: number, fromWire: boolean, toWire: boolean): void {
    const { mirrors } = this.settings;
    if (this.reason === PoolReason.vlanDropped || this.reason === PoolReason.tooLong) return;
    for (let i = 0; i < mirrors.length; i++) {
      const rule = mirrors[i]!;
      const matches =
        (rule.uplink === true && fromWire) ||
        (rule.downlink === true && toWire) ||
        (rule.pools !== undefined && ((rule.pools.low & this.low) | (rule.pools.high & this.high)) !== 0) ||
        (rule.vlans !== undefined && vlan >= 0 && rule.vlans.includes(vlan));
      if (!matches) continue;
      if (this.reason === PoolReason.unwanted) this.reason = PoolReason.mirror;
      if (rule.to < 32) this.low |= 1 << rule.to;
      else this.high |= 1 << (rule.to - 32);
    }
  }
}

function has(pools: PoolMask, pool: number): boolean {
  return (((pool < 32 ? pools.low : pools.high) >>> (pool & 31)) & 1) === 1;
}
