/**
 * Suite `simulate`: events a second of the simulator, from 2 to 128 CPUs and for longer runs; processor time, so that
 * other programs on the machine count little.
 */

import { costsOf } from '#rxsteer/simulate/model/build.js';
import { run } from '#rxsteer/simulate/result/run.js';
import { parseScenario } from '#rxsteer/simulate/scenario/parse.js';
import type { BenchOptions, Result, Suite, SuiteReport } from './runner.js';
import { median, medianInterval } from './stats.js';

const SIZES = [2, 8, 32, 128];
/** Packets a second for each CPU: 5 million on 128. */
const RATE = 39_062;

/** A host with a guest of 16 vCPUs for every 16 CPUs (one of two below that), as much load as it has CPUs. */
function hostOf(cpus: number, durationMs: number) {
  const vcpus = Math.min(16, cpus);
  const guests = cpus / vcpus;
  const scenario = parseScenario({
    durationMs,
    warmupMs: 0,
    host: { cpus: { sockets: cpus >= 32 ? 2 : 1, cores: cpus >= 32 ? cpus / 2 : cpus } },
    nics: { eth0: { queues: Math.max(1, cpus / 8), ring: 2048, irqs: [`0-${Math.max(1, cpus / 8) - 1}`] } },
    guests: { vm: { count: guests, vcpus, queues: Math.min(4, vcpus), workers: 'queue' } },
    load: [{ kind: 'open', rate: (RATE * cpus) / guests, flows: 256 }],
  });
  return () => run({ scenario, costs: costsOf(scenario), seed: 1, policy: null, captures: new Map() });
}

/** Nanoseconds of processor time for each event, by sample. */
function sample(call: ReturnType<typeof hostOf>): { nsPerEvent: number; events: number } {
  const before = process.cpuUsage();
  const { events } = call();
  const { user, system } = process.cpuUsage(before);
  return { nsPerEvent: ((user + system) * 1000) / events, events };
}

function resultOf(name: string, samples: readonly number[], note: string): Result {
  const ns = median(samples);
  return {
    ...{ suite: 'simulate', name, nsPerOp: ns, opsPerSecond: 1e9 / ns, samples: samples.length },
    ...{
      ci95: medianInterval(samples),
      best: Math.min(...samples),
      value: 1e3 / ns,
      unit: 'M events/s',
      note,
    },
  };
}

async function measure({ quick, rounds }: BenchOptions): Promise<SuiteReport> {
  const count = quick ? 2 : (rounds ?? 5);
  // Long enough that building the host does not count.
  const length = quick ? 5 : 20;
  const calls = SIZES.map((cpus) => ({ cpus, call: hostOf(cpus, (length * 128) / cpus) }));
  const samples = new Map<number, number[]>(SIZES.map((cpus) => [cpus, []]));
  const events = new Map<number, number>();
  for (const { call } of calls) call();
  for (let round = 0; round < count; round++) {
    for (const { cpus, call } of round % 2 === 0 ? calls : calls.toReversed()) {
      const { nsPerEvent, events: made } = sample(call);
      samples.get(cpus)!.push(nsPerEvent);
      events.set(cpus, made);
    }
  }
  const results = SIZES.map((cpus) =>
    resultOf(`${cpus} CPUs`, samples.get(cpus)!, `${events.get(cpus)} events a run`),
  );
  const costs = results.map(({ nsPerOp }) => nsPerOp!);
  const value = Math.max(...costs) / Math.min(...costs);
  return {
    results,
    ratios: [
      {
        name: 'dearest event over cheapest, 2 to 128 CPUs',
        value,
        ci95: [value, value],
        wanted: '<= 1.5',
        holds: value <= 1.5,
        note: null,
      },
    ],
    notes: ['processor time, not wall time'],
  };
}

export const simulate: Suite = {
  name: 'simulate',
  about: 'the simulator: events a second on hosts of 2 to 128 CPUs',
  run: measure,
};
