// Every kernel that this processor has gives what the byte tables give, to the bit.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { nativeHashKernels, nativeKernelNames, OwnedKernels } from '#rxsteer/addon/hash-kernels.js';
import { loadNative } from '#rxsteer/addon/native.js';
import { type HashKernels, KernelWord } from '#rxsteer/hash/kernel.js';
import { namedKey, randomKey } from '#rxsteer/hash/keys.js';
import { SeededRandom } from '#rxsteer/hash/random.js';
import { toeplitzBitwise } from '#rxsteer/hash/toeplitz.js';
import { SYMMETRIC, type Symmetric, tupleInput } from '#rxsteer/hash/tuple-hash.js';
import { HASH_TYPE_NAMES, hashTypeMask, selectionByKind } from '#rxsteer/nic/hash-types.js';
import { RssHash, type RssHashOptions } from '#rxsteer/nic/rss-hash.js';
import { TargetTable } from '#rxsteer/nic/target-table.js';
import {
  concatBytes,
  ethernet,
  fragmentExtension,
  homeAddressExtension,
  ipv4,
  ipv6,
  routingExtension,
  tcp,
  udp,
} from '#rxsteer/packet/build.js';
import { BURST_MAX, Burst, Field, Kind } from '#rxsteer/packet/burst.js';
import { dissectBurst } from '#rxsteer/packet/dissect.js';
import { Protocol } from '#rxsteer/packet/protocol.js';
import { WHOLE } from '../support/matrix.js';

const native = loadNative();
const names = nativeKernelNames();

function kernelsOf(name: string): HashKernels {
  const kernels = nativeHashKernels(name);
  if (typeof kernels === 'string') throw new Error(kernels);
  return kernels;
}

const ALL_TYPES = hashTypeMask(HASH_TYPE_NAMES.slice(1));
const IPV4_TYPES = hashTypeMask(['ipv4', 'tcp-ipv4', 'udp-ipv4', 'frag-ipv4']);

/** One hash by tables and one by the kernel. */
function both(name: string, options: RssHashOptions): { tables: RssHash; kernel: RssHash } {
  return { tables: new RssHash(options), kernel: new RssHash({ ...options, kernels: kernelsOf(name) }) };
}

function expectEqual(name: string, tables: RssHash, kernel: RssHash, burst: Burst): void {
  const { n } = burst;
  tables.hashBurst(burst);
  const hash = burst.hash.slice(0, n);
  const type = burst.hashType.slice(0, n);
  burst.hash.fill(0x55555555);
  burst.hashType.fill(-1);
  if (kernel.implementation(n) !== name) throw new Error('the kernel is not used');
  kernel.hashBurst(burst);
  // Frame by frame only where they differ: expect() costs more than the hash.
  for (let i = 0; i < n; i++) {
    if (burst.hash[i] === hash[i] && burst.hashType[i] === type[i]) continue;
    expect([i, burst.n, burst.hashType[i], burst.hash[i]]).toEqual([i, n, type[i], hash[i]]);
  }
  // Nothing behind the burst is touched.
  if (burst.hash.indexOf(0x55555555) !== (n < BURST_MAX ? n : -1))
    throw new Error('written beyond the burst');
}

const PLAIN: RssHashOptions = {
  key: namedKey('microsoft'),
  types: hashTypeMask(['ipv4', 'tcp-ipv4', 'udp-ipv4', 'ipv6', 'tcp-ipv6', 'udp-ipv6']),
  symmetric: 'none',
  start: 0,
  exRule: 'intel',
};

const SIZE = 4096;
const POOL = new SeededRandom(3).bytes(SIZE);

/** Kinds as dissection makes them, and what it never makes. */
const KINDS = [
  Kind.ipv4 | Kind.addresses | Kind.ports | (Protocol.tcp << Kind.protocolShift),
  Kind.ipv4 | Kind.addresses | Kind.ports | Kind.group | (Protocol.udp << Kind.protocolShift),
  Kind.ipv4 | Kind.addresses | Kind.fragment | (Protocol.udp << Kind.protocolShift),
  Kind.ipv6 | Kind.addresses | Kind.ports | (Protocol.tcp << Kind.protocolShift),
  Kind.ipv6 | Kind.addresses | Kind.ports | (Protocol.udp << Kind.protocolShift),
  Kind.ipv6 | Kind.addresses | Kind.ports | (Protocol.sctp << Kind.protocolShift),
  Kind.ipv6 | Kind.bad,
  0,
];

