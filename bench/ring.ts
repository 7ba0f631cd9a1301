/**
 * Suite `ring`: one producer, one consumer, on two CPUs, beside DPDK's rte_ring (SP/SC bulk 32), nanoseconds an item.
 */

import { availableParallelism } from 'node:os';
import { fileURLToPath } from 'node:url';
import { UserError } from '#rxsteer/errors.js';
import { compile } from './lab/compile.js';
import { type Entry, endAll, startAll, TIME, timeRounds } from './lab/rounds.js';
import {
  type BenchOptions,
  present,
  ratioOfRounds,
  resultOf,
  type Suite,
  type SuiteReport,
} from './runner.js';

const WINDOWS = { seconds: 0.003, count: 20 };
const OURS = {
  words: 'words of 4 bytes',
  frames: "the engine's ring, 32-byte descriptors",
  handover: 'the same, filled by the dispatcher (finds and notes the flow)',
} as const;
const RTE = {
  4: 'rte_ring, 4-byte items',
  8: 'rte_ring, 8-byte items',
  32: 'rte_ring, 32-byte items',
} as const;

/** What the suites of two threads need. Throws UserError. */
export function requireTwoCpus(suite: string): void {
  if (availableParallelism() < 2) throw new UserError(`bench ${suite} needs two CPUs, one for each thread`);
}

async function run(options: BenchOptions): Promise<SuiteReport> {
  const suite = 'ring';
  requireTwoCpus(suite);
  const notes: string[] = [];
  const side = fileURLToPath(new URL('./ring/side.js', import.meta.url));
  const entries: Entry[] = (['words', 'frames', 'handover'] as const).map((kind) => ({
    name: OURS[kind],
    command: [process.execPath, side, kind],
  }));
  const program = compile({ what: 'rte_ring', source: 'peers/ring.c', dpdk: true });
  if (program.path === '') notes.push(program.problem);
  else {
    for (const bytes of [4, 8, 32] as const)
      entries.push({ name: RTE[bytes], command: [program.path, String(bytes)] });
  }
  const rounds = options.rounds ?? (options.quick ? 5 : 30);
  const contestants = await startAll(suite, entries, (name) => !name.startsWith('rte'), notes);
  try {
    const { samples, lost } = await timeRounds(suite, contestants, rounds, options, WINDOWS);
    if (lost > 0) notes.push(`ring: ${lost} of ${rounds} rounds left out: other programs had the CPUs`);
    const of = (name: string) => samples.of(name, TIME);
    return {
      results: present(contestants.map(({ name }) => resultOf(suite, name, of(name), 'nanoseconds', 'ns'))),
      ratios: present([
        ratioOfRounds(`ring: ${OURS.words} / ${RTE[4]}`, of(OURS.words), of(RTE[4]), '<= 1.5'),
        ratioOfRounds(`ring: ${OURS.frames} / ${RTE[32]}`, of(OURS.frames), of(RTE[32]), '<= 1.5'),
        ratioOfRounds(`ring: ${OURS.frames} / ${RTE[8]}`, of(OURS.frames), of(RTE[8]), null),
      ]),
      notes,
    };
  } finally {
    await endAll(contestants);
  }
}

export const ring: Suite = {
  name: 'ring',
  about: "hand-over between two threads, beside DPDK's rte_ring",
  run,
};
