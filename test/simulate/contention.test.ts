/**
 * Laws of locks, polls and hashes: scaling, ticket locks as a Markov chain, interrupts per poll, balls in bins.
 */
import { describe, expect, it } from 'vitest';
import { mrqcFor } from '#rxsteer/nic/pool-modes.js';
import { Class, Pick } from '#rxsteer/simulate/machine/classes.js';
import type { Cpu } from '#rxsteer/simulate/machine/cpu.js';
import { Lock, type LockKind } from '#rxsteer/simulate/machine/lock.js';
import { exponential } from '#rxsteer/simulate/machine/random.js';
import { Next, type Step } from '#rxsteer/simulate/machine/step.js';
import { Task } from '#rxsteer/simulate/machine/task.js';
import { costsOf } from '#rxsteer/simulate/model/build.js';
import { run } from '#rxsteer/simulate/result/run.js';
import { fitScaling, scaled } from '#rxsteer/simulate/result/scaling.js';
import { parseScenario } from '#rxsteer/simulate/scenario/parse.js';
import { simulate } from '#rxsteer/simulate/simulate.js';
import { Small, US } from './kit.js';

/** Always has the same packet to work on. */
class Spinner extends Task {
  constructor(
    context: Small['contexts'][0],
    private readonly packet: number,
  ) {
    super('spinner', Class.app, context, null, 'home', 0, 0);
  }

  pick(cpu: Cpu): number {
    cpu.load(this.packet);
    return Pick.packet;
  }
}

/** Thinks, then holds the lock, by exponential laws; for ever. */
function lockRate(
  kind: LockKind,
  cpus: number,
  think: number,
  hold: number,
  c: number,
  length = 20_000,
): number {
  const small = new Small(cpus);
  const lock = new Lock('lock', kind, { line: () => 0, handOver: () => c * US }, 1);
  let passes = 0;
  let draws = 0;
  const again: Step = {
    isVisible: true,
    run(cpu: Cpu, packet) {
      if (cpu.phase === 0) {
        cpu.phase = 1;
        cpu.spend(Math.round(think * US * exponential(1, draws++)));
        return Next.pay;
      }
      if (cpu.phase === 1) {
        cpu.phase = 2;
        if (!lock.acquire(cpu)) return Next.wait;
      }
      if (cpu.phase === 2) {
        cpu.phase = 3;
        cpu.spend(Math.round(hold * US * exponential(2, draws++)));
        return Next.pay;
      }
      lock.release(cpu);
      passes++;
      small.packets.step[packet] = 0;
      return Next.done;
    },
  };
  const program = small.program(again);
  for (const context of small.contexts) new Spinner(context, small.make(program)).wake(null, null);
  small.sim.run(length * 0.1 * US);
  const before = passes;
  small.sim.run(length * 1.1 * US);
  return (passes - before) / length;
}

describe('C11: the Universal Scalability Law', () => {
  it.each([
    [0.05, 0, 8, 5.9259],
    [0.05, 0, 128, 17.415],
    [0.02, 0.0005, 32, 15.1229],
    [0.1, 0.01, 16, 3.2653],
  ])('sigma %f, kappa %f: %i make %f', (sigma, kappa, n, x) => {
    expect(scaled({ lambda: 1, sigma, kappa }, n)).toBeCloseTo(x, 3);
  });

  it('is found again from exact points', () => {
    for (const [sigma, kappa] of [
      [0.05, 0],
      [0.02, 0.0005],
      [0.1, 0.01],
    ] as const) {
      const points = [1, 2, 4, 8, 16, 32].map((n) => ({ n, x: scaled({ lambda: 3, sigma, kappa }, n) }));
      const fitted = fitScaling(points);
      expect(fitted.lambda).toBeCloseTo(3, 9);
      expect(fitted.sigma).toBeCloseTo(sigma, 9);
      expect(fitted.kappa).toBeCloseTo(kappa, 9);
    }
    expect(
      fitScaling([1, 2, 4].map((n) => ({ n, x: scaled({ lambda: 1, sigma: 0.02, kappa: 0.0005 }, n) }))).peak,
    ).toBeCloseTo(44.27, 2);
    expect(() => fitScaling([{ n: 1, x: 1 }])).toThrow('three different sizes');
  });
});

