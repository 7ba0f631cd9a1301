/** From measurements to costs: medians, what follows from them, and what is taken from the named set. */
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { calibrationLines, calibrationOf } from '#rxsteer/calibrate/cost-set.js';
import { parseCpuList } from '#rxsteer/calibrate/machine.js';
import { measurementOf } from '#rxsteer/calibrate/samples.js';
import { costSet } from '#rxsteer/simulate/costs/sets.js';
import { parseCosts } from '#rxsteer/simulate/scenario/parse.js';

const of = (name: string, ...samples: number[]) => measurementOf(name, `about ${name}`, samples);
const base = costSet('modern').costs;

describe('samples', () => {
  it('have a median and quartiles that one bad moment does not move', () => {
    expect(of('x', 5, 1, 2, 4, 3)).toMatchObject({ median: 3, low: 2, high: 4, samples: 5 });
    expect(of('x', 1, 2)).toMatchObject({ median: 1.5, low: 1.25, high: 1.75 });
    expect(of('x', 3, 3, 3, 1e9).median).toBe(3);
    expect(() => of('x')).toThrow('x: no samples');
  });
});

describe('costs that follow', () => {
  const all = {
    measurements: [
      ...[of('systemCall', 200), of('contextSwitch', 1700), of('wakeRemote', 900), of('wakeLatency', 6000)],
      ...[of('line', 40), of('handOver', 50), of('copyByte', 0.1), of('steer', 123.456)],
      ...[of('receiveBurst', 9000), of('receive', 2100), of('tapCall', 300), of('tapSend', 1800)],
      ...[of('vethCall', 200), of('vethSend', 1100)],
      ...[of('handBurst', 4000), of('wokenBurst', 8000), of('handPacket', 150)],
    ],
    unmeasured: [],
    distance: 'cache' as const,
  };
  const calibration = calibrationOf('a machine', all, 'modern');

  it('are measured ones, less what is counted elsewhere', () => {
    expect(calibration.costs).toMatchObject({
      ...{ base: 'modern', wakeLocal: 200, contextSwitch: 1500, wakeRemote: 900, ipiSend: 4000 },
      ...{ ipiLatency: 6000 - 900 - 1700, ipiReceive: 0, idleExit: 8000, idleExitDevice: 9000 },
      ...{ steer: 150, tapEnqueue: 1800, tunCall: 300, vethEnqueue: 1100, vethCall: 200 },
      ...{ driverReceive: 2100, hardIrq: 0, bridge: 0 },
    });
  });

  it('without root are those of threads: an interrupt is a wake-up, a call is a system call', () => {
    const measurements = all.measurements.slice(0, 8);
    const { costs } = calibrationOf('a machine', { ...all, measurements }, 'modern');
    expect(costs).toMatchObject({ ipiSend: 700, ipiReceive: 1700, tunCall: 200, steer: 123 });
    expect(costs.ipiLatency).toBe(6000 - 900 - 1700 - base.idleExit);
    expect(costs.idleExit).toBeUndefined();
  });

  it('take the hand-over of the forwarder itself for steering, where it was measured', () => {
    const measurements = [of('steer', 100), of('handOff', 180)];
    const { costs, derivations } = calibrationOf('a machine', { ...all, measurements }, 'modern');
    expect(costs).toMatchObject({ steer: 180, lines: { backlog: 0 } });
    expect(derivations.filter((line) => line.startsWith('steer:'))).toHaveLength(1);
    expect(parseCosts(costs).lines).toEqual({ ...base.lines, backlog: 0 });
  });

  it('at other distances keep the proportions of the named set', () => {
    const { line } = calibration.costs as { line: typeof base.line };
    expect(line.cache).toBe(40);
    expect(line.remote / line.cache).toBeCloseTo(base.line.remote / base.line.cache, 2);
    const copy = calibration.costs.copyByte!;
    expect(copy.remote! / copy.local!).toBeCloseTo(base.copyByte.remote / base.copyByte.local, 2);
  });

  it('are complete with the named set, for whatever was not measured', () => {
    const some = calibrationOf(
      'a machine',
      {
        measurements: [of('steer', 99)],
        unmeasured: [{ name: 'line', about: 'a line', why: 'one CPU' }],
        distance: null,
      },
      'amd-2009',
    );
    expect(some.costs).toEqual({ base: 'amd-2009', steer: 99 });
    const whole = parseCosts(some.costs);
    expect(whole).toEqual({ ...costSet('amd-2009').costs, steer: 99 });
    const lines = calibrationLines(some);
    expect(lines).toContain('line: not measured (one CPU): a line');
    expect(lines).toContain('all others are those of the set amd-2009');
  });

  it('say where they come from: machine, figures, derivations, as comments of a file that is read again', () => {
    const text = calibrationLines(calibration)
      .map((line) => `# ${line}\n`)
      .join('');
    expect(parse(`${text}steer: 1`)).toEqual({ steer: 1 });
    expect(text).toContain('# costs of a machine\n');
    expect(text).toContain('# systemCall: 200 ns (quartiles 200 to 200, 1 samples): about systemCall\n');
    for (const cost of Object.keys(calibration.costs)) {
      if (cost !== 'base') expect(text, cost).toContain(cost);
    }
  });
});

it('lists of CPUs are read as the kernel writes them', () => {
  expect(parseCpuList('0-2,5')).toEqual([0, 1, 2, 5]);
  expect(parseCpuList('')).toEqual([]);
});
