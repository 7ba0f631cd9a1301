/**
 * Four guests without a guest (`front.cc`), one pair of rings each, behind two workers: MAC against flow steering, and how
 * often two workers wanted the ring of one guest.
 *
 * Worker k polls guests k and k + 2, and with MAC steering owns them. So a frame to the next guest is always the other
 * worker's, and one to the guest after it never: with MAC steering both are measured, since all that it does lies between
 * them. With flow steering half of the frames are the other worker's either way.
 *
 * Promise: every visit is a forwarder and a front-end of its own; windows of one visit give one sample, their median.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { compile } from '../lab/compile.js';
import { Child } from '../lab/process.js';
import { abba, type BenchOptions, type Samples } from '../runner.js';
import { median } from '../stats.js';
import { between, spentBy } from './cost.js';
import { Forwarding, lockWaits } from './rxsteer.js';

/** `apart`: from a guest to its peer. */
export const FRONTS = [
  { name: 'mac, all frames to the other worker', policy: 'mac', apart: 1 },
  { name: 'mac, no frame to the other worker', policy: 'mac', apart: 2 },
  { name: 'rss', policy: 'rss', apart: 1 },
] as const;
type Front = (typeof FRONTS)[number];
const GUESTS = [0, 1, 2, 3];
const FLOWS = 64;
const SIZE = 60;

interface Window {
  readonly seconds: number;
  readonly received: readonly number[];
}

async function windows(front: Child, count: number, seconds: number): Promise<Window[]> {
  for (let k = 1; k <= count; k++) {
    front.write(`${seconds}\n`);
    await front.until(new RegExp(`^(?:\\{.*\\}\\n){${k}}`, 'm'), 1000 * seconds + 10_000);
  }
  return front.stdout
    .split('\n')
    .filter((line) => line.startsWith('{'))
    .map((line) => JSON.parse(line) as Window);
}

/** One sample of each measure under this policy. */
async function visit(
  folder: string,
  { name, policy, apart }: Front,
  program: string,
  quick: boolean,
  samples: Samples,
) {
  const path = (k: number) => `${folder}/front-${policy}-${k}.sock`;
  const forwarding = await Forwarding.start(folder, `front-${policy}`, {
    ports: GUESTS.map((k) => `g${k}=vhost-user:${path(k)}`),
    ...{ policy, workers: 2, cpus: '0-1' },
  });
  const front = new Child('front', [program, String(SIZE), `${FLOWS}/${apart}`, ...GUESTS.map(path)]);
  try {
    await front.until(/^ready$/m, 20_000);
    await windows(front, 1, 0.3);
    const before = await forwarding.stats();
    const [, ...measured] = await windows(front, quick ? 3 : 8, 0.25);
    const after = await forwarding.stats();
    // Of all that was taken from the guests, also between the windows.
    const frames = Math.max(1, after.totals.received - before.totals.received);
    const waits = lockWaits(after);
    const waitsBefore = lockWaits(before);
    const add = (measure: string, value: number) => samples.add(name, measure, value);
    add('rate', median(measured.map((w) => w.received.reduce((a, b) => a + b) / w.seconds)));
    add('contended', (waits.contended - waitsBefore.contended) / frames);
    add('waitedNs', (waits.waitedNs - waitsBefore.waitedNs) / frames);
    const handed = (of: typeof after) => of.workers.reduce((sum, { handedOff }) => sum + handedOff, 0);
    add('handoffs', (handed(after) - handed(before)) / frames);
    const lost = (of: typeof after) => Object.values(of.totals.dropped).reduce((a, b) => a + b);
    add('lost', (lost(after) - lost(before)) / frames);
    // In the ring between the workers; nearly all others in the guest's.
    add('lostBetween', (after.totals.dropped.backlog - before.totals.dropped.backlog) / frames);
    add('reordered', after.totals.reordered);
  } finally {
    front.kill();
    await front.ended;
    await forwarding.stop();
  }
}

/** Guests that are connected and send nothing, and who pays for them. */
export const IDLE = 'idle';
export const IDLE_GUESTS = 16;

/** One sample of the share of a core that this program takes for guests at rest. */
async function visitIdle(
  folder: string,
  program: string,
  options: BenchOptions,
  samples: Samples,
): Promise<void> {
  const seconds = options.quick ? 2 : 5;
  const paths = Array.from({ length: IDLE_GUESTS }, (_, k) => `${folder}/idle-${k}.sock`);
  const forwarding = await Forwarding.start(folder, 'idle', {
    ports: paths.map((path, k) => `g${k}=vhost-user:${path}`),
    ...{ policy: 'mac', workers: 2, cpus: '0-1' },
  });
  const front = new Child('front', [program, String(SIZE), String(FLOWS), ...paths]);
  try {
    await front.until(/^ready$/m, 30_000);
    // What starting leaves behind: compilation, collections, the first walk through the table of addresses.
    await sleep(options.quick ? 2000 : 8000);
    const from = { at: performance.now(), spent: spentBy(forwarding.pid, []) };
    await sleep(1000 * seconds);
    const took = (performance.now() - from.at) * 1e6;
    samples.add(IDLE, 'share', between(from.spent, spentBy(forwarding.pid, [])).program / took);
  } finally {
    front.kill();
    await front.ended;
    await forwarding.stop();
  }
}

const compiled = () => compile({ what: 'guests: rings without guests', source: 'guests/front.cc' });

/** Fills `samples` by front; returns why it could not, or null. */
export async function measureFronts(
  folder: string,
  rounds: number,
  options: BenchOptions,
  samples: Samples,
): Promise<string | null> {
  const { path, problem } = compiled();
  if (problem !== '') return problem;
  for (const [index, order] of abba(FRONTS, rounds).entries()) {
    for (const front of order) {
      options.signal.throwIfAborted();
      options.progress(`guests: rings without guests, round ${index + 1} of ${rounds}: ${front.name}`);
      await visit(folder, front, path, options.quick, samples);
    }
  }
  return null;
}

/** Fills `samples` of `IDLE`; returns why it could not, or null. */
export async function measureIdle(
  folder: string,
  rounds: number,
  options: BenchOptions,
  samples: Samples,
): Promise<string | null> {
  const { path, problem } = compiled();
  if (problem !== '') return problem;
  for (let round = 1; round <= rounds; round++) {
    options.signal.throwIfAborted();
    options.progress(`guests: ${IDLE_GUESTS} guests at rest, round ${round} of ${rounds}`);
    await visitIdle(folder, path, options, samples);
  }
  return null;
}
