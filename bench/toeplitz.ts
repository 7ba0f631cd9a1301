/**
 * Suite `toeplitz`: the Toeplitz hash of random tuples, ours beside DPDK's, nanoseconds a hash.
 *
 * The peer gets the same key and the same tuples, and its hashes must be ours. Native kernels are timed as they are
 * used: one call from JavaScript for each burst. `burst of N` cases hash frames where they lie in the pool, type
 * selection included, and show from which size on a native call pays.
 */
import { execFileSync } from 'node:child_process';
import { nativeHashKernels, nativeKernelNames } from '#rxsteer/addon/hash-kernels.js';
import { loadNative, nativeProblem } from '#rxsteer/addon/native.js';
import { toHex } from '#rxsteer/hash/hex.js';
import { namedKey } from '#rxsteer/hash/keys.js';
import { SeededRandom } from '#rxsteer/hash/random.js';
import { Toeplitz, toeplitzBitwise } from '#rxsteer/hash/toeplitz.js';
import { type Symmetric, TupleHash } from '#rxsteer/hash/tuple-hash.js';
import { GENERIC_TYPES, hashTypeMask } from '#rxsteer/nic/hash-types.js';
import { RssHash } from '#rxsteer/nic/rss-hash.js';
import { randomBursts } from './frames.js';
import { addTime, type Case, microResults, runCases, timesOf } from './micro.js';
import { buildSoftRss, type SoftRss } from './peers/softrss.js';
import { type BenchOptions, present, ratioOf, type Samples, type Suite, type SuiteReport } from './runner.js';

/** More than a branch predictor can learn: the peer branches on every bit of its input. */
const TUPLES = 65_536;
const BURST = 64;
const SEED = 1;
const V4 = 12;
const V6 = 36;

const key = namedKey('microsoft');

/** Calls `batch` with the index of the first tuple of the next burst. */
function bursts(batch: (first: number) => void): () => void {
  let first = 0;
  return () => {
    batch(first);
    first = (first + BURST) & (TUPLES - 1);
  };
}

/** The tuples: the same ones in every process and thread. */
function randomTuples(bytes: number): Uint8Array {
  return new SeededRandom(SEED).bytes(TUPLES * bytes);
}

/** IPv4 tuples with ports as a burst of them is hashed: in the product's own loop, as the kernels in theirs. */
function burstCall(symmetric: Symmetric): () => void {
  const tuples = new DataView(randomTuples(V4).buffer);
  const hash = new TupleHash(key, { symmetric });
  const out = new Int32Array(BURST);
  return bursts((first) => hash.ipv4Tuples(tuples, first * V4, BURST, out));
}

/** One tuple after the other. */
function tupleCall(bytes: number, ports: boolean): () => void {
  const tuples = new DataView(randomTuples(bytes).buffer);
  const hash = new TupleHash(key);
  const out = new Int32Array(BURST);
  const width = (bytes - 4) / 2;
  const v4 = bytes === V4;
  return bursts((first) => {
    for (let i = 0; i < BURST; i++) {
      const s = (first + i) * bytes;
      const p = s + 2 * width;
      let value = v4 ? hash.ipv4At(tuples, s, s + width) : hash.ipv6At(tuples, s, s + width);
      if (ports) value ^= v4 ? hash.ipv4PortsAt(tuples, p) : hash.ipv6PortsAt(tuples, p);
      out[i] = value;
    }
  });
}

function bitwiseCall(): () => void {
  const tuples = randomTuples(V4);
  const views = Array.from({ length: TUPLES }, (_, i) => tuples.subarray(i * V4, (i + 1) * V4));
  const out = new Int32Array(BURST);
  return bursts((first) => {
    for (let i = 0; i < BURST; i++) out[i] = toeplitzBitwise(key, views[first + i]!);
  });
}

/** Packed tuples by a kernel of the addon, one call a burst. */
function nativeCall(kernel: string, bytes: number): () => void {
  const control = new Int32Array([0, BURST]);
  const options = { key, kernel, symmetric: 0, start: 0, isHalved: false };
  const out = new Int32Array(BURST);
  const run = loadNative()!.bindPackedHash(options, randomTuples(bytes), bytes, out, control);
  return bursts((first) => {
    control[0] = first;
    run();
  });
}

/** Frames of a burst, by tables or by the fastest kernel. */
function framesCall(size: number, isNative: boolean): () => void {
  const kernels = isNative ? nativeHashKernels(nativeKernelNames()[0]) : null;
  if (typeof kernels === 'string') throw new Error(kernels);
  const types = hashTypeMask(GENERIC_TYPES);
  const make = () => new RssHash({ key, types, symmetric: 'none', start: 0, exRule: 'intel', kernels });
  const all = randomBursts('mixed', SEED, true);
  const shared = make();
  // A kernel is bound to a burst object, of which a worker has one: changing it would be measured too.
  const pairs = all.map((burst) => ({ burst, hash: isNative ? make() : shared }));
  for (const burst of all) burst.n = size;
  let next = 0;
  return () => {
    next = (next + 1) % pairs.length;
    const { burst, hash } = pairs[next]!;
    hash.hashBurst(burst);
  };
}

