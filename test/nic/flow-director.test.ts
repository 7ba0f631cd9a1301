import { describe, expect, it } from 'vitest';
import { atrSignatureHash } from '#rxsteer/hash/atr.js';
import { ATR_SAMPLE_RATE, Atr, SignatureTable } from '#rxsteer/nic/flow-director.js';
import { ethernet, ipv4, ipv6, TcpFlag, tcp, udp } from '#rxsteer/packet/build.js';
import { addRule, burstOf, model, segment } from './support.js';

/** A flow as the host transmits it, and as it receives the answers. */
const sent = (flags: number = TcpFlag.ack, sport = 80) =>
  burstOf(segment({ src: '10.0.0.2', dst: '10.0.0.1', sport, dport: 1000, flags }));
const received = (dport = 80) => burstOf(segment({ sport: 1000, dport }));

describe('ATR', () => {
  it('samples a SYN at once, then every 20th packet of the ring', () => {
    const atr = new Atr({ queues: 4 });
    expect(ATR_SAMPLE_RATE).toBe(20);
    expect(atr.receive(received(), 0)).toBe(-1);
    expect(atr.transmit(sent(TcpFlag.syn), 0, 2)).toBe(true);
    expect(atr.receive(received(), 0)).toBe(2);
    const written = Array.from({ length: 45 }, () => atr.transmit(sent(), 0, 3));
    expect(written.flatMap((is, n) => (is ? [n + 1] : []))).toEqual([20, 40]);
    expect(atr.receive(received(), 0)).toBe(3);
  });

  it('each ring counts on its own', () => {
    const atr = new Atr({ queues: 2, sampleRate: 3 });
    for (let n = 0; n < 2; n++) expect(atr.transmit(sent(), 0, 0)).toBe(false);
    for (let n = 0; n < 2; n++) expect(atr.transmit(sent(), 0, 1)).toBe(false);
    expect(atr.transmit(sent(), 0, 1)).toBe(true);
    expect(atr.transmit(sent(), 0, 0)).toBe(true);
  });

  it('writes nothing for a FIN, nor for what is not TCP; the filter outlives the flow', () => {
    const atr = new Atr({ queues: 2, sampleRate: 1 });
    expect(atr.transmit(sent(TcpFlag.fin | TcpFlag.ack), 0, 1)).toBe(false);
    expect(
      atr.transmit(
        burstOf(ethernet({}, ipv4({ src: '10.0.0.2', dst: '10.0.0.1' }, udp({ sport: 80, dport: 1000 })))),
        0,
        1,
      ),
    ).toBe(false);
    expect(atr.table.filters).toBe(0);
    expect(atr.transmit(sent(), 0, 1)).toBe(true);
    expect(atr.transmit(sent(TcpFlag.fin | TcpFlag.ack), 0, 0)).toBe(false);
    expect(atr.receive(received(), 0)).toBe(1);
    const off = new Atr({ queues: 2, sampleRate: 0 });
    expect(off.transmit(sent(TcpFlag.syn), 0, 1)).toBe(false);
  });

  it("files a flow under the vendor routine's signature hash, IPv6 and VLANs too", () => {
    const atr = new Atr({ queues: 4, sampleRate: 1 });
    atr.transmit(sent(), 0, 3);
    const hash = atrSignatureHash({
      flowType: 2,
      vlan: 0,
      source: Uint8Array.of(10, 0, 0, 2),
      destination: Uint8Array.of(10, 0, 0, 1),
      sport: 80,
      dport: 1000,
    });
    expect(atr.table.find(hash)).toBe(3);
    const v6 = (src: string, dst: string, sport: number, dport: number) =>
      burstOf(ethernet({ vlans: [9] }, ipv6({ src, dst }, tcp({ sport, dport }))));
    atr.transmit(v6('2001:db8::2', '2001:db8::1', 80, 1000), 0, 1);
    expect(atr.receive(v6('2001:db8::1', '2001:db8::2', 1000, 80), 0)).toBe(1);
    expect(atr.receive(v6('2001:db8::1', '2001:db8::2', 1001, 80), 0)).toBe(-1);
  });

  it('flows whose words have one XOR share a filter', () => {
    const atr = new Atr({ queues: 4, sampleRate: 1 });
    atr.transmit(sent(), 0, 3);
    const twin = burstOf(segment({ src: '10.0.0.5', dst: '10.0.0.6', sport: 1000, dport: 80 }));
    expect(atr.receive(twin, 0)).toBe(3);
  });
});

