/**
 * One of something, in the singular: checks write `${n} queues have …`, whatever n is.
 *
 * Promise: only behind the number 1, and for `CPUs 3`; the rest of a text stays as it is. Pure.
 */

/** Present forms behind a plural, and behind one. */
const VERBS: Readonly<Record<string, string>> = {
  are: 'is',
  drop: 'drops',
  get: 'gets',
  go: 'goes',
  have: 'has',
  interrupt: 'interrupts',
  lead: 'leads',
};
const NOUNS =
  'taps|queues|guests|nodes|interrupts|CPUs|vCPUs|cores|rules|workers|threads|processes|channels|buckets|folders|pairs|NICs';
/** `1 queues have`, `1 vhost workers`, `1 taps with one queue each get`. */
const ONE = new RegExp(
  `(?<![\\d.,:-])1 ((?:[a-z]+ ){0,2}?)(${NOUNS})\\b( with one queue each)?(?: (${Object.keys(VERBS).join('|')})\\b)?`,
  'g',
);
const ONE_CPU = /\bCPUs (\d+)(?!\d|[,.-]\d)/g;

/** The text with its singulars. */
export function worded(text: string): string {
  return text
    .replace(ONE, (_, between: string, noun: string, each = '', verb?: string) => {
      const one = noun === 'processes' ? 'process' : noun.slice(0, -1);
      return `1 ${between}${one}${each.replace(' each', '')}${verb === undefined ? '' : ` ${VERBS[verb]}`}`;
    })
    .replace(ONE_CPU, 'CPU $1');
}
