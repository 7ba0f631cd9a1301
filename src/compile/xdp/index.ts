/**
 * The target `xdp`: a program that sends each frame to the CPU of its worker.
 *
 * Promise: worker w is CPU w. Checked twice: the choice by BPF_PROG_TEST_RUN; and, where the machine has the CPUs, on which CPU
 * frames really land, in a network namespace of its own.
 */
import { cpus } from 'node:os';
import { quoted } from '../../host/remedy.js';
import { answersOf, difference } from '../answers.js';
import {
  type BackEnd,
  type Cannot,
  type Check,
  type Compiled,
  deviceOf,
  Inexpressible,
  type Request,
} from '../back-end.js';
import { describeProgram, noteProgram, PIN_FOLDER, pinCommand, pinsOf, programOr } from '../bpf/emit.js';
import { corpusFor, pinProgram, tryProgram } from '../bpf/load.js';
import { numberedCorpus } from '../kernel-lab/frames.js';
import { runLab } from '../kernel-lab/lab.js';
import { xdpProgram } from './program.js';

/** Frames that are really sent. */
const LANDINGS = 1000;
const DIFFER_MAX = 5;

function programOf(request: Request, isTrial: boolean) {
  const { host, spec, steering } = request;
  if (host !== null && steering.workers > host.cpus.possible.length) {
    const there = `this host has ${host.cpus.possible.length} CPUs`;
    throw new Inexpressible('xdp', spec, `worker w is CPU w: ${steering.workers} workers, and ${there}`);
  }
  return programOr(xdpProgram(steering, isTrial), 'xdp', request);
}

function emit(request: Request): Compiled {
  const program = programOf(request, false);
  const cannot: Cannot[] = [];
  noteProgram(request, cannot);
  if (request.now !== null) {
    cannot.push({
      what: 'an XDP program that is there now',
      why: 'it is not read: ip link refuses a second one, and the undo brings none back',
    });
  }
  const name = request.device === null ? '"$DEV"' : quoted(request.device);
  const path = `${PIN_FOLDER}/rxsteer-${deviceOf(request).replace('$', '')}`;
  return {
    target: 'xdp',
    commands: [
      pinCommand(request, 'xdp', path),
      `ip link set dev ${name} xdp pinned ${path}`,
      `# program: ${program.code.length / 8} instructions; frames go to CPU 0-${request.steering.workers - 1} by a CPU map (worker w is CPU w)`,
    ],
    undo: [`ip link set dev ${name} xdp off`, `rm -f ${pinsOf(path, program).join(' ')}`],
    cannot,
    more: { program: describeProgram(program) },
  };
}

async function check(request: Request, _: Compiled, packets: number): Promise<Check> {
  const { spec, steering } = request;
  // The CPUs of this machine are needed for frames that really go there.
  const frames = steering.workers > cpus().length ? 0 : Math.min(packets >> 1, LANDINGS);
  const tried = tryProgram('xdp', request, programOf(request, true), packets - frames, 'workers');
  if (tried.agree < tried.packets || frames === 0) return tried;
  const corpus = corpusFor(spec);
  const landings = await runLab('xdp', {
    device: 'rxsteer0',
    queues: 1,
    commands: [],
    frames,
    corpus,
    xdp: { policy: spec.text, workers: steering.workers },
  });
  const numbered = numberedCorpus(frames, corpus);
  const { workers } = answersOf(steering, numbered);
  const wrong = [...workers.keys()].filter((i) => workers[i] !== landings[i]!.cpu);
  const differ = wrong
    .slice(0, DIFFER_MAX)
    .map((i) => difference(numbered, i, workers[i]!, landings[i]!.cpu));
  return {
    packets: tried.packets + frames,
    agree: tried.agree + frames - wrong.length,
    how: `${tried.how}; ${frames} more went through it to their CPUs, on a TAP in a network namespace of its own`,
    differ,
  };
}

export const xdp: BackEnd = {
  name: 'xdp',
  does: 'a program that sends each frame to the CPU of its worker',
  emit,
  check,
  pin: (request, path) => pinProgram('xdp', programOf(request, false), path),
};
