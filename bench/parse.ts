/** Suite `parse`: dissecting a burst of frames, nanoseconds a frame. */
import { BURST_MAX } from '#rxsteer/packet/burst.js';
import { dissectBurst } from '#rxsteer/packet/dissect.js';
import { FRAME_KINDS, inTurn, randomBursts } from './frames.js';
import { type Case, microResults, runCases } from './micro.js';
import type { BenchOptions, Suite, SuiteReport } from './runner.js';

export function cases(): Case[] {
  return FRAME_KINDS.map((kind) => ({
    name: kind,
    items: BURST_MAX,
    call: () => inTurn(randomBursts(kind, 1, false), dissectBurst),
  }));
}

async function run(options: BenchOptions): Promise<SuiteReport> {
  const suite = 'parse';
  const list = cases();
  const samples = await runCases(suite, import.meta.url, list, options);
  const names = list.map(({ name }) => name);
  return { results: microResults(suite, samples, names), ratios: [], notes: [] };
}

export const parse: Suite = { name: 'parse', about: 'dissecting frames', run };
