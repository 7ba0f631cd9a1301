/**
 * The scenario files of `examples/scenarios` as their users change them: each change moves what is known to move, in the
 * known direction and by about as much.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { figureOf } from '#rxsteer/simulate/presets/validate.js';
import type { RunResult } from '#rxsteer/simulate/result/result.js';
import { parseScenario } from '#rxsteer/simulate/scenario/parse.js';
import { simulate } from '#rxsteer/simulate/simulate.js';

const FOLDER = fileURLToPath(new URL('../../examples/scenarios/', import.meta.url));
type Change = Readonly<Record<string, unknown>>;

/** The file with values at paths. */
function changed(name: string, change: Change): unknown {
  const scenario = parse(readFileSync(`${FOLDER}${name}.yaml`, 'utf8'));
  for (const [path, value] of Object.entries(change)) {
    const keys = path.split('.');
    const last = keys.pop()!;
    let at = scenario;
    for (const key of keys) at = at[key];
    if (value === undefined) delete at[last];
    else at[last] = value;
  }
  return scenario;
}

const known = new Map<string, RunResult>();
function run(name: string, change: Change): RunResult {
  const key = name + JSON.stringify(change, (_, value) => (value === undefined ? null : value));
  let result = known.get(key);
  if (result === undefined) {
    [result] = simulate(parseScenario(changed(name, change), name), { limit: false }).results;
    known.set(key, result!);
  }
  return result!;
}

/** First over second, of a figure: from so much to so much. */
type Row = readonly [name: string, first: Change, second: Change, of: string, from: number, to: number];
const RPS = 'throughput.value';
const COST = 'cpu.usPerOperation';
/** So many queues, each with its interrupt CPU, and as many to send by. */
const bnx2x = (queues: number): Change => ({
  'nics.eth0.queues': queues,
  'nics.eth0.irqs': queues === 1 ? 0 : `0-${queues - 1}`,
  'nics.eth0.transmit.queues': queues,
});

const rows: Row[] = [
  // One CPU: twice the load is three times the time (M/M/1: 40 us and 13.3 us).
  ['latency-under-load', {}, { 'load.0.rate': 50_000 }, 'latencyUs.mean', 2.7, 3.3],
  ['latency-under-load', {}, { variation: 'none' }, 'latencyUs.mean', 1.6, 1.9],
  // A lock in front of the lock, a queue lock, a queue for each CPU.
  ['lock-remedies', { 'nics.eth0.transmit.busylock': true }, {}, RPS, 20, 100],
  ['lock-remedies', { 'nics.eth0.transmit.lock': 'queue' }, {}, RPS, 4, 12],
  ['lock-remedies', { 'nics.eth0.transmit.queues': 16 }, {}, RPS, 100, 2000],
  // 0.91 and 1.08 M: the call is 0.17 us of 1.10.
  ['tun-batching', { 'guests.vm.batch': 64 }, { 'guests.vm.batch': 1 }, RPS, 1.1, 1.25],
  ['worker-scaling', { 'guests.vm.workers': 2 }, {}, RPS, 1.8, 2.1],
  ['worker-scaling', { 'guests.vm.workers': 4 }, {}, RPS, 3, 4.1],
  ['guest-rps-exits', {}, { 'guests.vm.ipis': 'hypercall' }, 'perPacket.exits', 1.05, 3],
  [
    'guest-rps-exits',
    { 'guests.vm.ipis': 'hypercall' },
    { 'guests.vm.ipis': 'offload' },
    'perPacket.exits',
    1.2,
    4,
  ],
  ['halt-or-poll', {}, { 'guests.vm.guestPollUs': 200 }, 'latencyUs.p50', 1.05, 1.3],
  ['halt-or-poll', { 'guests.vm.hostPollUs': 200 }, {}, COST, 2, 6],
  ['wrong-node', { 'guests.vm.cpus': '12-13' }, {}, COST, 1.01, 1.3],
  [
    'rfs-table-thrash',
    {},
    { 'nics.eth0.rps.flows': 32_768, 'nics.eth0.rps.sockEntries': 32_768 },
    COST,
    1.05,
    1.4,
  ],
  ['moderation', { 'nics.eth0.moderationUs': 0 }, {}, COST, 1.05, 1.5],
  ['moderation', {}, { 'nics.eth0.moderationUs': 0 }, 'latencyUs.p50', 1.3, 3],
  ['noisy-neighbour', { 'guests.flooded.workerCpus': '4' }, {}, 'guests.0.latencyUs.p99', 2, 20],
  ['noisy-neighbour', { 'guests.flooded.workerCpus': '4' }, {}, 'guests.1.latencyUs.p99', 0.9, 1.1],
  ['elephants', {}, { rebalance: undefined }, RPS, 1.02, 1.3],
  ['overcommit', { 'guests.vm.workerCpus': '4-6' }, {}, RPS, 1.1, 1.6],
  ['bnx2x-queues', {}, bnx2x(1), RPS, 1.8, 2.1],
  ['bnx2x-queues', bnx2x(4), bnx2x(1), RPS, 3.7, 4.3],
  // Published: 738 k with eight, 567 k with four.
  ['bnx2x-queues', bnx2x(8), bnx2x(4), RPS, 1.2, 1.6],
];

describe('examples/scenarios', () => {
  it.each(rows)('%s: %j over %j: %s', (name, first, second, of, from, to) => {
    const factor = figureOf(run(name, first), of) / figureOf(run(name, second), of);
    expect(factor).toBeGreaterThan(from);
    expect(factor).toBeLessThan(to);
  });

  it('each file is changed by some row', () => {
    const files = readdirSync(FOLDER).map((file) => file.replace(/\.yaml$/, ''));
    expect([...new Set(rows.map(([name]) => name))].sort()).toEqual(files.sort());
  });
});