/** Headers anywhere in the pool, at any alignment: also at its first and its last bytes. */
function placeHeaders(burst: Burst, random: SeededRandom): void {
  const { words } = burst;
  burst.n = 1 + random.below(BURST_MAX);
  for (let i = 0; i < burst.n; i++) {
    const kind = KINDS[random.below(KINDS.length)]!;
    const isIpv6 = (kind & Kind.ipMask) === Kind.ipv6;
    const where = random.below(8);
    const most = SIZE - (isIpv6 ? 40 : 20);
    words[Field.kind + i] = kind;
    words[Field.l3 + i] = where === 0 ? most : where === 1 ? 0 : random.below(most + 1);
    words[Field.l4 + i] =
      (kind & Kind.ports) === 0 ? -1 : where === 2 ? SIZE - 4 : where === 3 ? 0 : random.below(SIZE - 3);
    words[Field.off + i] = random.below(SIZE - 64);
    words[Field.len + i] = 64;
  }
}

describe.each(names)('kernel %s', (name) => {
  it.each(SYMMETRIC)('symmetric=%s: random headers, bursts of every size', (symmetric) => {
    const random = new SeededRandom(7);
    const burst = new Burst(POOL);
    for (let key = 0; key < 8; key++) {
      const { tables, kernel } = both(name, {
        key: key === 0 ? namedKey('microsoft') : randomKey(40, key),
        types: hashTypeMask(['ipv4', 'tcp-ipv4', 'udp-ipv4', 'ipv6', 'tcp-ipv6', 'udp-ipv6']),
        symmetric,
        start: key === 0 ? 0 : random.next(),
        exRule: 'intel',
      });
      for (let b = 0; b < (WHOLE ? 4000 : 800); b++) {
        placeHeaders(burst, random);
        expectEqual(name, tables, kernel, burst);
      }
    }
  });

  it('any key, start value, types, transform, and rule for _EX types; whole packets', () => {
    const settings = fc.record({
      key: fc.uint8Array({ minLength: 40, maxLength: 64 }),
      shortKey: fc.uint8Array({ minLength: 16, maxLength: 39 }),
      isShort: fc.boolean(),
      types: fc.integer({ min: 0, max: ALL_TYPES }),
      symmetric: fc.constantFrom<Symmetric[]>(...SYMMETRIC),
      start: fc.integer(),
      isHalved: fc.boolean(),
      exRule: fc.constantFrom<('intel' | 'virtio')[]>('intel', 'virtio'),
      fragmentRule: fc.constantFrom<('ip' | 'own')[]>('ip', 'own'),
      frames: fc.array(fc.integer({ min: 0, max: FRAMES.length - 1 }), {
        minLength: 1,
        maxLength: BURST_MAX,
      }),
      gap: fc.integer({ min: 0, max: 3 }),
    });
    fc.assert(
      fc.property(settings, ({ key, shortKey, isShort, frames, gap, ...rest }) => {
        const options = isShort
          ? { ...rest, key: shortKey, types: rest.types & IPV4_TYPES }
          : { ...rest, key };
        const burst = burstOf(frames, gap);
        const { tables, kernel } = both(name, options);
        expectEqual(name, tables, kernel, burst);
      }),
      { numRuns: 100 },
    );
  });

  it('looks up the table as TargetTable does, frames that it leaves included', () => {
    const random = new SeededRandom(13);
    // 96 entries are not for a kernel; 1 and 8 are too small to lie outside V8's own heap.
    for (const [size, types] of [
      [1, PLAIN.types],
      [8, ALL_TYPES],
      [96, PLAIN.types],
      [128, PLAIN.types],
      [65536, ALL_TYPES],
    ] as const) {
      const queues = Array.from({ length: size }, () => random.below(4096));
      const targets = new TargetTable(queues, 37);
      // With all types on, MAC addresses are hashed where nothing else is; without, there are frames without a hash.
      const options = { ...PLAIN, types };
      const tables = new RssHash(options, targets);
      const kernel = new RssHash({ ...options, kernels: kernelsOf(name) }, targets);
      for (let b = 0; b < 20; b++) {
        // Other entries in the same table, between two runs of one bound kernel.
        if (b === 10) targets.set(queues.map((queue) => 4095 - queue));
        const burst = burstOf(
          Array.from({ length: 1 + random.below(BURST_MAX) }, () => random.below(FRAMES.length)),
          random.below(4),
        );
        if (b % 2 === 1) burst.kind.fill(0, 0, random.below(burst.n));
        tables.steerBurst(burst);
        const from = Field.hash;
        const expected = burst.words.slice(from);
        for (let i = 0; i < burst.n; i++) {
          const hash = burst.hash[i]! >>> 0;
          const bucket = burst.hashType[i] === 0 ? -1 : hash % size;
          const queue = bucket < 0 ? 0 : b < 10 ? queues[bucket]! : 4095 - queues[bucket]!;
          expect([burst.bucket[i], burst.rxq[i], burst.worker[i]]).toEqual([bucket, queue, queue % 37]);
        }
        burst.words.fill(0x55555555, from);
        kernel.steerBurst(burst);
        for (let field = 0; field < 5; field++) {
          const at = field * BURST_MAX;
          const got = burst.words.subarray(from + at, from + at + BURST_MAX);
          expect(got.subarray(0, burst.n)).toEqual(expected.subarray(at, at + burst.n));
          expect(got.indexOf(0x55555555)).toBe(burst.n < BURST_MAX ? burst.n : -1);
        }
      }
    }
  });

  it('packed tuples of each width', () => {
    const random = new SeededRandom(11);
    const key = randomKey(40, 5);
    for (const [symmetric, transform] of SYMMETRIC.entries()) {
      for (const width of [8, 12, 32, 36]) {
        const count = 150;
        const tuples = random.bytes(width * count);
        const out = new Int32Array(count);
        const control = new Int32Array([3, count - 3]);
        const options = { key, kernel: name, symmetric, start: 0x1234567, isHalved: false };
        const run = native!.bindPackedHash(options, tuples, width, out, control);
        run();
        const hasPorts = width % 8 === 4;
        const address = (width - (hasPorts ? 4 : 0)) / 2;
        for (let i = 0; i < count - 3; i++) {
          const tuple = tuples.subarray((3 + i) * width, (4 + i) * width);
          const input = tupleInput(
            tuple.slice(0, address),
            tuple.slice(address, 2 * address),
            hasPorts ? tuple.slice(2 * address) : null,
            transform,
          );
          expect(out[i]).toBe(toeplitzBitwise(key, input, 0x1234567));
        }
        // More than there are: nothing happens.
        out.fill(7);
        control[1] = count;
        run();
        expect(out.every((word) => word === 7)).toBe(true);
      }
    }
  });

  it('gives back what it holds when told to, and does nothing from then on', () => {
    const native = loadNative()!;
    const kernels = new OwnedKernels(kernelsOf(name), native);
    const burst = new Burst(POOL);
    const { key, start } = PLAIN;
    const options = {
      key,
      start,
      symmetric: 'none',
      isHalved: false,
      select: selectionByKind(PLAIN.types),
    } as const;
    const { control, run } = kernels.bind(options, burst.words, POOL);
    const hash = () => {
      burst.n = 1;
      burst.kind[0] = KINDS[0]!;
      burst.hash[0] = 0x55555555;
      control[KernelWord.count] = 1;
      run();
      return burst.hash[0];
    };
    expect(hash()).not.toBe(0x55555555);
    kernels.release();
    expect(hash()).toBe(0x55555555);
    kernels.release();
    for (const other of [() => {}, loadNative, {}, undefined]) {
      expect(() => native.releaseBound(other as () => void)).toThrow('a bound function is needed');
    }
  });

  it('frames outside the pool are left to the caller, those beside them are hashed', () => {
    const { tables } = both(name, PLAIN);
    const burst = new Burst(POOL);
    const select = selectionByKind(PLAIN.types);
    const { key, start } = PLAIN;
    const bound = kernelsOf(name).bind(
      { key, start, symmetric: 'none', isHalved: false, select },
      burst.words,
      POOL,
    );
    expect(bound.control.length).toBe(KernelWord.list + BURST_MAX);
    const good = SIZE - 40;
    const outside = [-1, -12, -0x80000000, SIZE - 19, SIZE, 0x7fffffff];
    for (const kind of KINDS.slice(0, 5)) {
      const hasPorts = (kind & Kind.ports) !== 0;
      const left: number[] = [];
      burst.n = 0;
      const put = (l3: number, l4: number, isLeft: boolean) => {
        const i = burst.add(0, 64);
        burst.kind[i] = kind;
        burst.l3[i] = l3;
        burst.l4[i] = l4;
        if (isLeft) left.push(i);
      };
      for (const at of outside) {
        put(at, 0, true);
        put(good, SIZE - 4, false);
        put(0, at === SIZE - 19 ? SIZE - 3 : at, hasPorts);
      }
      burst.hash.fill(0x55555555);
      bound.control[KernelWord.count] = burst.n;
      bound.run();
      const listed = bound.control.subarray(
        KernelWord.list,
        KernelWord.list + bound.control[KernelWord.left]!,
      );
      expect(Array.from(listed).sort((a, b) => a - b)).toEqual(left);
      for (let i = 0; i < burst.n; i++) {
        if (left.includes(i)) continue;
        const value = burst.hash[i];
        expect(tables.hashFrame(burst, i)).toBe(value);
      }
    }
  });
});

