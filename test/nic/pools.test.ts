import { describe, expect, it } from 'vitest';
import { parseMac } from '#rxsteer/mac/address.js';
import {
  addressHash,
  formatPools,
  lowestPool,
  MacFilters,
  poolList,
  poolMask,
} from '#rxsteer/nic/pool-filters.js';
import { PoolReason, type PoolSettings, PoolSwitch, Transmitted } from '#rxsteer/nic/pools.js';

const set = (...pools: number[]) => poolMask(pools, 64, 'test');
const all = set(...Array.from({ length: 64 }, (_, pool) => pool));
const none = set();
const mac = (text: string) => parseMac(text, 'test');
const guest = (n: number) => mac(`52:54:00:00:00:${n.toString(16).padStart(2, '0')}`);
const broadcast = mac('ff:ff:ff:ff:ff:ff');

function makeSwitch(settings: Partial<PoolSettings> = {}): PoolSwitch {
  return new PoolSwitch({
    pools: 64,
    defaultPool: 0,
    replication: true,
    vlanFiltering: false,
    broadcast: all,
    multicastHash: all,
    unicastHash: all,
    allMulticast: none,
    promiscuous: none,
    untagged: all,
    vlanPromiscuous: none,
    enabled: all,
    maxLength: 1522,
    longFrames: none,
    anySource: none,
    anyVlan: none,
    loopback: true,
    mirrors: [],
    macFilters: 128,
    vlanFilters: 64,
    hashMode: 0,
    ...settings,
  });
}

function select(pools: PoolSwitch, to: { high: number; low: number }, vlan = -1, length = 60) {
  const lowest = pools.select(to.high, to.low, vlan, length);
  const list = poolList(pools.low, pools.high);
  expect(lowest).toBe(list[0] ?? -1);
  return { list, reason: pools.reason };
}

