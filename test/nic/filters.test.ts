import { describe, expect, it } from 'vitest';
import { parseMac } from '#rxsteer/mac/address.js';
import { FILTER_CHIPS, NicFilters } from '#rxsteer/nic/filters.js';
import { ethernet, fragmentExtension, ipv4, ipv6, TcpFlag, tcp, udp } from '#rxsteer/packet/build.js';
import { burstOf, segment } from './support.js';

const chip = (id: string) => FILTER_CHIPS.find((candidate) => candidate.id === id)!;
const filters = (id: string, queues = 8) => new NicFilters(chip(id), queues);
const word = (text: string) => Buffer.from(text.split('.').map(Number)).readInt32BE(0);

function matched(nic: NicFilters, frame: Uint8Array, pool = -1): string {
  const burst = burstOf(frame);
  return nic.match(burst, 0, pool) ? `${nic.stage} ${nic.queue}` : nic.stage;
}

const syn = segment({ flags: TcpFlag.syn });

describe('order', () => {
  it.each(['igb-82576', 'ixgbe-82599'])('%s: ethertype, SYN high, five-tuple, SYN low', (id) => {
    const nic = filters(id);
    nic.addTuple({ protocol: 6, dport: 80, priority: 3, queue: 2 });
    nic.setSyn({ queue: 3, priority: 'low' });
    expect(matched(nic, syn)).toBe('tuple 2');
    expect(matched(nic, segment({ flags: TcpFlag.syn, dport: 81 }))).toBe('syn 3');
    nic.setSyn({ queue: 3, priority: 'high' });
    expect(matched(nic, syn)).toBe('syn 3');
    expect(matched(nic, segment())).toBe('tuple 2');
    nic.addEthertype({ ethertype: 0x88cc, queue: 5 });
    expect(matched(nic, ethernet({ ethertype: 0x88cc }, 'lldp'))).toBe('ethertype 5');
    expect(matched(nic, ethernet({ ethertype: 0x88cc, vlans: [3] }, 'lldp'))).toBe('ethertype 5');
    expect(matched(nic, ethernet({ ethertype: 0x88f7 }, 'ptp'))).toBe('none');
  });

  it('igb-i210: MAC, ethertype, SYN, flex, two-tuple, VLAN priority', () => {
    const nic = filters('igb-i210', 4);
    const mac = '52:54:00:00:00:09';
    nic.setVlanPriority(5, 1);
    const tagged = (options = {}) => segment({ vlans: [(5 << 13) | 7], ...options });
    expect(matched(nic, tagged())).toBe('vlan-priority 1');
    expect(matched(nic, segment({ vlans: [7] }))).toBe('none');
    nic.addTuple({ protocol: 6, dport: 80, priority: 1, queue: 2 });
    expect(matched(nic, tagged())).toBe('tuple 2');
    const mask = new Uint8Array(14);
    mask.fill(0xff, 12);
    const bytes = new Uint8Array(14);
    bytes.set([0x81, 0x00], 12);
    nic.addFlex({ bytes, mask, priority: 1, queue: 3 });
    expect(matched(nic, tagged())).toBe('flex 3');
    expect(matched(nic, segment())).toBe('tuple 2');
    nic.setSyn({ queue: 0, priority: 'low' });
    expect(matched(nic, tagged({ flags: TcpFlag.syn }))).toBe('flex 3');
    nic.setSyn({ queue: 0, priority: 'high' });
    expect(matched(nic, tagged({ flags: TcpFlag.syn }))).toBe('syn 0');
    nic.addMacQueue({ ...parseMac(mac, 'test'), queue: 1 });
    expect(matched(nic, tagged({ flags: TcpFlag.syn, dstMac: mac }))).toBe('mac 1');
  });

  it('of several tuple filters the highest priority wins, then the one that was first', () => {
    const nic = filters('ixgbe-82599');
    nic.addTuple({ protocol: 6, priority: 1, queue: 1 });
    nic.addTuple({ dport: 80, priority: 4, queue: 2 });
    nic.addTuple({ sport: 1000, priority: 4, queue: 3 });
    expect(matched(nic, segment())).toBe('tuple 2');
    expect(matched(nic, segment({ dport: 81 }))).toBe('tuple 3');
    nic.addTuple({ src: word('10.0.0.1'), dst: word('10.0.0.2'), priority: 7, queue: 4 });
    expect(matched(nic, segment())).toBe('tuple 4');
    expect(matched(nic, segment({ dst: '10.0.0.3' }))).toBe('tuple 2');
  });
});

