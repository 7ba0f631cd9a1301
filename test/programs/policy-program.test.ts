/** Policies as BPF programs, run by the kernel over packets of every kind, held against the policies. */
import { afterAll, describe, expect, it } from 'vitest';
import { loadProgram, NOT_TRIED } from '#rxsteer/addon/bpf.js';
import { loadNative } from '#rxsteer/addon/native.js';
import type { Program } from '#rxsteer/bpf/assembler.js';
import { ProgramType } from '#rxsteer/bpf/opcodes.js';
import { answersOf, difference } from '#rxsteer/compile/answers.js';
import { type Corpus, makeCorpus } from '#rxsteer/compile/corpus.js';
import { parseMac } from '#rxsteer/mac/address.js';
import { compilePolicy, defaultWorkers } from '#rxsteer/policy/compile.js';
import { parsePolicy } from '#rxsteer/policy/parse.js';
import { isProgram, policyProgram } from '#rxsteer/programs/policy-program.js';

const native = loadNative();

/** Why nothing can be loaded here; empty: it can. */
function whyNot(): string {
  if (native === null) return 'no addon';
  try {
    loadProgram(
      native,
      policyProgram(compilePolicy(parsePolicy('single')), { start: 'mac' }) as Program,
    ).close();
    return '';
  } catch (error) {
    return (error as Error).message;
  }
}
const problem = whyNot();
if (problem !== '') process.stderr.write(`BPF programs are not tried: ${problem}\n`);

const MACS = ['52:54:00:00:00:01', '52:54:00:00:00:02', '52:54:00:00:00:03'];
const macs = MACS.map((text) => {
  const { high, low } = parseMac(text, 'mac');
  const bytes = new Uint8Array(6);
  const view = new DataView(bytes.buffer);
  view.setUint16(0, high);
  view.setUint32(2, low >>> 0);
  return bytes;
});
const corpus = makeCorpus(3000, { seed: 7, macs, vlans: [5, 6] });

const loaded: { close(): void }[] = [];
afterAll(() => {
  for (const one of loaded) one.close();
});

/** What the kernel's run of a program says of each frame. */
function run(program: Program, frames: Corpus): Uint32Array {
  const one = loadProgram(native!, program);
  loaded.push(one);
  const results = new Uint32Array(frames.offsets.length - 1);
  const refused = native!.tryBpfProgram(one.program, frames.bytes, frames.offsets, results);
  // XDP takes all of them.
  expect(refused).toBeLessThan(program.type === ProgramType.xdp ? 1 : results.length / 10);
  return results;
}

const owners = [
  { mac: MACS[0]!, worker: 3 },
  { mac: MACS[1]!, vlan: 5, worker: 1 },
  { mac: MACS[1]!, vlan: 0, worker: 2 },
  { mac: MACS[2]!, vlan: 6, worker: 2 },
];

const POLICIES: readonly (string | object)[] = [
  'single',
  'rss:queues=5',
  'rss:nic=ixgbe-82599,queues=16,key=microsoft',
  'rss:nic=i40e,queues=7',
  'rss:nic=ena,queues=8',
  'rss:queues=3,types=tcp-ipv4+udp-ipv6',
  'rss:queues=3,types=ipv4',
  'rss:queues=4,types=mac+ipv6',
  'rss:queues=6,symmetric=xor',
  'rss:queues=6,symmetric=or-xor,key=random,seed=9',
  'rss:queues=6,symmetric=sort',
  { policy: 'rss', entries: Array.from({ length: 96 }, (_, i) => (i * 5) % 11) },
  'rss:queues=2,table=1024,weight=3+1',
  'rps:cpus=0-2+5,hash=toeplitz',
  'mac-hash:queues=5',
  'mac-hash:queues=5,fields=src',
  'mac-hash:queues=5,fields=both,key=random',
  { policy: 'mac', assign: 'static', owners },
];

describe.skipIf(problem !== '')('a policy as a program', () => {
  it.each(POLICIES)('%j: the kernel agrees on every frame', (policy) => {
    const steering = compilePolicy(parsePolicy(policy));
    const { queues, workers } = answersOf(steering, corpus);
    for (const start of ['mac', 'xdp'] as const) {
      for (const byWorker of [false, true]) {
        const program = policyProgram(steering, { start, workers: byWorker });
        if (!isProgram(program)) throw new Error(program.why);
        const wanted = byWorker || queues[0] === -1 ? workers : queues;
        const results = run(program, corpus);
        const wrong = [...wanted.keys()].filter((i) => wanted[i] !== results[i] && results[i] !== NOT_TRIED);
        expect(wrong.slice(0, 3).map((i) => difference(corpus, i, wanted[i]!, results[i]!))).toEqual([]);
        expect(wrong.length).toBe(0);
      }
    }
  });

  it.each([
    ['rps:cpus=0-3', /bpf_get_hash_recalc/],
    ['rfs:cpus=0-3', /tables of the kernel/],
    ['pools', /filters of the chip/],
    ['rss:function=crc32', /only Toeplitz/],
    ['rss:types=tcp-ipv6-ex', /Mobile IPv6/],
    ['rss:types=mac,symmetric=sort', /MAC addresses/],
    ['rss:inner=vxlan', /tunnels/],
    ['round-robin', /no flow/],
  ])('%s has none, and says why', (policy, why) => {
    const spec = parsePolicy(policy);
    const made = policyProgram(compilePolicy(spec, { workers: defaultWorkers(spec) }), { start: 'mac' });
    expect(isProgram(made) ? '' : made.why).toMatch(why);
  });
});
