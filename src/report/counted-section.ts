/**
 * The part of the report that holds predictions against what the NIC counted.
 *
 * Promise: nothing where no counters were given; else one table a policy, queue by queue.
 */
import type { Counted } from '../replay/counted.js';
import type { ReplayResult } from '../replay/result.js';
import { bar, type Cell, count, type Heading, number, percent, ratio, table } from './html.js';
import { nameOf } from './policy-section.js';

const HEADINGS: readonly Heading[] = [
  { title: 'queue' },
  { title: 'predicted', hint: 'share of the packets of the capture' },
  { title: 'counted', hint: 'share of what the NIC counted' },
  { title: 'difference', hint: 'points of a hundred' },
  { title: 'packets predicted' },
  { title: 'packets counted' },
];

/** In one sentence what the two say of each other. */
export function countedSentence(counted: Counted): string {
  const { predictedPackets, countedPackets, elsewhere } = counted;
  const fullest = `the fullest queue has ${ratio(counted.predictedFullestOverFair)} times its fair share by prediction and ${ratio(counted.countedFullestOverFair)} by the counters`;
  return `${count(predictedPackets)} packets predicted, ${count(countedPackets)} counted; at least ${percent(elsewhere)} of them went to another queue than predicted; ${fullest}.`;
}

export function countedTable({ policies }: ReplayResult): string {
  const parts = policies.flatMap((policy) => {
    const { counted } = policy;
    if (counted === undefined) return [];
    const most = Math.max(1e-9, ...counted.queues.flatMap((row) => [row.predictedShare, row.countedShare]));
    const rows = counted.queues.map((row): Cell[] => [
      number(row.id),
      bar(row.predictedShare, row.predictedShare / most, percent),
      bar(row.countedShare, row.countedShare / most, percent),
      number(row.countedShare - row.predictedShare, (value) => (100 * value).toFixed(2)),
      number(row.predictedPackets),
      number(row.countedPackets),
    ]);
    return [
      `<h3>${nameOf(policy)}</h3><p>${countedSentence(counted)}</p>${table('Predicted and counted', HEADINGS, rows)}`,
    ];
  });
  return parts.length === 0
    ? ''
    : `<section id="counted"><h2>Against the NIC's counters</h2>${parts.join('')}</section>`;
}
