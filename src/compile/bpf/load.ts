/**
 * Loads the programs of the targets `bpf` and `xdp`: to try them, and to pin them.
 *
 * Promise: what a trial loads is gone when it ends. A pin is a file in a bpf file system, which the program lives as long as.
 */
import { unlinkSync } from 'node:fs';
import { type LoadedProgram, loadProgram, NOT_TRIED } from '../../addon/bpf.js';
import { loadNative, type Native, nativeProblem } from '../../addon/native.js';
import type { Program } from '../../bpf/assembler.js';
import { parseMac } from '../../mac/address.js';
import type { PolicySpec } from '../../policy/spec.js';
import { answersOf, difference } from '../answers.js';
import { type Check, type Request, type Target, Uncheckable } from '../back-end.js';
import { type CorpusOptions, makeCorpus } from '../corpus.js';
import { pinsOf } from './emit.js';

const DIFFER_MAX = 5;
const SPARE = 64;

function addonFor(target: Target): Native {
  const native = loadNative();
  if (native === null) throw new Uncheckable(target, `the native addon is needed: ${nativeProblem()}`);
  return native;
}

/** Addresses and VLANs that the policy names, so that packets meet them. */
export function corpusFor(spec: PolicySpec): CorpusOptions {
  if (spec.policy !== 'mac') return { seed: spec.seed };
  const macs = spec.owners.map(({ mac }) => {
    const { high, low } = parseMac(mac, 'owners');
    const bytes = new Uint8Array(6);
    const view = new DataView(bytes.buffer);
    view.setUint16(0, high);
    view.setUint32(2, low >>> 0);
    return bytes;
  });
  const vlans = spec.owners.flatMap(({ vlan }) => vlan ?? []);
  return { seed: spec.seed, macs, vlans };
}

function loadFor(target: Target, native: Native, program: Program): LoadedProgram {
  try {
    return loadProgram(native, program);
  } catch (error) {
    throw new Uncheckable(target, (error as Error).message);
  }
}

/** Runs a program over packets and compares with the policy. @param wanted which of the policy's answers the program gives */
export function tryProgram(
  target: Target,
  request: Request,
  program: Program,
  packets: number,
  wanted: 'queues' | 'workers',
): Check {
  const native = addonFor(target);
  // Of some the kernel makes no packet.
  const made = packets + (packets >> 3) + SPARE;
  const corpus = makeCorpus(made, corpusFor(request.spec));
  const answers = answersOf(request.steering, corpus)[wanted];
  const loaded = loadFor(target, native, program);
  const results = new Uint32Array(made);
  try {
    native.tryBpfProgram(loaded.program, corpus.bytes, corpus.offsets, results);
  } finally {
    loaded.close();
  }
  const tried = [...answers.keys()].filter((i) => results[i] !== NOT_TRIED).slice(0, packets);
  if (tried.length === 0) throw new Uncheckable(target, 'the kernel tries no program (BPF_PROG_TEST_RUN)');
  const wrong = tried.filter((i) => answers[i] !== results[i]);
  return {
    packets: tried.length,
    agree: tried.length - wrong.length,
    how: `BPF_PROG_TEST_RUN of ${program.code.length / 8} instructions over random and hostile packets`,
    differ: wrong.slice(0, DIFFER_MAX).map((i) => difference(corpus, i, answers[i]!, results[i]!)),
  };
}

/** Loads and pins; pins of the same names are replaced. @throws Error with the kernel's reason */
export function pinProgram(target: Target, program: Program, path: string): string[] {
  const native = addonFor(target);
  const loaded = loadProgram(native, program);
  const pins = pinsOf(path, program);
  try {
    [loaded.program, ...loaded.maps].forEach((fd, i) => {
      try {
        unlinkSync(pins[i]!);
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
      }
      native.pinBpf(fd, pins[i]!);
    });
  } finally {
    loaded.close();
  }
  return pins;
}