describe('C12: locks against the Markov chain of ticket locks', () => {
  it.each([
    [9, 1, 0, 4, 0.3862],
    [9, 1, 0, 16, 0.9889],
    [9, 1, 0.1, 8, 0.6873],
    [9, 1, 0.1, 64, 0.2477],
    [9, 1, 0.3, 64, 0.0969],
    [1, 0.1, 0.05, 4, 3.459],
    [1, 0.1, 0.05, 32, 1.184],
    [1, 0.1, 0.13, 32, 0.48],
  ])('think %f, hold %f, c %f, %i CPUs: %f a microsecond', (think, hold, c, cpus, theory) => {
    const rate = lockRate('halved', cpus, think, hold, c, cpus > 16 ? 8000 : 20_000);
    expect(rate / theory).toBeGreaterThan(0.95);
    expect(rate / theory).toBeLessThan(1.05);
  });

  it('a ticket lock falls with its waiters, a queue lock never does', () => {
    const rates = [8, 16, 32, 64].map((cpus) => lockRate('queue', cpus, 9, 1, 0.3, 4000));
    for (let i = 1; i < rates.length; i++) expect(rates[i]!).toBeGreaterThan(0.98 * rates[i - 1]!);
    expect(rates.at(-1)!).toBeCloseTo(1 / 1.3, 1);
    expect(lockRate('ticket', 64, 9, 1, 0.3, 4000)).toBeLessThan(0.1);
  });
});

describe('C13: interrupts per poll', () => {
  const polled = (rate: number, targets: number) =>
    simulate(
      {
        costs: 'amd-2009',
        durationMs: 10,
        warmupMs: 2,
        variation: 'none',
        host: { cpus: { cores: targets + 1 }, apps: [{ kind: 'sink', workNs: 100, threads: 'flow' }] },
        nics: { eth0: { irqs: [0], rps: { cpus: `1-${targets}` }, ring: 4096 } },
        load: [{ kind: 'open', rate, flows: 512 }],
      },
      { limit: false },
    ).results[0]!;

  it('are at most one for each target and poll, and at most one for each packet', () => {
    for (const rate of [50_000, 200_000, 400_000]) {
      const { perSecond, throughput } = polled(rate, 7);
      expect(perSecond.ipis).toBeLessThanOrEqual(7 * perSecond.polls);
      expect(perSecond.ipis).toBeLessThanOrEqual(2 * throughput.value);
    }
  });

  it('grow rarer per packet as polls grow longer', () => {
    const each = [50_000, 200_000, 350_000].map((rate) => polled(rate, 7).perPacket.ipis);
    expect(each[1]!).toBeLessThan(each[0]!);
    expect(each[2]!).toBeLessThan(each[1]!);
  });
});

describe('C14: flows on queues are balls in bins', () => {
  it.each([
    [8, 8, 0.9354, 2.7489],
    [16, 8, 0.6614, 0.9445],
    [128, 8, 0.2339, 0],
  ])('%i flows on %i CPUs: sd/mean %f, %f idle', (flows, queues, deviation, idle) => {
    let squares = 0;
    let empty = 0;
    const trials = 100;
    const scenario = parseScenario({
      durationMs: 0.2,
      warmupMs: 0,
      variation: 'none',
      costs: {
        ...{ driverReceive: 0, hardIrq: 0, idleExit: 0, idleExitDevice: 0 },
        ...{ ipiReceive: 0, contextSwitch: 0 },
      },
      host: { cpus: { cores: queues + 1 }, apps: [{ kind: 'sink', workNs: 0, cpus: [0], threads: 1 }] },
      nics: { eth0: { irqs: [0], wireUs: 0, rps: { cpus: `1-${queues}` }, ring: 4096 } },
      load: [{ kind: 'open', arrival: 'constant', rate: flows * 20_000, flows }],
    });
    const costs = costsOf(scenario);
    for (let seed = 0; seed < trials; seed++) {
      const { cpus } = run({ scenario, costs, seed, policy: null, captures: new Map() });
      // Each packet costs its CPU the same.
      const loads = cpus.slice(1).map((times) => times[Class.softirq]!);
      const mean = loads.reduce((a, b) => a + b, 0) / queues;
      squares += loads.reduce((a, b) => a + (b / mean - 1) ** 2, 0) / queues;
      empty += loads.filter((load) => load === 0).length;
    }
    expect(Math.sqrt(squares / trials) / deviation).toBeGreaterThan(0.93);
    expect(Math.sqrt(squares / trials) / deviation).toBeLessThan(1.07);
    expect(Math.abs(empty / trials - idle)).toBeLessThan(0.2);
  });
});

describe('C15: what hardware splits leave to 8 guests of 16 vCPUs', () => {
  it.each([
    ['ixgbe-82599', 32, 4, 32],
    ['ixgbe-82599', 64, 2, 16],
    ['igb-82576', 8, 1, 8],
  ] as const)('%s as %i x %i: %i vCPUs have a queue of their own', (chip, pools, rss, vcpus) => {
    // The chip has this split, and none with more queues for each of at least eight pools.
    expect(() => mrqcFor(chip, { pools, rss, classes: 0 })).not.toThrow();
    expect(8 * Math.min(16, rss)).toBe(vcpus);
    if (chip === 'ixgbe-82599') expect(() => mrqcFor(chip, { pools: 8, rss: 16, classes: 0 })).toThrow();
  });
});
