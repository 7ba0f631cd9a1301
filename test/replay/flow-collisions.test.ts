/**
 * Flows whose 32-bit hashes are the same are flows of their own.
 *
 * The hash of an IPv4 flow is a bijection of each field while the other three stay, so flows with one hash differ in
 * two fields at least: there is a pair for every two. What solves for a field repeats the constants of the mix; that
 * the pairs collide is asked of the table's own functions.
 */
import { describe, expect, it } from 'vitest';
import { Burst } from '#rxsteer/packet/burst.js';
import { dissectBurst } from '#rxsteer/packet/dissect.js';
import { FlowTable, FlowView, hash4, hash6 } from '#rxsteer/replay/flow-table.js';

type Tuple = [source: number, destination: number, ports: number, protocol: number];
const FACTORS = [0x9e3779b1, 0x85ebca6b, 0xc2b2ae35, 0x27d4eb2f];

/** x with x * factor = 1 (modulo 2^32), for odd factors; each step doubles the right bits. */
function inverse(factor: number): number {
  let x = factor;
  for (let i = 0; i < 5; i++) x = Math.imul(x, 2 - Math.imul(factor, x));
  return x;
}

/** Replaces field `solve` so that the hash becomes that of `like`. */
function collide(tuple: Tuple, like: Tuple, solve: 0 | 1 | 2): Tuple {
  const term = (t: Tuple, i: number) => Math.imul(t[i]!, FACTORS[i]!);
  const left = (t: Tuple) => term(t, 0) ^ term(t, 1);
  const right = (t: Tuple) => term(t, 2) ^ term(t, 3);
  const sum = left(like) + right(like);
  const other = solve ^ 1;
  const half = solve < 2 ? sum - right(tuple) : sum - left(tuple);
  const found: Tuple = [...tuple];
  found[solve] = Math.imul((half | 0) ^ term(tuple, other), inverse(FACTORS[solve]!));
  return found;
}

function frame4([source, destination, ports, protocol]: Tuple): Uint8Array {
  const bytes = new Uint8Array(54);
  const view = new DataView(bytes.buffer);
  view.setUint16(12, 0x0800);
  bytes[14] = 0x45;
  view.setUint16(16, 40);
  bytes[23] = protocol;
  view.setInt32(26, source);
  view.setInt32(30, destination);
  view.setInt32(34, ports);
  return bytes;
}

function frame6(words: Int32Array, ports: number): Uint8Array {
  const bytes = new Uint8Array(62);
  const view = new DataView(bytes.buffer);
  view.setUint16(12, 0x86dd);
  bytes[14] = 0x60;
  view.setUint16(18, 8);
  bytes[20] = 17;
  words.forEach((word, i) => {
    view.setInt32(22 + 4 * i, word);
  });
  view.setInt32(54, ports);
  return bytes;
}

/** Numbers of the flows of each burst. */
function count(bursts: Uint8Array[][]): { numbers: number[][]; view: FlowView } {
  const table = new FlowTable();
  const numbers = bursts.map((frames) => {
    const burst = new Burst(Buffer.concat(frames));
    let off = 0;
    for (const { length } of frames) {
      burst.add(off, length);
      off += length;
    }
    dissectBurst(burst);
    const flow = new Int32Array(frames.length);
    table.countBurst(burst, flow, new Float64Array(frames.length).fill(64), 0);
    return [...flow];
  });
  return { numbers, view: new FlowView(table.records()) };
}

/** Two frames of flows that collide: apart in one burst, and when both are known. */
function expectApart(a: Uint8Array, b: Uint8Array): void {
  const { numbers, view } = count([[a], [b, a, b], [b, b, a], [a, b]]);
  expect(numbers).toEqual([[0], [1, 0, 1], [1, 1, 0], [0, 1]]);
  expect([view.packets(0), view.packets(1)]).toEqual([4, 5]);
}

function mix6(words: Int32Array, ports: number): number {
  return hash6(new DataView(Uint8Array.from(frame6(words, ports)).buffer), 22, ports, 17);
}

describe('flows that share a hash', () => {
  const base: Tuple = [0x0a000001, 0x0a800001, (50_000 << 16) | 443, 6];
  const pairs: [string, Tuple][] = [
    ['source and destination', collide([0x0a000002, base[1], base[2], 6], base, 1)],
    ['source and ports', collide([0x0a000002, base[1], base[2], 6], base, 2)],
    ['destination and ports', collide([base[0], 0x0a800002, base[2], 6], base, 2)],
    ['source and protocol', collide([base[0], base[1], base[2], 17], base, 0)],
    ['destination and protocol', collide([base[0], base[1], base[2], 17], base, 1)],
    ['ports and protocol', collide([base[0], base[1], base[2], 17], base, 2)],
  ];

  it.each(pairs)('are told apart by %s', (_, tuple) => {
    expect(hash4(...tuple)).toBe(hash4(...base));
    expect(tuple.filter((field, i) => field !== base[i])).toHaveLength(2);
    expectApart(frame4(base), frame4(tuple));
    expectApart(frame4(tuple), frame4(base));
  });

  const ports = (5000 << 16) | 53;
  const words = Int32Array.from([0x20010db8, 1, 2, 3, 0x20010db8, 5, 6, 7]);
  /** The last word that gives the hash. */
  const last = (given: Int32Array, of: number, wanted: number): Int32Array => {
    const other = Int32Array.from(given);
    const unshift = (hash: number) => hash ^ (hash >>> 15) ^ (hash >>> 30);
    const unmix = (hash: number) => Math.imul(unshift(hash), inverse(0x2c1b3c6d));
    // unmix(hash) is (what the other words give) ^ (the last word).
    other[7] = unmix(wanted) ^ unmix(mix6(given, of)) ^ given[7]!;
    return other;
  };

  it('are told apart by the addresses of IPv6', () => {
    const other = last(
      Int32Array.from(words, (word, i) => (i === 6 ? 99 : word)),
      ports,
      mix6(words, ports),
    );
    expect(mix6(other, ports)).toBe(mix6(words, ports));
    expectApart(frame6(words, ports), frame6(other, ports));
  });

  it('are told apart by the ports of IPv6 and an address', () => {
    const other = last(words, ports + 1, mix6(words, ports));
    expect(mix6(other, ports + 1)).toBe(mix6(words, ports));
    expectApart(frame6(words, ports), frame6(other, ports + 1));
  });

  it('are told apart by the version of IP', () => {
    // The record of the first IPv6 flow has the number of its addresses, 0, where IPv4 has its source.
    const empty: Tuple = [0, 0, ports, 17];
    const six = last(words, ports, hash4(...empty));
    expect(mix6(six, ports)).toBe(hash4(...empty));
    expectApart(frame6(six, ports), frame4(empty));
    expectApart(frame4(empty), frame6(six, ports));
  });
});
