/**
 * Suite `replay`: whole processes on captures of small frames, beside `capinfos`.
 *
 * Promise: every sample is the time from start to exit of one process, files in the page cache; candidates are visited
 * forwards and backwards in turn. Marginal costs are differences of such times within one round.
 */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { performance } from 'node:perf_hooks';
import { fileURLToPath } from 'node:url';
import { writeCapture } from './captures.js';
import { missingProgram } from './lab/programs.js';
import {
  abba,
  type BenchOptions,
  demandOn,
  present,
  ratioOf,
  resultOf,
  Samples,
  type Suite,
  type SuiteReport,
} from './runner.js';

const SUITE = 'replay';
const MAIN = fileURLToPath(new URL('../cli/main.js', import.meta.url));
const FRAME_BYTES = 60;
const FLOWS = 10_000;
const TIME = 'time';

const FIRST = ['rss:queues=8'];
/** Three more of the policies that people compare. */
const MORE = [...FIRST, 'rss:nic=ixgbe-82599,queues=8', 'rss:queues=8,symmetric=sort', 'rps:cpus=0-7'];

interface Candidate {
  readonly name: string;
  readonly command: readonly string[];
}

function replayOf(file: string, policies: readonly string[]): string[] {
  return [
    process.execPath,
    MAIN,
    'replay',
    file,
    '--json',
    ...policies.flatMap((text) => ['--policy', text]),
  ];
}

/** Milliseconds that the command takes. */
function timeOf({ name, command }: Candidate): number {
  const started = performance.now();
  const { status, stderr } = spawnSync(command[0]!, command.slice(1), {
    stdio: ['ignore', 'ignore', 'pipe'],
    encoding: 'utf8',
    env: { ...process.env, LC_ALL: 'C' },
  });
  const time = performance.now() - started;
  if (status !== 0) throw new Error(`${name}: exit ${status}: ${stderr.split('\n')[0]}`);
  return time;
}

/** What a round's differences say, in nanoseconds a packet. */
function marginal(samples: Samples, more: string, less: string, packets: number): number[] {
  const few = samples.of(less, TIME);
  return samples.of(more, TIME).map((time, round) => ((time - few[round]!) * 1e6) / packets);
}

async function run(options: BenchOptions): Promise<SuiteReport> {
  const [small, large] = options.quick ? [250_000, 1_000_000] : [1_000_000, 10_000_000];
  const directory = mkdtempSync(join(tmpdir(), 'rxsteer-bench-'));
  try {
    const files = [small, large].map((packets) => {
      const path = join(directory, `${packets}.pcap`);
      options.progress(`${SUITE}: writing ${packets} packets`);
      writeCapture(path, packets, FRAME_BYTES, FLOWS);
      readFileSync(path);
      return path;
    });
    const missing = missingProgram('capinfos', { capinfos: 'wireshark-common' });
    const [one, many] = ['1 policy', `${MORE.length} policies`];
    const names = {
      capinfos: `capinfos, ${small} packets`,
      small: `replay, ${one}, ${small} packets`,
      large: `replay, ${one}, ${large} packets`,
      smallMore: `replay, ${many}, ${small} packets`,
      largeMore: `replay, ${many}, ${large} packets`,
    };
    const candidates: Candidate[] = [
      ...(missing === null ? [{ name: names.capinfos, command: ['capinfos', files[0]!] }] : []),
      { name: names.small, command: replayOf(files[0]!, FIRST) },
      { name: names.large, command: replayOf(files[1]!, FIRST) },
      { name: names.smallMore, command: replayOf(files[0]!, MORE) },
      { name: names.largeMore, command: replayOf(files[1]!, MORE) },
    ];
    const samples = new Samples();
    const rounds = options.rounds ?? (options.quick ? 3 : 7);
    for (const [index, order] of abba(candidates, rounds).entries()) {
      options.progress(`${SUITE}: round ${index + 1} of ${rounds}`);
      for (const candidate of order) {
        options.signal.throwIfAborted();
        samples.add(candidate.name, TIME, timeOf(candidate));
        // A synchronous child: let signals in.
        await new Promise((resolve) => setImmediate(resolve));
      }
    }
    const more = large - small;
    const first = marginal(samples, names.large, names.small, more);
    const all = marginal(samples, names.largeMore, names.smallMore, more);
    const further = all.map((time, round) => (time - first[round]!) / (MORE.length - 1));
    const time = (name: string) => samples.of(name, TIME).map((ms) => ms * 1e6);
    return {
      results: present([
        ...candidates.map(({ name }) => resultOf(SUITE, name, time(name), 'nanoseconds', 'ns')),
        resultOf(SUITE, 'a further packet, 1 policy', first, 'nanoseconds', 'ns'),
        resultOf(SUITE, 'a further policy, for each packet', further, 'nanoseconds', 'ns'),
      ]),
      ratios: present([
        ratioOf('replay / capinfos, whole process', time(names.small), time(names.capinfos), '<= 1'),
        demandOn(
          'replay: million further packets a second',
          first.map((ns) => 1e3 / ns),
          '>= 4',
        ),
        ratioOf('replay: further policy / first, for each packet', further, first, '<= 0.6'),
      ]),
      notes: missing === null ? [] : [missing],
    };
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

export const replay: Suite = { name: SUITE, about: 'captures through policies, beside capinfos', run };
