/**
 * A forwarder that is changed all the time, in whatever way a seed says: policies, keys, tables, owners, workers,
 * ports, consumers.
 *
 *     node live-driver.mjs '{"ports": ["a=af_packet:p0"], "extra": "x=tap:x0", "workers": 2, "maxWorkers": 4, "seed": 1,
 *       "order": "strict", "restMs": 20}'
 *
 * `order`: `strict` makes every kind of change; `round-robin`, `none` and `linux` run policies of that order and make
 * the changes that lose order under them. With `follow` the ports named so follow a task that wanders between CPUs.
 *
 * Prints `ready`, `late` once 50 frames were reordered, and `changed` once every kind named in `changes` was made (`least`
 * in all; default 100). At SIGUSR2 it changes no more, and prints `rest` when no worker has had anything to do for a while; at SIGINT it stops and prints {"summary", "changes",
 * "refused", "failure"}: how many changes of each kind were made, and the texts of those that were refused. Anything
 * else that fails ends it with an exit code.
 */
import { spawn, spawnSync } from 'node:child_process';
import { Engine } from '../../dist/dataplane/engine/engine.js';
import { engineDefaults } from '../../dist/dataplane/engine/plan.js';
import { summarize } from '../../dist/dataplane/engine/summary.js';
import { parsePort } from '../../dist/dataplane/ports/port-spec.js';
import { WorkerWord } from '../../dist/dataplane/shared/words.js';
import { UserError } from '../../dist/errors.js';
import { parsePolicy } from '../../dist/policy/parse.js';

const LATE = 50;
/** Frames that are more than what the switch learned by. */
const TRAFFIC = 1000;
/** Looks in which nothing has changed, and the time between two, before it is at rest. */
const RESTING_LOOKS = 20;
const LOOK_MS = 50;
/** Flows whose consumers move at once. */
const CONSUMERS = 16;

const given = JSON.parse(process.argv[2]);
const { ports, extra, workers, maxWorkers, seed, order = 'strict', restMs = 20, follow = [] } = given;
const wanted = given.changes ?? null;
/** Changes before all kinds of them count as made. */
const least = given.least ?? 100;
let state = seed;
/** A number from 0 to n - 1. */
const pick = (n) => {
  state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
  return Math.floor((state / 2 ** 32) * n);
};
const policy = (text) => parsePolicy(text, { command: 'forward', workers: engine.plan.active });
const apply = (text) => engine.applyPolicy(policy(text));
const cpus = () => `0-${pick(engine.plan.active)}`;

// Wakes often, so that the scheduler has it where it belongs soon after its affinity changes.
const task = follow.length === 0 ? null : spawn('sh', ['-c', 'while :; do sleep 0.02; done']);
const specs = ports.map((port) =>
  parsePort(follow.includes(port.split('=')[0]) ? `${port},follow=${task.pid}` : port),
);
const start = {
  strict: 'rss',
  'round-robin': 'round-robin',
  none: 'rss:order=none',
  linux: 'rfs:cpus=0-1,order=linux',
};
const engine = await Engine.start({
  ...engineDefaults,
  ports: specs,
  mode: 'switch',
  policy: parsePolicy(start[order], { command: 'forward', workers }),
  policyText: start[order],
  workers,
  maxWorkers,
  ...(task === null ? {} : { cpus: [0, 1] }),
  warn: () => {},
});
let running = true;
const interrupted = new Promise((resolve) => {
  process.once('SIGINT', resolve);
});
void interrupted.then(() => {
  running = false;
});
let quiet = false;
process.once('SIGUSR2', () => {
  quiet = true;
});
process.stdout.write('ready\n');

/** The kind of a change that has no report. */
const done = (kind) => ({ kind, pending: [] });
/** Some flow's hash, as policies that follow consumers know it. */
const hashes = () => engine.views.flowHashes.filter((hash) => hash !== 0);

/** Consumers of some flows run elsewhere now. Refused under policies that follow none. */
function moveConsumers() {
  const known = hashes();
  for (let i = 0; i < CONSUMERS; i++) {
    engine.recordFlow(known.length > 0 ? known[pick(known.length)] : 1, pick(engine.plan.active));
  }
  return done('consumers');
}

/** The wandering task goes to another CPU. */
function moveTask() {
  if (task === null) return done('nothing');
  spawnSync('taskset', ['-pc', `${pick(2)}`, `${task.pid}`]);
  return done('task');
}