describe('frames from the wire', () => {
  it('go to the pools of all filters with their address', () => {
    const pools = makeSwitch();
    pools.macs.add(guest(1), set(3));
    pools.macs.add(guest(1), set(40));
    pools.macs.add(guest(2), set(63));
    expect(select(pools, guest(1))).toEqual({ list: [3, 40], reason: PoolReason.exact });
    expect(select(pools, guest(2))).toEqual({ list: [63], reason: PoolReason.exact });
  });

  it('broadcast goes to every pool that accepts it', () => {
    expect(select(makeSwitch({ broadcast: set(1, 33) }), broadcast)).toEqual({
      list: [1, 33],
      reason: PoolReason.broadcast,
    });
  });

  it('unicast that nobody wants goes to the default pool, unless there is none', () => {
    expect(select(makeSwitch({ defaultPool: 40 }), guest(9))).toEqual({
      list: [40],
      reason: PoolReason.defaultPool,
    });
    expect(select(makeSwitch({ defaultPool: -1 }), guest(9))).toEqual({
      list: [],
      reason: PoolReason.unwanted,
    });
  });

  it('multicast that nobody wants is dropped', () => {
    expect(select(makeSwitch(), mac('01:00:5e:00:00:01'))).toEqual({ list: [], reason: PoolReason.unwanted });
  });

  it('hash tables are asked only where no exact filter matches', () => {
    const pools = makeSwitch({ multicastHash: set(2, 5), unicastHash: set(6) });
    pools.multicast.add(mac('01:00:5e:00:00:fb').low);
    pools.unicast.add(guest(7).low);
    pools.macs.add(guest(7), set(1));
    pools.unicast.add(guest(8).low);
    expect(select(pools, mac('01:00:5e:00:00:fb'))).toEqual({ list: [2, 5], reason: PoolReason.hash });
    expect(select(pools, mac('01:00:5e:00:01:fc')).list).toEqual([]);
    expect(select(pools, guest(7)).list).toEqual([1]);
    expect(select(pools, guest(8)).list).toEqual([6]);
  });

  it('the hash tables confuse addresses with the same 12 bits', () => {
    const pools = makeSwitch({ multicastHash: set(2) });
    pools.multicast.add(mac('01:00:5e:00:00:fb').low);
    expect(select(pools, mac('33:33:00:00:00:fb')).list).toEqual([2]);
  });

  it('promiscuous pools get it beside the owner', () => {
    const pools = makeSwitch({ promiscuous: set(10), allMulticast: set(11) });
    pools.macs.add(guest(1), set(3));
    expect(select(pools, guest(1)).list).toEqual([3, 10]);
    expect(select(pools, guest(2))).toEqual({ list: [10], reason: PoolReason.promiscuous });
    expect(select(pools, mac('01:00:5e:00:00:01')).list).toEqual([11]);
  });

  it('VLAN filters narrow what the MAC chose, and drop unknown VLANs', () => {
    const pools = makeSwitch({ vlanFiltering: true, untagged: set(3), vlanPromiscuous: set(5) });
    pools.macs.add(guest(1), set(3, 4, 5));
    pools.vlans.add(100, set(4, 9));
    expect(select(pools, guest(1), 100).list).toEqual([4, 5]);
    expect(select(pools, guest(1), 101)).toEqual({ list: [], reason: PoolReason.vlanDropped });
    expect(select(pools, guest(1)).list).toEqual([3]);
    expect(select(pools, broadcast, 100).list).toEqual([4, 5, 9]);
  });

  it('unicast for a pool that is not in the VLAN goes to the default pool', () => {
    const pools = makeSwitch({ vlanFiltering: true, defaultPool: 7 });
    pools.macs.add(guest(1), set(3));
    pools.vlans.add(100, set(4));
    expect(select(pools, guest(1), 100)).toEqual({ list: [7], reason: PoolReason.defaultPool });
  });

  it('disabled pools and long frames', () => {
    const pools = makeSwitch({ enabled: set(1, 2), longFrames: set(2), defaultPool: 1 });
    pools.macs.add(guest(1), set(1, 2, 3));
    pools.macs.add(guest(3), set(3));
    pools.macs.add(guest(4), set(1));
    expect(select(pools, guest(1)).list).toEqual([1, 2]);
    expect(select(pools, guest(1), -1, 1523).list).toEqual([2]);
    expect(select(pools, guest(4), -1, 1523)).toEqual({ list: [], reason: PoolReason.tooLong });
    expect(select(pools, guest(3))).toEqual({ list: [], reason: PoolReason.unwanted });
  });

  it('a long frame fits the pools with LPE, each up to its own RLPML', () => {
    const longLengths = Array.from({ length: 64 }, (_, pool) => (pool === 40 ? 9000 : 2000));
    const pools = makeSwitch({ longFrames: set(2, 40), longLengths });
    pools.macs.add(guest(1), set(1, 2, 40));
    expect(select(pools, guest(1), -1, 1522).list).toEqual([1, 2, 40]);
    expect(select(pools, guest(1), -1, 2000).list).toEqual([2, 40]);
    expect(select(pools, guest(1), -1, 9000).list).toEqual([40]);
    expect(select(pools, guest(1), -1, 9001)).toEqual({ list: [], reason: PoolReason.tooLong });
    const largest = makeSwitch({ longFrames: set(1) });
    largest.macs.add(guest(1), set(1));
    expect(select(largest, guest(1), -1, 0x3fff).list).toEqual([1]);
    expect(select(largest, guest(1), -1, 0x4000).list).toEqual([]);
  });

  it('a hit in the unicast table adds the pools of ROPE, or in the manner of QEMU those of ROMPE', () => {
    for (const by of ['rope', 'rompe'] as const) {
      const pools = makeSwitch({ unicastHashBy: by, unicastHash: set(6), multicastHash: set(8) });
      pools.unicast.add(guest(8).low);
      pools.multicast.add(mac('01:00:5e:00:00:fb').low);
      expect(select(pools, guest(8)).list).toEqual([by === 'rope' ? 6 : 8]);
      expect(select(pools, mac('01:00:5e:00:00:fb')).list).toEqual([8]);
    }
  });

  it.each([0, 1, 2, 3])('hash mode %i takes other bits of the address', (hashMode) => {
    const pools = makeSwitch({ hashMode, multicastHash: set(2), defaultPool: -1 });
    pools.multicast.add(mac('01:00:5e:00:12:34').low);
    expect(select(pools, mac('33:33:00:00:12:34')).list).toEqual([2]);
    // Bits that the mode leaves out: the low ones of byte 4, or (mode 3) the high ones of the last byte.
    const same = ['01:00:5e:00:1d:34', '01:00:5e:00:15:34', '01:00:5e:00:11:34', '01:00:5e:00:12:f4'];
    same.forEach((address, mode) => {
      const ignored =
        addressHash(mac(address).low, hashMode) === addressHash(mac('01:00:5e:00:12:34').low, hashMode);
      expect(select(pools, mac(address)).list).toEqual(ignored ? [2] : []);
      if (mode === hashMode) expect(ignored).toBe(true);
    });
  });

  it('without replication the lowest pool alone gets group frames', () => {
    const pools = makeSwitch({ replication: false, broadcast: set(5, 9, 40) });
    pools.macs.add(guest(1), set(3, 4));
    expect(select(pools, broadcast).list).toEqual([5]);
    expect(select(pools, guest(1)).list).toEqual([3, 4]);
    expect(select(makeSwitch({ replication: false, broadcast: set(41, 50) }), broadcast).list).toEqual([41]);
  });

  it('mirror rules add their pool', () => {
    const pools = makeSwitch({
      defaultPool: -1,
      mirrors: [
        { pools: set(3), to: 60 },
        { vlans: [100], to: 61 },
      ],
    });
    pools.macs.add(guest(1), set(3));
    pools.macs.add(guest(2), set(4));
    expect(select(pools, guest(1)).list).toEqual([3, 60]);
    expect(select(pools, guest(2)).list).toEqual([4]);
    expect(select(pools, guest(2), 100).list).toEqual([4, 61]);
    const uplink = makeSwitch({ defaultPool: -1, mirrors: [{ uplink: true, to: 62 }] });
    expect(select(uplink, guest(9))).toEqual({ list: [62], reason: PoolReason.mirror });
  });
});