describe('what matches', () => {
  it('fields that a frame does not have never match', () => {
    const nic = filters('ixgbe-82599');
    nic.addTuple({ protocol: 17, dport: 0, priority: 1, queue: 1 });
    const addresses = { src: '10.0.0.1', dst: '10.0.0.2' };
    const part = (moreFragments: boolean) =>
      ethernet({}, ipv4({ ...addresses, moreFragments }, udp({ sport: 9, dport: 0 }, 8)));
    expect(matched(nic, part(false))).toBe('tuple 1');
    expect(matched(nic, part(true))).toBe('none');
    nic.addTuple({ protocol: 17, priority: 1, queue: 2 });
    expect(matched(nic, part(true))).toBe('tuple 2');
  });

  it('five-tuple filters are for IPv4, two-tuple filters for both', () => {
    const v6 = ethernet({}, ipv6({ src: '::1', dst: '::2' }, tcp({ sport: 1, dport: 80 })));
    const five = filters('ixgbe-82599');
    five.addTuple({ protocol: 6, dport: 80, priority: 1, queue: 1 });
    expect(matched(five, v6)).toBe('none');
    const two = filters('igb-i210', 4);
    two.addTuple({ protocol: 6, dport: 80, priority: 1, queue: 1 });
    expect(matched(two, v6)).toBe('tuple 1');
    const piece = { src: '::1', dst: '::2', extensions: [fragmentExtension(0, true)] };
    expect(matched(two, ethernet({}, ipv6(piece, tcp({ sport: 1, dport: 80 }))))).toBe('none');
  });

  it('the pool of a five-tuple filter', () => {
    const nic = filters('ixgbe-82599', 4);
    nic.addTuple({ dport: 80, pool: 3, priority: 1, queue: 1 });
    expect(matched(nic, segment(), 3)).toBe('tuple 1');
    expect(matched(nic, segment(), 4)).toBe('none');
  });

  it('any of the TCP flags; not where the flags are cut off or lie behind the packet', () => {
    const nic = filters('igb-i210', 4);
    nic.addTuple({ protocol: 6, tcpFlags: TcpFlag.syn | TcpFlag.fin, priority: 1, queue: 1 });
    expect(matched(nic, syn)).toBe('tuple 1');
    expect(matched(nic, segment({ flags: TcpFlag.fin | TcpFlag.ack }))).toBe('tuple 1');
    expect(matched(nic, segment({ flags: TcpFlag.ack }))).toBe('none');
    expect(matched(nic, syn.subarray(0, 14 + 20 + 13))).toBe('none');
    const short = syn.slice();
    short[17] = 20 + 13;
    expect(matched(nic, short)).toBe('none');
    short[17] = 20 + 14;
    expect(matched(nic, short)).toBe('tuple 1');
  });
});

describe('refusals', () => {
  it.each([
    ['igb-82576', (nic: NicFilters) => nic.addTuple({ priority: 0, queue: 1 }), 'priority 0: 1 to 7'],
    ['igb-82576', (nic: NicFilters) => nic.addTuple({ priority: 8, queue: 1 }), 'priority 8: 1 to 7'],
    [
      'igb-82576',
      (nic: NicFilters) => nic.addTuple({ priority: 1, queue: 8 }),
      'queue 8: there are queues 0 to 7',
    ],
    ['igb-i210', (nic: NicFilters) => nic.addTuple({ sport: 1, priority: 1, queue: 1 }), 'not sport'],
    ['igb-82576', (nic: NicFilters) => nic.setVlanPriority(1, 1), 'VLAN priority filter: igb-82576 has none'],
    ['igb-i210', (nic: NicFilters) => nic.setVlanPriority(8, 1), 'VLAN priority 8: 0 to 7'],
    ['ixgbe-82599', (nic: NicFilters) => nic.addMacQueue({ high: 1, low: 1, queue: 1 }), 'has none'],
    [
      'ixgbe-82599',
      (nic: NicFilters) => nic.addEthertype({ ethertype: 0x86dd, queue: 1 }),
      'use tuple filters',
    ],
    [
      'igb-i210',
      (nic: NicFilters) =>
        nic.addFlex({ bytes: new Uint8Array(129), mask: new Uint8Array(129), priority: 1, queue: 1 }),
      '1 to 128 bytes',
    ],
  ])('%s %#', (id, act, message) => {
    expect(() => act(filters(id))).toThrow(message);
  });

  it('no more filters than the chip has', () => {
    const fill = (id: string, count: number, add: (nic: NicFilters, n: number) => void) => {
      const nic = filters(id);
      for (let n = 0; n < count; n++) add(nic, n);
      expect(() => add(nic, count)).toThrow(`has ${count}, all are in use`);
    };
    const tuple = (nic: NicFilters, n: number) => nic.addTuple({ sport: n, priority: 1, queue: 1 });
    fill('igb-82576', 8, tuple);
    fill('ixgbe-82599', 128, tuple);
    fill('ixgbe-82599', 8, (nic, n) => nic.addEthertype({ ethertype: 0x9000 + n, queue: 1 }));
    const nic = filters('ixgbe-82599');
    nic.addEthertype({ ethertype: 0x88cc, queue: 1 });
    expect(() => nic.addEthertype({ ethertype: 0x88cc, queue: 2 })).toThrow('has one already');
  });
});
