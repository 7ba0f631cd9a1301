/**
 * A plan in plain words.
 *
 * Promise: a few whole sentences of one line each, from the plan's numbers alone; what is zero is not told.
 */
import type { ChangePlan } from './change-plan.js';

// Not `toLocaleString`: its first call loads tables for 15 ms.
/** So many of the freeze list are named that were not seen. */
const UNSEEN_NAMED = 3;
const whole = (n: number) => String(Math.round(n)).replace(/\B(?=(\d{3})+$)/g, ',');
const percent = (ratio: number) => `${(100 * ratio).toFixed(1)} %`;
const some = (n: number, what: string) => `${whole(n)} ${what}${n === 1 ? '' : 's'}`;

function doing(plan: Omit<ChangePlan, 'words'>): string {
  const { method, cost, buckets } = plan;
  const pace =
    cost.budget === null || cost.steps === 0
      ? 'at once'
      : `in ${cost.seconds < 1 ? 'less than a second' : `${cost.seconds.toFixed(1)} s`} (${cost.budget} a second)`;
  switch (method) {
    case 'none':
      return 'nothing changes: both policies decide alike';
    case 'table':
      return `${whole(cost.steps)} of ${some(buckets?.total ?? 0, 'bucket')} get another queue, ${pace}, without a pause`;
    case 'owners':
      return cost.steps === 0
        ? 'no guest gets another owner'
        : `${some(cost.steps, 'guest')} get another owner, ${pace}, without a pause`;
    case 'policy':
      return 'every worker switches at once, after its receive queues have been drained: a pause of milliseconds';
  }
}

/** The words of a plan. */
export function planWords(plan: Omit<ChangePlan, 'words'>): string[] {
  const { flows, guests, packets, before, after, cost, held, unseen } = plan;
  const words = [doing(plan)];
  if (cost.budget !== null && plan.method === 'policy') {
    words.push('the budget does not apply: hash or rule change, so all flows move together');
  }
  if (flows.seen === 0) words.push('no flow was seen yet: what moves and how it balances cannot be told');
  else {
    words.push(
      flows.moved === 0
        ? `none of ${some(flows.seen, 'flow')} seen moves`
        : `${whole(flows.moved)} of ${some(flows.seen, 'flow')} seen move, with ${percent(plan.share)} of ${some(packets.seen, 'packet')}`,
    );
    if (guests.moved.length > 0) {
      words.push(`${whole(guests.moved.length)} of ${some(guests.seen, 'guest')} get other workers`);
    }
    const gini = (value: number) => value.toFixed(3);
    words.push(
      before.fullestOverFair === after.fullestOverFair && before.gini === after.gini
        ? `balance stays: the fullest worker has ${before.fullestOverFair.toFixed(2)} times its fair share (Gini ${gini(before.gini)})`
        : `balance: the fullest worker goes from ${before.fullestOverFair.toFixed(2)} to ${after.fullestOverFair.toFixed(2)} times its fair share (Gini ${gini(before.gini)} to ${gini(after.gini)})`,
    );
  }
  if (held > 0) {
    const stay = held === 1 ? 'stays where it is' : 'stay where they are';
    words.push(`${whole(held)} on the freeze list ${stay}`);
  }
  if (unseen.length > 0) {
    const more = unseen.length > UNSEEN_NAMED ? ` and ${whole(unseen.length - UNSEEN_NAMED)} more` : '';
    words.push(
      `not seen of late, so not held although on the freeze list: ${unseen.slice(0, UNSEEN_NAMED).join(', ')}${more}`,
    );
  }
  return words;
}
