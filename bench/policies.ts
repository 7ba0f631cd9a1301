/** Suite `policies`: the steering decision for a burst of dissected frames, nanoseconds a frame. */
import { BURST_MAX } from '#rxsteer/packet/burst.js';
import { compilePolicy, policyBytes } from '#rxsteer/policy/compile.js';
import { parsePolicy } from '#rxsteer/policy/parse.js';
import { inTurn, randomBursts } from './frames.js';
import { type Case, microResults, runCases } from './micro.js';
import type { BenchOptions, Suite, SuiteReport } from './runner.js';

const WORKERS = 4;
const POLICIES = [
  'single',
  'rss',
  'rss:symmetric=sort',
  'rps:cpus=0-3',
  'rps:cpus=0-3,hash=toeplitz',
  'mac:assign=least-loaded',
  'mac-hash',
  'round-robin',
];

/** A compiled policy's `steer` on bursts of mixed frames. */
function steerCall(text: string): () => void {
  const spec = parsePolicy(text, { command: 'forward', workers: WORKERS });
  const shared = new SharedArrayBuffer(policyBytes(spec));
  const steering = compilePolicy(spec, { workers: WORKERS, shared });
  return inTurn(randomBursts('mixed', 1, true), (burst) => steering.steer(burst));
}

export function cases(): Case[] {
  return POLICIES.map((text) => ({ name: text, items: BURST_MAX, call: () => steerCall(text) }));
}

async function run(options: BenchOptions): Promise<SuiteReport> {
  const suite = 'policies';
  const samples = await runCases(suite, import.meta.url, cases(), options);
  return {
    results: microResults(suite, samples, POLICIES),
    ratios: [],
    notes: ['policies: the decision alone; dissection, order guard and hand-off are not part of it'],
  };
}

export const policies: Suite = { name: 'policies', about: 'steering decisions', run };