describe('frames that a pool sends', () => {
  function send(
    pools: PoolSwitch,
    from: number,
    source: ReturnType<typeof mac>,
    to: ReturnType<typeof mac>,
    vlan = -1,
  ) {
    const result = pools.transmit(from, source, to, vlan, 60);
    return { result, list: poolList(pools.low, pools.high) };
  }

  it('unicast with a filter stays inside, the rest goes to the wire too', () => {
    const pools = makeSwitch({ broadcast: set(1, 2, 40) });
    pools.macs.add(guest(1), set(1));
    pools.macs.add(guest(2), set(2));
    expect(send(pools, 1, guest(1), guest(2))).toEqual({ result: Transmitted.inside, list: [2] });
    expect(send(pools, 1, guest(1), guest(9))).toEqual({ result: Transmitted.wire, list: [] });
    expect(send(pools, 1, guest(1), broadcast)).toEqual({
      result: Transmitted.wire | Transmitted.inside,
      list: [2, 40],
    });
    expect(send(pools, 1, guest(1), guest(1))).toEqual({ result: Transmitted.wire, list: [] });
  });

  it('anti-spoofing checks source and VLAN', () => {
    const pools = makeSwitch({ vlanFiltering: true });
    pools.macs.add(guest(1), set(1));
    pools.macs.add(guest(2), set(2));
    pools.vlans.add(100, set(1, 2));
    pools.vlans.add(101, set(2));
    expect(send(pools, 1, guest(2), guest(9)).result).toBe(Transmitted.spoofed);
    expect(send(pools, 1, guest(1), guest(2), 100)).toEqual({ result: Transmitted.inside, list: [2] });
    expect(send(pools, 1, guest(1), guest(2), 101).result).toBe(Transmitted.spoofed);
    const trusted = makeSwitch({ anySource: set(1) });
    expect(send(trusted, 1, guest(5), guest(9)).result).toBe(Transmitted.wire);
  });

  it('ethertype anti-spoofing keeps control protocols from guests', () => {
    const pools = makeSwitch({ anySource: all, anyEthertype: set(0), guardedEthertypes: [0x88cc, 0x8808] });
    const sent = (from: number, ethertype: number) =>
      pools.transmit(from, guest(1), guest(9), -1, 60, ethertype);
    expect(sent(1, 0x88cc)).toBe(Transmitted.spoofed);
    expect(sent(1, 0x8808)).toBe(Transmitted.spoofed);
    expect(sent(1, 0x0800)).toBe(Transmitted.wire);
    expect(sent(0, 0x88cc)).toBe(Transmitted.wire);
  });

  it('pools outside the local switch reach others over the wire only', () => {
    const pools = makeSwitch({ anySource: all, loopbackPools: set(1) });
    pools.macs.add(guest(2), set(2));
    expect(send(pools, 1, guest(1), guest(2))).toEqual({ result: Transmitted.inside, list: [2] });
    expect(send(pools, 3, guest(1), guest(2))).toEqual({ result: Transmitted.wire, list: [] });
  });

  it('mirror rules: pools and downlink see what is sent, uplink does not', () => {
    const pools = makeSwitch({
      anySource: all,
      mirrors: [
        { downlink: true, to: 60 },
        { uplink: true, to: 61 },
        { pools: set(2), to: 62 },
      ],
    });
    pools.macs.add(guest(2), set(2));
    expect(send(pools, 1, guest(1), guest(2)).list).toEqual([2, 62]);
    expect(send(pools, 1, guest(1), guest(9))).toEqual({
      result: Transmitted.wire | Transmitted.inside,
      list: [60],
    });
    expect(select(pools, guest(2)).list).toEqual([2, 61, 62]);
    const alone = makeSwitch({ anySource: all, loopback: false, mirrors: [{ downlink: true, to: 60 }] });
    expect(send(alone, 1, guest(1), guest(2)).list).toEqual([60]);
  });

  it('without the local switch everything goes to the wire', () => {
    const pools = makeSwitch({ loopback: false });
    pools.macs.add(guest(1), set(1));
    pools.macs.add(guest(2), set(2));
    expect(send(pools, 1, guest(1), guest(2))).toEqual({ result: Transmitted.wire, list: [] });
  });
});

