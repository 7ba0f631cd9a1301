/**
 * Four guests without a guest (`front.cc`), one pair of rings each, behind two workers: MAC against flow steering, and how
 * often two workers wanted the ring of one guest.
 *
 * Promise: every visit is a forwarder and a front-end of its own; windows of one visit give one sample, their median.
 */
import { compile } from '../lab/compile.js';
import { Child } from '../lab/process.js';
import { abba, type BenchOptions, type Samples } from '../runner.js';
import { median } from '../stats.js';
import { Forwarding, lockWaits } from './rxsteer.js';

export const FRONT_POLICIES = ['mac', 'rss'] as const;
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
async function visit(folder: string, policy: string, program: string, quick: boolean, samples: Samples) {
  const path = (k: number) => `${folder}/front-${policy}-${k}.sock`;
  const forwarding = await Forwarding.start(folder, `front-${policy}`, {
    ports: GUESTS.map((k) => `g${k}=vhost-user:${path(k)}`),
    ...{ policy, workers: 2, cpus: '0-1' },
  });
  const front = new Child('front', [program, String(SIZE), String(FLOWS), ...GUESTS.map(path)]);
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
    const add = (measure: string, value: number) => samples.add(policy, measure, value);
    add('rate', median(measured.map((w) => w.received.reduce((a, b) => a + b) / w.seconds)));
    add('contended', (waits.contended - waitsBefore.contended) / frames);
    add('waitedNs', (waits.waitedNs - waitsBefore.waitedNs) / frames);
    const handed = (of: typeof after) => of.workers.reduce((sum, { handedOff }) => sum + handedOff, 0);
    add('handoffs', (handed(after) - handed(before)) / frames);
    const lost = (of: typeof after) => Object.values(of.totals.dropped).reduce((a, b) => a + b);
    add('lost', (lost(after) - lost(before)) / frames);
    add('reordered', after.totals.reordered);
  } finally {
    front.kill();
    await front.ended;
    await forwarding.stop();
  }
}

/** Fills `samples` by policy; returns why it could not, or null. */
export async function measureFronts(
  folder: string,
  rounds: number,
  options: BenchOptions,
  samples: Samples,
): Promise<string | null> {
  const { path, problem } = compile({ what: 'guests: rings without guests', source: 'guests/front.cc' });
  if (problem !== '') return problem;
  for (const [index, order] of abba(FRONT_POLICIES, rounds).entries()) {
    for (const policy of order) {
      options.signal.throwIfAborted();
      options.progress(`guests: rings without guests, round ${index + 1} of ${rounds}: ${policy}`);
      await visit(folder, policy, path, options.quick, samples);
    }
  }
  return null;
}
