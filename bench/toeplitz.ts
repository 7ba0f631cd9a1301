/**
 * Suite `toeplitz`: the Toeplitz hash of random tuples, ours beside DPDK's, nanoseconds a hash.
 *
 * The peer gets the same key and the same tuples, and its hashes must be ours.
 */
import { execFileSync } from 'node:child_process';
import { toHex } from '#rxsteer/hash/hex.js';
import { namedKey } from '#rxsteer/hash/keys.js';
import { SeededRandom } from '#rxsteer/hash/random.js';
import { Toeplitz, toeplitzBitwise } from '#rxsteer/hash/toeplitz.js';
import { type Symmetric, TupleHash } from '#rxsteer/hash/tuple-hash.js';
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

/** Calls `work` with the index of the first tuple of the next burst. */
function bursts(work: (first: number) => void): () => void {
  let first = 0;
  return () => {
    work(first);
    first = (first + BURST) & (TUPLES - 1);
  };
}

/** The tuples: the same ones in every process and thread. */
function randomTuples(bytes: number): Uint8Array {
  return new SeededRandom(SEED).bytes(TUPLES * bytes);
}

function tupleCall(bytes: number, symmetric: Symmetric, ports: boolean): () => void {
  const tuples = randomTuples(bytes);
  const hash = new TupleHash(key, { symmetric });
  const out = new Int32Array(BURST);
  const width = (bytes - 4) / 2;
  const v4 = bytes === V4;
  return bursts((first) => {
    for (let i = 0; i < BURST; i++) {
      const s = (first + i) * bytes;
      const p = s + 2 * width;
      let value = v4 ? hash.ipv4(tuples, s, s + width) : hash.ipv6(tuples, s, s + width);
      if (ports) value ^= v4 ? hash.ipv4Ports(tuples, p) : hash.ipv6Ports(tuples, p);
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

export function cases(): Case[] {
  const one = (name: string, call: () => () => void): Case => ({ name, items: BURST, call });
  return [
    one('table/ipv4-tcp', () => tupleCall(V4, 'none', true)),
    one('table/ipv4', () => tupleCall(V4, 'none', false)),
    one('table/ipv6-tcp', () => tupleCall(V6, 'none', true)),
    one('table/ipv4-tcp, symmetric xor', () => tupleCall(V4, 'xor', true)),
    one('table/ipv4-tcp, symmetric sort', () => tupleCall(V4, 'sort', true)),
    one('bitwise/ipv4-tcp', bitwiseCall),
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

async function run(options: BenchOptions): Promise<SuiteReport> {
  const suite = 'toeplitz';
  const list = cases();
  const tuples4 = randomTuples(V4);
  const program = buildSoftRss(false);
  const native = buildSoftRss(true);
  const samples = await runCases(suite, import.meta.url, list, options, async (into) => {
    if (program.path !== '') peerRound(program, '', tuples4, into);
    if (native.path !== '') peerRound(native, NATIVE, tuples4, into);
  });
  const peers = ['', NATIVE].flatMap((suffix) => PEERS.map((name) => `rte_${name}${suffix}`));
  const names = [...list.map(({ name }) => name), ...peers];
  const ours = timesOf(samples, 'table/ipv4-tcp');
  return {
    results: microResults(suite, samples, names),
    ratios: present(
      peers.map((name) => {
        const wanted = name === 'rte_softrss_be' ? '<= 0.125' : null;
        return ratioOf(`toeplitz table / ${name}`, ours, timesOf(samples, name), wanted);
      }),
    ),
    notes:
      program.path === ''
        ? [program.problem]
        : ['rte_softrss: as a program built with the flags of the package'],
  };
}

export const toeplitz: Suite = { name: 'toeplitz', about: "hashing tuples, beside DPDK's rte_softrss", run };