describe('filters', () => {
  it('the address hash takes 12 of the last 16 bits, by mode', () => {
    const { low } = mac('01:00:5e:00:12:34');
    // The last byte is the high one: 0x3412 shifted by 4, 3, 2, 0.
    expect([0, 1, 2, 3].map((mode) => addressHash(low, mode))).toEqual([0x341, 0x682, 0xd04, 0x412]);
  });

  it('are as many as the chip has', () => {
    const filters = new MacFilters(24);
    for (let n = 0; n < 24; n++) expect(filters.add(guest(n), set(n % 8))).toBe(true);
    expect(filters.add(guest(24), set(0))).toBe(false);
    for (let n = 0; n < 24; n++) expect(filters.find(guest(n).high, guest(n).low)).toBeGreaterThanOrEqual(0);
    expect(filters.find(guest(30).high, guest(30).low)).toBeLessThan(0);
  });

  it('pool sets', () => {
    expect(lowestPool(0, 0)).toBe(-1);
    expect(lowestPool(0x80000000 | 0, 1)).toBe(31);
    expect(lowestPool(0, 0x80000000 | 0)).toBe(63);
    expect(formatPools(0b1000_1111, 1)).toBe('0-3+7+32');
    expect(() => poolMask([8], 8, 'x')).toThrow('x: pool 8: there are pools 0 to 7');
  });
});