describe('the signature table', () => {
  it('a bucket keeps its 10 newest filters', () => {
    const table = new SignatureTable(64);
    const hash = (signature: number) => (signature << 16) | 5;
    for (let n = 0; n < 10; n++) table.write(hash(n), n);
    table.write(hash(0), 20);
    table.write(hash(10), 10);
    expect(table.filters).toBe(10);
    expect(table.replaced).toBe(1);
    // 1 was the oldest: 0 had been written again.
    expect([0, 1, 2, 10].map((n) => table.find(hash(n)))).toEqual([20, -1, 2, 10]);
  });

  it('holds 8191, 16383 or 32767 filters; then the oldest goes', () => {
    expect([64, 128, 256].map((kib) => new SignatureTable(kib).capacity)).toEqual([8191, 16383, 32767]);
    const table = new SignatureTable(64);
    for (let n = 0; n < 8192; n++) table.write((1 << 16) | n, 1);
    expect(table.filters).toBe(8191);
    expect([table.find(1 << 16), table.find((1 << 16) | 1)]).toEqual([-1, 1]);
    expect(() => new SignatureTable(32)).toThrow('32 KiB: 64, 128 or 256');
  });
});

describe('ATR in a NIC', () => {
  it('comes before RSS, is no limit of 16 queues, and stops with the first flow rule', () => {
    const nic = model('ixgbe-82599', { queues: 64, atr: { sampleRate: 1 } });
    expect(nic.receive(received(), 0)).toMatchObject({ stage: 'rss' });
    expect(nic.decide(received(), 0)).toBeLessThan(16);
    expect(nic.transmit(sent(), 0, 40)).toBe(true);
    expect(nic.receive(received(), 0)).toMatchObject({ stage: 'atr', queue: 40 });
    const location = addRule(nic, 'flow-type tcp4 dst-port 9999 action 1');
    expect(nic.receive(received(), 0).stage).toBe('rss');
    expect(nic.transmit(sent(), 0, 41)).toBe(false);
    nic.rules.delete(location);
    expect(nic.receive(received(), 0).stage).toBe('atr');
  });

  it('does not exist on other chips, and has a rate of 0 to 255', () => {
    expect(() => model('igb-82576', { atr: {} })).toThrow('atr: igb-82576 has no Flow Director');
    expect(() => model('ixgbe-82599', { atr: { sampleRate: 256 } })).toThrow('0 (off) to 255');
  });

  // Wu, DeMar, Crawford 2011: a filter that is re-written while the old queue still holds frames reorders the flow.
  it('reorders a flow whose transmitter moves while its old queue is not empty', () => {
    const nic = model('ixgbe-82599', { queues: 4, atr: { sampleRate: 1 } });
    const queues: number[][] = [[], [], [], []];
    const arrive = (sequence: number) => queues[nic.decide(received(), 0)]!.push(sequence);
    nic.transmit(sent(TcpFlag.syn), 0, 1);
    for (let n = 0; n < 3; n++) arrive(n);
    // Ring 1's core is slow: its queue holds 0 to 2. The thread moves to core 2 and transmits there.
    nic.transmit(sent(), 0, 2);
    for (let n = 3; n < 5; n++) arrive(n);
    expect(queues).toEqual([[], [0, 1, 2], [3, 4], []]);
    const processed = [...queues[2]!, ...queues[1]!];
    const late = processed.filter((sequence, n) => processed.slice(0, n).some((other) => other > sequence));
    expect(late).toEqual([0, 1, 2]);
  });

  it('keeps order where the old queue was empty at that moment', () => {
    const nic = model('ixgbe-82599', { queues: 4, atr: { sampleRate: 1 } });
    const processed: number[] = [];
    nic.transmit(sent(TcpFlag.syn), 0, 1);
    for (let n = 0; n < 6; n++) {
      if (n === 3) nic.transmit(sent(), 0, 2);
      expect(nic.decide(received(), 0)).toBe(n < 3 ? 1 : 2);
      processed.push(n);
    }
    expect(processed).toEqual([0, 1, 2, 3, 4, 5]);
  });
});