const v4 = { src: '66.9.149.187', dst: '161.142.100.80' };
const v6 = { src: '3ffe:2501:200:1fff::7', dst: '3ffe:2501:200:3::1' };
const ports = { sport: 2794, dport: 1766 };
const extensions = [homeAddressExtension('2001:db8::77'), routingExtension(2, '2001:db8::88')];
const FRAMES = [
  ethernet({}, ipv4(v4, tcp(ports))),
  ethernet({ vlans: [5] }, ipv4(v4, udp(ports))),
  ethernet({}, ipv4({ ...v4, options: new Uint8Array(8) }, tcp(ports))),
  ethernet({}, ipv4({ ...v4, moreFragments: true }, udp(ports))),
  ethernet({ dst: 'ff:ff:ff:ff:ff:ff' }, ipv4({ ...v4, src: '10.0.0.1' }, udp(ports))),
  ethernet({}, ipv6(v6, tcp(ports))),
  ethernet({ vlans: [1, 2] }, ipv6({ ...v6, dst: '2001:db8::5' }, udp(ports))),
  ethernet({}, ipv6({ ...v6, extensions }, udp(ports))),
  ethernet({}, ipv6({ ...v6, extensions: extensions.slice(0, 1) }, tcp(ports))),
  ethernet({}, ipv6({ ...v6, extensions: [fragmentExtension()] }, tcp(ports))),
  ethernet({ ethertype: 0x0806 }, new Uint8Array(28)),
  new Uint8Array(9),
];