const SIZES = [1, 2, 4, 8, 16, 32, 64];
const sizeName = (size: number, isNative: boolean) => `burst of ${size}, ${isNative ? 'native' : 'table'}`;

export function cases(): Case[] {
  const names = nativeKernelNames();
  const sides = names.length === 0 ? [false] : [false, true];
  const one = (name: string, call: () => () => void): Case => ({ name, items: BURST, call });
  return [
    one('table/ipv4-tcp', () => burstCall('none')),
    one('table/ipv4-tcp, one by one', () => tupleCall(V4, true)),
    one('table/ipv4', () => tupleCall(V4, false)),
    one('table/ipv6-tcp', () => tupleCall(V6, true)),
    one('table/ipv4-tcp, symmetric xor', () => burstCall('xor')),
    one('table/ipv4-tcp, symmetric sort', () => burstCall('sort')),
    one('bitwise/ipv4-tcp', bitwiseCall),
    ...names.map((name) => one(`native ${name}/ipv4-tcp`, () => nativeCall(name, V4))),
    ...names.map((name) => one(`native ${name}/ipv6-tcp`, () => nativeCall(name, V6))),
    ...SIZES.flatMap((size) =>
      sides.map((side) => ({ name: sizeName(size, side), items: size, call: () => framesCall(size, side) })),
    ),
  ];
}

/** What the peer's results are called, by how it was compiled. */
const NATIVE = ' -march=native';
const PEERS = ['softrss', 'softrss_be'] as const;

/** The peer's samples of a round; throws when its hashes are not ours. */
function peerRound(program: SoftRss, suffix: string, tuples: Uint8Array, samples: Samples): void {
  const output = JSON.parse(
    execFileSync(program.path, [toHex(key)], { input: tuples, encoding: 'utf8' }),
  ) as Record<'softrss' | 'softrss_be', { ns: number[]; xor: number }>;
  const reference = new Toeplitz(key, V4);
  let xor = 0;
  for (let i = 0; i < TUPLES; i++) xor ^= reference.hash(tuples, i * V4, V4);
  for (const name of PEERS) {
    if (output[name].xor !== xor >>> 0) throw new Error(`rte_${name} and this program hash differently`);
    for (const ns of output[name].ns) addTime(samples, `rte_${name}${suffix}`, ns);
  }
}

/** What is asked of each kernel against rte_softrss_be. */
const WANTED: Record<string, string> = {
  'vpclmulqdq-512': '<= 0.025',
  'vpclmulqdq-256': '<= 0.025',
  pclmulqdq: '<= 0.05',
};

/** The same tuples of DPDK's programs, for suites that compare with it. @returns what is missing, as a note */
export function peerRounds(): { problem: string; round: (into: Samples) => Promise<void> } {
  const tuples = randomTuples(V4);
  const programs = [
    { program: buildSoftRss(false), suffix: '' },
    { program: buildSoftRss(true), suffix: NATIVE },
  ];
  return {
    problem: programs[0]!.program.problem,
    round: async (into) => {
      for (const { program, suffix } of programs) {
        if (program.path !== '') peerRound(program, suffix, tuples, into);
      }
    },
  };
}

async function run(options: BenchOptions): Promise<SuiteReport> {
  const suite = 'toeplitz';
  const list = cases();
  const { problem, round } = peerRounds();
  const samples = await runCases(suite, import.meta.url, list, options, round);
  const peers = ['', NATIVE].flatMap((suffix) => PEERS.map((name) => `rte_${name}${suffix}`));
  const times = (name: string) => timesOf(samples, name);
  const kernels = nativeKernelNames();
  const notes = [problem === '' ? 'rte_softrss: as a program built with the flags of the package' : problem];
  if (kernels.length === 0) notes.push(`native kernels left out: ${nativeProblem()}`);
  return {
    results: microResults(suite, samples, [...list.map(({ name }) => name), ...peers]),
    ratios: present([
      ...peers.map((name) => {
        const wanted = name === 'rte_softrss_be' ? '<= 0.125' : null;
        return ratioOf(`toeplitz table / ${name}`, times('table/ipv4-tcp'), times(name), wanted);
      }),
      ...kernels.map((name) =>
        ratioOf(
          `toeplitz native ${name} / rte_softrss_be`,
          times(`native ${name}/ipv4-tcp`),
          times('rte_softrss_be'),
          WANTED[name] ?? null,
        ),
      ),
      ...(kernels.length === 0 ? [] : SIZES).map((size) =>
        ratioOf(
          `burst of ${size}, native / table`,
          times(sizeName(size, true)),
          times(sizeName(size, false)),
          null,
        ),
      ),
    ]),
    notes,
  };
}

export const toeplitz: Suite = { name: 'toeplitz', about: "hashing tuples, beside DPDK's rte_softrss", run };
