/**
 * Headings of what replay and sweep measure of a policy, with their hints.
 *
 * Promise: one list, so that a measure is called the same on every page.
 */
import type { Heading } from './html.js';

/** From the busiest CPU to what is reordered, in the order of their columns. */
export const LOAD_HEADINGS: readonly Heading[] = [
  {
    title: 'busiest CPU',
    hint: 'busy part of its time on virtual time, receiving and handing over included',
  },
  { title: 'fullest / fair', hint: 'packets of the fullest worker over the mean of all workers' },
  { title: 'workers used', hint: 'all packets over the packets of the fullest worker, were receiving free' },
  { title: 'Gini', hint: '0 is even' },
  { title: 'hand-offs', hint: 'a packet' },
  { title: 'wake-ups', hint: 'a packet' },
  { title: 'reordered', hint: 'RFC 4737, share of the packets' },
];
