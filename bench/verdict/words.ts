/**
 * The verdict of `flow-vs-mac` in plain words.
 *
 * Promise: it says what was measured, either way: the better side only where the confidence interval of the ratio
 * leaves 1 out, and reasons only where the measured quantities differ in that direction.
 */
import type { Interval } from '../stats.js';
import type { Mix, PolicyName, Stage } from './mixes.js';

/** Medians of one case. */
export interface CaseFacts {
  readonly policy: PolicyName;
  readonly packetsPerSecond: number;
  readonly cpuNs: number;
  readonly handoffs: number;
  readonly wakeups: number;
  readonly waitedNs: number;
  readonly workersPerGuest: number;
}

/** Best MAC steering over best flow steering, packets a second. */
export interface Comparison {
  readonly mix: Mix;
  readonly stage: Stage;
  readonly workers: number;
  readonly mac: CaseFacts;
  readonly flow: CaseFacts;
  readonly ratio: number;
  readonly ci95: Interval;
}

/** Differences below these are not worth a word. */
const HANDOFFS_LEAST = 0.05;
const WAKEUPS_LEAST = 0.005;
const WAITED_LEAST_NS = 5;
/** A worker count per guest that is told from 1. */
const SHARED_LEAST = 0.2;

const percent = (ratio: number) => `${ratio >= 1 ? '+' : '-'}${Math.abs(Math.round((ratio - 1) * 100))} %`;

function place(stage: Stage): string {
  return stage === 'nic' ? 'steered by the NIC' : 'steered by the CPU';
}

/** What the winner has less of. */
function savings(winner: CaseFacts, loser: CaseFacts): string[] {
  const words: string[] = [];
  if (loser.handoffs - winner.handoffs > HANDOFFS_LEAST) {
    words.push(`${winner.handoffs.toFixed(2)} instead of ${loser.handoffs.toFixed(2)} hand-offs a packet`);
  }
  if (loser.wakeups - winner.wakeups > WAKEUPS_LEAST) {
    words.push(`${winner.wakeups.toFixed(3)} instead of ${loser.wakeups.toFixed(3)} wake-ups a packet`);
  }
  if (loser.waitedNs - winner.waitedNs > WAITED_LEAST_NS) {
    words.push(
      `${winner.waitedNs.toFixed(0)} instead of ${loser.waitedNs.toFixed(0)} ns a packet waiting for a guest's queue`,
    );
  }
  return words;
}

/** Why. */
function because(c: Comparison, macWins: boolean): string {
  const { mac, flow, mix, workers } = c;
  if (macWins) {
    if (flow.workersPerGuest - mac.workersPerGuest > SHARED_LEAST) {
      return `because a guest's queue is touched by ${mac.workersPerGuest.toFixed(1)} instead of ${flow.workersPerGuest.toFixed(1)} workers`;
    }
    return '';
  }
  const guests =
    mix.guests === 1
      ? 'one guest'
      : mix.elephant === 'guest'
        ? `a guest with ${mix.share} % of the traffic`
        : '';
  if (guests !== '')
    return `because ${guests} is the work of one of ${workers} workers under MAC steering, and of all under flow steering`;
  return '';
}

/** One sentence or two. */
export function verdict(c: Comparison): string {
  const { mac, flow, ratio, ci95, mix, stage } = c;
  const where = `${mix.name}, ${place(stage)}`;
  const side = `${mac.policy} ${percent(ratio)} [${percent(ci95[0])}, ${percent(ci95[1])}] packets a second against ${flow.policy}`;
  if (ci95[0] <= 1 && ci95[1] >= 1) return `${where}: no difference that this run can tell (${side})`;
  const macWins = ratio > 1;
  const [winner, loser] = macWins ? [mac, flow] : [flow, mac];
  const gain = macWins ? ratio : 1 / ratio;
  const bounds = macWins ? ci95 : [1 / ci95[1], 1 / ci95[0]];
  const name = macWins ? 'MAC steering' : 'flow steering';
  const head = `${where}: ${name} (${winner.policy}): ${percent(gain)} [${percent(bounds[0]!)}, ${percent(bounds[1]!)}] packets a second against ${loser.policy}`;
  const cpu = `${winner.cpuNs.toFixed(0)} instead of ${loser.cpuNs.toFixed(0)} ns of CPU a packet`;
  return [`${head}, ${cpu}`, ...savings(winner, loser), because(c, macWins)]
    .filter((part) => part !== '')
    .join(', ');
}

/** The answer to the whole question: which side won where. */
export function summary(comparisons: readonly Comparison[]): string {
  const wins = (test: (c: Comparison) => boolean) =>
    comparisons.filter(test).map(({ mix, stage }) => `${mix.name} (${stage})`);
  const mac = wins(({ ci95 }) => ci95[0] > 1);
  const flow = wins(({ ci95 }) => ci95[1] < 1);
  const list = (names: readonly string[]) => (names.length === 0 ? 'nowhere' : names.join('; '));
  return `verdict: steer by MAC with: ${list(mac)}. Steer by flow with: ${list(flow)}.${
    mac.length + flow.length < comparisons.length ? ' Elsewhere this run cannot tell them apart.' : ''
  }`;
}
