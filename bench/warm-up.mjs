/**
 * What the warm-up of workers is worth: CPU time of the first frames of an engine that has reported, with and without,
 * and how much compiled code V8 threw away meanwhile.
 *
 *     npm run build && node bench/warm-up.mjs [ROUNDS [POLICY [WORKERS]]]
 *
 * Each round starts a process of each kind, the kinds taking turns; the medians of all rounds are printed. The first
 * burst waits in the worker until the clocks have been read, so that the start is not measured with it.
 */
import { spawnSync } from 'node:child_process';
import { closeSync, mkdtempSync, openSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const STEPS = [10_000, 100_000];
const SELF = fileURLToPath(import.meta.url);

/** CPU time of the process, and of the threads that are not in `old`, in milliseconds. */
function cpu(old) {
  const { user, system } = process.cpuUsage();
  let workers = 0;
  for (const task of readdirSync('/proc/self/task')) {
    if (!old.has(task))
      workers += Number(readFileSync(`/proc/self/task/${task}/schedstat`, 'latin1').split(' ')[0]);
  }
  return { all: (user + system) / 1e3, workers: workers / 1e6 };
}

async function measure(warmUp, policyText, workers) {
  const { Engine } = await import('#rxsteer/dataplane/engine/engine.js');
  const { engineDefaults } = await import('#rxsteer/dataplane/engine/plan.js');
  const { parsePort } = await import('#rxsteer/dataplane/ports/port-spec.js');
  const { Paused } = await import('#rxsteer/dataplane/shared/faults.js');
  const { WorkerWord } = await import('#rxsteer/dataplane/shared/words.js');
  const { WorkerCounter } = await import('#rxsteer/dataplane/shared/counters.js');
  const { parsePolicy } = await import('#rxsteer/policy/parse.js');
  const old = new Set(readdirSync('/proc/self/task'));
  const unstarted = cpu(old);
  const engine = await Engine.start({
    ...engineDefaults,
    ports: [parsePort(`a=memory:source,packets=${20 * STEPS.at(-1)},flows=500`), parsePort('b=memory:sink')],
    policy: parsePolicy(policyText, { command: 'forward', workers }),
    policyText,
    workers,
    backlog: 65_536,
    smallFrames: 131_072 * workers,
    warmUp,
    fault: 'receive@0=',
  });
  const words = engine.views.workers[0];
  while (Atomics.load(words, WorkerWord.faulted) !== Paused.waits)
    await new Promise((done) => setTimeout(done, 1));
  // What V8 compiles beside the threads is done by then.
  await new Promise((done) => setTimeout(done, 100));
  const cell = new Int32Array(new SharedArrayBuffer(4));
  const ended = () =>
    engine.views.counters.worker.reduce(
      (sum, row) => sum + row[WorkerCounter.delivered] + row[WorkerCounter.dropped],
      0,
    );
  const result = { start: cpu(old).all - unstarted.all };
  const before = cpu(old);
  process._rawDebug('@@first frames');
  Atomics.store(words, WorkerWord.faulted, Paused.released);
  Atomics.notify(words, WorkerWord.faulted);
  for (const step of STEPS) {
    while (ended() < step) Atomics.wait(cell, 0, 0, 0.2);
    const now = cpu(old);
    result[`first ${step}, workers`] = now.workers - before.workers;
    result[`first ${step}, process`] = now.all - before.all;
  }
  process._rawDebug('@@end');
  const last = STEPS.at(-1);
  while (ended() < 10 * last) Atomics.wait(cell, 0, 0, 0.2);
  const [late, from] = [cpu(old), ended()];
  while (ended() < 19 * last) Atomics.wait(cell, 0, 0, 0.2);
  result[`later ${last}, workers`] = ((cpu(old).workers - late.workers) * last) / (ended() - from);
  process._rawDebug(`@@${JSON.stringify(result)}`);
  await engine.stop();
}

/** One process; what it measured, and the functions whose code was thrown away during the first frames. */
function round(kind, policy, workers, folder) {
  const file = join(folder, 'trace');
  const fd = openSync(file, 'w');
  const { status } = spawnSync(
    process.execPath,
    ['--trace-deopt', SELF, '--measure', kind, policy, workers],
    {
      stdio: ['ignore', fd, fd],
    },
  );
  closeSync(fd);
  const text = readFileSync(file, 'latin1');
  const json = /^@@(\{.*\})$/m.exec(text)?.[1];
  if (status !== 0 || json === undefined) throw new Error(text.slice(-2000));
  const during = text.split('@@first frames')[1].split('@@end')[0];
  const thrown = [...during.matchAll(/\[bailout .*reason: ([^)]*)\).*JSFunction (\w+)/g)];
  return { ...JSON.parse(json), 'code thrown away': thrown.length };
}

const median = (values) => values.sort((a, b) => a - b)[values.length >> 1];

if (process.argv[2] === '--measure') {
  await measure(process.argv[3] === 'on', process.argv[4], Number(process.argv[5]));
} else {
  const [rounds = '7', policy = 'single', workers = '1'] = process.argv.slice(2);
  const folder = mkdtempSync(join(tmpdir(), 'rxsteer-warm-up-'));
  try {
    const samples = { off: [], on: [] };
    for (let r = 0; r < Number(rounds); r++) {
      for (const kind of r % 2 === 0 ? ['off', 'on'] : ['on', 'off']) {
        samples[kind].push(round(kind, policy, workers, folder));
      }
    }
    console.log(`${policy}, ${workers} worker(s), medians of ${rounds}, CPU time in ms`);
    for (const what of Object.keys(samples.off[0])) {
      const [off, on] = ['off', 'on'].map((kind) =>
        median(samples[kind].map((sample) => sample[what])).toFixed(1),
      );
      console.log(`${what.padEnd(26)} without ${off.padStart(7)}   with ${on.padStart(7)}`);
    }
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