/** Frames one behind the other, the last one at the very end of the pool. */
function burstOf(indices: readonly number[], gap: number): Burst {
  const frames = indices.map((index) => FRAMES[index]!);
  const bytes = concatBytes(...frames.flatMap((frame) => [new Uint8Array(gap), frame]));
  const burst = new Burst(bytes);
  let at = 0;
  for (const frame of frames) {
    at += gap;
    burst.add(at, frame.length);
    at += frame.length;
  }
  dissectBurst(burst);
  return burst;
}

describe.runIf(native !== null)('native hashing', () => {
  it('has a kernel on every processor', () => expect(names.at(-1)).toBe('table'));

  it('of any input equals the definition', () => {
    const inputs = fc.uint8Array({ maxLength: 300 }).chain((input) =>
      fc.record({
        input: fc.constant(input),
        key: fc.uint8Array({ minLength: input.length + 4, maxLength: input.length + 9 }),
        start: fc.integer(),
      }),
    );
    fc.assert(
      fc.property(inputs, ({ key, input, start }) => {
        expect(native!.toeplitz(key, input, start)).toBe(toeplitzBitwise(key, input, start));
      }),
      { numRuns: 500 },
    );
  });

  it('refuses what it cannot use, in one line', () => {
    const key = new Uint8Array(40);
    const select = new Uint8Array(0x10000);
    const burst = new Burst(new Uint8Array(100));
    const control = new Int32Array(66);
    const options = { key, kernel: names[0]!, symmetric: 0, start: 0, isHalved: false, select };
    const bind = (change: object, words: Int32Array = burst.words, words2 = control) =>
      native!.bindBurstHash({ ...options, ...change }, words, burst.bytes, words2);
    expect(() => bind({})).not.toThrow();
    expect(() => bind({ kernel: 'sse9' })).toThrow(/kernel "sse9" is not available/);
    expect(() => bind({ key: new Uint8Array(15) })).toThrow(/key must have 16 bytes/);
    expect(() => bind({ select: new Uint8Array(5) })).toThrow(/select must have 65536/);
    expect(() => bind({ symmetric: 4 })).toThrow(/symmetric must be 0 to 3/);
    expect(() => bind({ key: new Uint8Array(39), select: select.slice().fill(5) })).toThrow(
      /key must have 40/,
    );
    expect(() => bind({}, burst.kind)).toThrow(/words must have 1216/);
    expect(() => bind({}, burst.words, new Int32Array(65))).toThrow(/control must have 66/);
    expect(() => native!.toeplitz(new Uint8Array(11), new Uint8Array(8), 0)).toThrow(/too short/);
  });

  it('takes the tables for bursts too small to pay for the call', () => {
    const kernels = nativeHashKernels();
    if (typeof kernels === 'string') throw new Error(kernels);
    const options = { key: namedKey('microsoft'), types: ALL_TYPES, start: 0, exRule: 'intel' as const };
    const hash = new RssHash({ ...options, symmetric: 'none', kernels });
    expect(hash.implementation(kernels.leastFrames - 1)).toBe('table');
    if (names[0] !== 'table') expect(hash.implementation(BURST_MAX)).toBe(names[0]);
    const other = new RssHash({ ...options, symmetric: 'none', kernels, function: 'crc32c' });
    expect(other.implementation(BURST_MAX)).toBe('table');
  });
});
