/**
 * Suite `policies`: every policy, nanoseconds a frame, one thread. Once the decision alone, for a burst of dissected
 * frames; then a worker's whole intake (dissection, decision, order guard, hand-off, rings emptied) under each order.
 */
import { fileURLToPath } from 'node:url';
import { BURST_MAX } from '#rxsteer/packet/burst.js';
import { compilePolicy, policyBytes } from '#rxsteer/policy/compile.js';
import { parsePolicy } from '#rxsteer/policy/parse.js';
import { inTurn, randomBursts } from './frames.js';
import { rxCall } from './lab/rx-kit.js';
import { type Case, microResults, runCases, timesOf } from './micro.js';
import { type BenchOptions, present, ratioOf, type Suite, type SuiteReport } from './runner.js';

const WORKERS = 4;
/** A policy of the user's own, called per burst. */
const OWN = 'js:FILE';
const OWN_FILE = fileURLToPath(new URL('../../examples/data/even-odd.mjs', import.meta.url));
const POLICIES = [
  'single',
  'rss',
  'rss:symmetric=sort',
  'rps:cpus=0-3',
  'rps:cpus=0-3,hash=toeplitz',
  'rfs:cpus=0-3',
  'mac:assign=least-loaded',
  'mac-hash',
  'pools:nic=ixgbe-82599,layout=32x4',
  'round-robin',
  OWN,
];
const ORDERS = ['none', 'linux', 'strict'] as const;

const withOrder = (text: string, order: string) => `${text}${text.includes(':') ? ',' : ':'}order=${order}`;
const textOf = (name: string) => name.replace(OWN, `js:${OWN_FILE}`);

/** A compiled policy's `steer` on bursts of mixed frames. */
function steerCall(text: string): () => void {
  const spec = parsePolicy(text, { command: 'forward', workers: WORKERS });
  const shared = new SharedArrayBuffer(policyBytes(spec));
  const steering = compilePolicy(spec, { workers: WORKERS, shared });
  return inTurn(randomBursts('mixed', 1, true), (burst) => steering.steer(burst));
}

export function cases(): Case[] {
  return POLICIES.flatMap((text) => [
    { name: text, items: BURST_MAX, call: () => steerCall(textOf(text)) },
    ...ORDERS.map((order) => {
      const ordered = withOrder(text, order);
      return {
        name: `intake ${ordered}`,
        items: BURST_MAX,
        call: () => rxCall(textOf(ordered), WORKERS),
      };
    }),
  ]);
}

async function run(options: BenchOptions): Promise<SuiteReport> {
  const suite = 'policies';
  const list = cases();
  const samples = await runCases(suite, import.meta.url, list, options);
  const times = (text: string, order: string) => timesOf(samples, `intake ${withOrder(text, order)}`);
  return {
    results: microResults(
      suite,
      samples,
      list.map(({ name }) => name),
    ),
    ratios: present(
      POLICIES.map((text) =>
        ratioOf(
          `policies: ${text}: intake, order strict / none`,
          times(text, 'strict'),
          times(text, 'none'),
          null,
        ),
      ),
    ),
    notes: [
      'policies: a name alone is the decision alone, of dissected frames',
      'policies: intake = dissection, decision, order guard, hand-off, rings emptied, in one thread; round-robin moves every flow every frame, so strict holds most of them where they are',
    ],
  };
}

export const policies: Suite = {
  name: 'policies',
  about: 'steering decisions, and the intake under each order',
  run,
};
