/**
 * Holds RPS as the running kernel does it against the policy.
 *
 * Promise: the commands are run on a device of the same name and number of queues in a network namespace of its own, frames
 * of every kind are written into each queue, and the CPU that took each is compared with the one that the policy's list
 * gives for the hash that the kernel computed (its key cannot be known).
 */
import { rscale } from '../../linux/arith.js';
import { difference } from '../answers.js';
import type { Check, Compiled, Request } from '../back-end.js';
import { numberedCorpus } from '../kernel-lab/frames.js';
import { runLab } from '../kernel-lab/lab.js';
import { parseSysfs } from './parse.js';

/** Queues of the device where none was named. */
const QUEUES = 2;
const DIFFER_MAX = 5;

/** The check of the target. */
export async function checkSysfs(request: Request, compiled: Compiled, packets: number): Promise<Check> {
  const { device, now, spec } = request;
  const { cpus } = parseSysfs(compiled.commands) as { cpus: number[] };
  const corpus = { seed: spec.seed };
  const landings = await runLab('sysfs', {
    device: device ?? 'rxsteer0',
    queues: now?.rx.length ?? QUEUES,
    commands: compiled.commands,
    frames: packets,
    corpus,
  });
  const frames = numberedCorpus(packets, corpus);
  const wanted = landings.map(({ hash }) => cpus[rscale(hash, cpus.length)]!);
  const wrong = [...wanted.keys()].filter((i) => wanted[i] !== landings[i]!.cpu);
  return {
    packets,
    agree: packets - wrong.length,
    how: 'the running kernel, on a TAP in a network namespace of its own; the hash is the kernel’s',
    differ: wrong.slice(0, DIFFER_MAX).map((i) => difference(frames, i, wanted[i]!, landings[i]!.cpu)),
  };
}
