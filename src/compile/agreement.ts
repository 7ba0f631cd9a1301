/**
 * Two policies over the same packets: the one that was asked for, and the one that was read back.
 *
 * Promise: queues are compared where both have them, else workers. Pure.
 */
import type { PolicySpec } from '../policy/spec.js';
import type { Steering } from '../policy/steering.js';
import { answersOf, difference } from './answers.js';
import type { Check } from './back-end.js';
import { corpusFor } from './bpf/load.js';
import { makeCorpus } from './corpus.js';

const DIFFER_MAX = 5;

/** @param how one line for people */
export function agreement(
  spec: PolicySpec,
  asked: Steering,
  found: Steering,
  packets: number,
  how: string,
): Check {
  const corpus = makeCorpus(packets, corpusFor(spec));
  const one = answersOf(asked, corpus);
  const other = answersOf(found, corpus);
  const hasQueues = one.queues[0] !== -1 && other.queues[0] !== -1;
  const wanted = hasQueues ? one.queues : one.workers;
  const got = hasQueues ? other.queues : other.workers;
  const wrong = [...wanted.keys()].filter((i) => wanted[i] !== got[i]);
  return {
    packets,
    agree: packets - wrong.length,
    how,
    differ: wrong.slice(0, DIFFER_MAX).map((i) => difference(corpus, i, wanted[i]!, got[i]!)),
  };
}