/** Entries of the socket table are lost: to other flows with the same place, and to sockets that close. */
function loseEntries() {
  const known = hashes();
  for (let i = 0; i < CONSUMERS && known.length > 0; i++) {
    const hash = known[pick(known.length)];
    if (pick(2) === 0) engine.forgetFlow(hash);
    else engine.recordFlow(hash ^ 0x4000_0000, pick(engine.plan.active));
  }
  return done('entries');
}

/** Tables are written as through /sys and /proc. */
function rewrite() {
  const { active } = engine.plan;
  const list = Array.from({ length: 1 + pick(active) }, (_, w) => (w + pick(active)) % active);
  engine.rewriteTables([{ flows: true }, { entries: true }, { cpus: [...new Set(list)].sort() }][pick(3)]);
  return done('rewrite');
}

const setTable = (entries) =>
  engine.setTable(
    Array.from({ length: entries }, () => ({ bucket: pick(128), queue: pick(engine.plan.active) })),
  );

const workersAndPorts = [
  () => engine.addWorker(),
  () => engine.removeWorker(engine.plan.active - 1),
  () => engine.addPort(parsePort(extra)),
  () => engine.removePort(extra.split('=')[0]),
];
const kinds = {
  strict: [
    () => apply(`rss:key=random,seed=${pick(100)}`),
    () => apply('rss'),
    () => apply(`rps:cpus=${cpus()}`),
    () => apply('mac'),
    () => apply('mac:assign=follow-cpu'),
    () => apply('mac-hash'),
    () => apply(`rfs:cpus=${cpus()}`),
    () => apply(`rfs:cpus=${cpus()}`),
    () => setTable(16),
    () => setTable(1),
    () => engine.setOwner(`02:00:00:00:0${1 + pick(2)}:0${1 + pick(8)}`, null, pick(engine.plan.active)),
    moveConsumers,
    moveConsumers,
    moveTask,
    loseEntries,
    rewrite,
    ...workersAndPorts,
    () => engine.rollback(),
  ],
  'round-robin': [() => apply('round-robin'), ...workersAndPorts],
  none: [
    () => apply('rss:order=none'),
    () => apply(`rfs:cpus=${cpus()},order=none`),
    () => setTable(64),
    () => setTable(64),
    moveConsumers,
    moveConsumers,
  ],
  linux: [
    () => apply(`rfs:cpus=${cpus()},order=linux,kernel=6.18`),
    moveConsumers,
    moveConsumers,
    moveConsumers,
    loseEntries,
    loseEntries,
    rewrite,
    rewrite,
  ],
};

/** Resolves when no worker has received anything, and all have slept, for so many looks in a row. */
async function atRest() {
  let received = -1;
  for (let looks = 0; looks < RESTING_LOOKS; looks++) {
    await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
    const { totals } = summarize(engine);
    const asleep = engine.views.workers
      .slice(0, engine.plan.active)
      .every((words) => Atomics.load(words, WorkerWord.asleep) === 1);
    if (totals.received !== received || totals.inFlight > 0 || !asleep) looks = -1;
    received = totals.received;
  }
}

const moves = kinds[order];
const changes = {};
const refused = [];
let said = false;
let allMade = false;
while (running && !quiet) {
  try {
    const report = await moves[pick(moves.length)]();
    if (report.pending.length > 0) throw new Error(`${report.text}: pending ${report.pending}`);
    changes[report.kind] = (changes[report.kind] ?? 0) + 1;
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    refused.push(error.message);
  }
  if (!said && summarize(engine).totals.reordered >= LATE) {
    said = true;
    process.stdout.write('late\n');
  }
  // What was changed before there was traffic does not count.
  if (summarize(engine).totals.received < TRAFFIC)
    for (const kind of Object.keys(changes)) delete changes[kind];
  const made = Object.values(changes).reduce((a, b) => a + b, 0);
  if (wanted !== null && !allMade && made >= least && wanted.every((kind) => (changes[kind] ?? 0) > 0)) {
    allMade = true;
    process.stdout.write('changed\n');
  }
  await new Promise((resolve) => setTimeout(resolve, pick(restMs)));
}
if (running) {
  await atRest();
  process.stdout.write('rest\n');
  await interrupted;
}
task?.kill();
await engine.stop();
const summary = summarize(engine);
const failure = engine.failure === null ? null : String(engine.failure);
process.stdout.write(`${JSON.stringify({ summary, changes, refused: refused.slice(-20), failure })}\n`);
