/** Runs one case of a suite through benny in an isolate of its own; see `micro.ts`. */
import { parentPort, workerData } from 'node:worker_threads';
import benny from 'benny';
import type { CaseRequest, CasesModule } from './micro.js';

const WARM_MS = 60;

const { url, name, seconds } = workerData as CaseRequest;
const { cases } = (await import(url)) as CasesModule;
const found = cases().find((one) => one.name === name);
if (found === undefined) throw new Error(`no case "${name}"`);
// Compiled before it is measured.
const call = found.call();
for (const end = performance.now() + WARM_MS; performance.now() < end; ) call();
const options = { minSamples: 5, maxTime: seconds, minTime: seconds / 10 };
const summary = await benny.suite(name, benny.add(name, call), benny.configure({ cases: options }));
const { sampleResults } = summary.results[0]!.details;
parentPort!.postMessage(sampleResults.map((time) => (time * 1e9) / found.items));
