/** Virtual time against a simulation that keeps every packet, and reordering against its definition. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ethernet, ipv4, udp } from '#rxsteer/packet/build.js';
import { parseApps } from '#rxsteer/replay/apps.js';
import { VirtualClock } from '#rxsteer/replay/clock.js';
import { DEFAULT_MODEL, parseModel, type ServiceModel } from '#rxsteer/replay/model.js';
import { replay } from '#rxsteer/replay/replay.js';
import type { PolicyResult } from '#rxsteer/replay/result.js';
import * as files from '../capture/files.js';

const file = files.temporaryFiles();

interface Arrival {
  readonly time: number;
  readonly worker: number;
  readonly flow: number;
}

const BYTES = 100;
/** The policy below reads the worker from the destination MAC, so that the test decides. */
const policyFile = file(
  'told.cjs',
  Buffer.from(
    'module.exports = () => ({ steer(b) { for (let i = 0; i < b.n; i++) b.worker[i] = b.dmacLo[i] & 0xff; } });',
  ),
);

async function run(arrivals: readonly Arrival[], model: ServiceModel, options: string, workers: number) {
  const records = arrivals.map(({ time, worker, flow }) => ({
    seconds: 100 + Math.floor(time / 1e9),
    fraction: time % 1e9,
    data: ethernet(
      { dst: `02:00:00:00:00:${worker.toString(16).padStart(2, '0')}` },
      ipv4({ src: '10.0.0.1', dst: '10.0.0.2' }, udp({ sport: flow + 1, dport: 9 }, BYTES - 42)),
    ),
  }));
  const path = file('arrivals.pcap', files.pcap(records, { magic: 0xa1b23c4d }));
  const { policies } = await replay([path], [`js:${policyFile},${options}`], { workers, model });
  return policies[0]!;
}

interface Expected {
  dropped: number;
  wakeups: number;
  handoffs: number;
  reordered: number;
  maxExtent: number;
  busy: number[];
}

/** The model of docs/replay.md with lists of everything: slow, and nothing to get wrong about rings. */
function simulate(
  arrivals: readonly Arrival[],
  model: ServiceModel,
  isNic: boolean,
  workers: number,
): Expected {
  const free = new Array<number>(workers).fill(0);
  const busy = new Array<number>(workers).fill(0);
  const finishes: number[][] = Array.from({ length: workers }, () => []);
  const taken: number[] = [];
  const done: { flow: number; number: number; finish: number }[] = [];
  const result = { dropped: 0, wakeups: 0, handoffs: 0, reordered: 0, maxExtent: 0, busy };
  const waiting = (list: readonly number[], now: number) => list.filter((finish) => finish > now).length;
  arrivals.forEach(({ time, worker, flow }, number) => {
    const service = model.packetNs + model.byteNs * BYTES;
    let start: number;
    let cost = service;
    if (isNic) {
      if (waiting(finishes[worker]!, time) > model.backlog) {
        result.dropped++;
        return;
      }
      start = Math.max(free[worker]!, time);
      cost += model.receiveNs;
    } else {
      if (worker !== 0) result.handoffs++;
      if (waiting(taken, time) > model.backlog) {
        result.dropped++;
        return;
      }
      const receive = model.receiveNs + (worker === 0 ? 0 : model.handoffNs);
      free[0] = Math.max(free[0]!, time) + receive;
      busy[0]! += receive;
      taken.push(free[0]!);
      start = free[0]!;
      if (worker !== 0) {
        if (waiting(finishes[worker]!, start) > model.backlog) {
          result.dropped++;
          return;
        }
        if (free[worker]! <= start) {
          result.wakeups++;
          start += model.wakeupNs;
        } else start = free[worker]!;
      }
    }
    free[worker] = start + cost;
    busy[worker]! += cost;
    finishes[worker]!.push(start + cost);
    done.push({ flow, number, finish: start + cost });
  });
  for (const flow of new Set(done.map((d) => d.flow))) {
    const order = done
      .filter((d) => d.flow === flow)
      .sort((a, b) => a.finish - b.finish || a.number - b.number);
    order.forEach((own, position) => {
      const earliest = order.findIndex((other, at) => at < position && other.number > own.number);
      if (earliest < 0) return;
      result.reordered++;
      result.maxExtent = Math.max(result.maxExtent, position - earliest);
    });
  }
  return result;
}

function check(policy: PolicyResult, expected: Expected, arrivals: readonly Arrival[]): void {
  const { length } = arrivals;
  const span = arrivals.at(-1)!.time;
  expect({
    dropped: policy.backlogDrops,
    wakeups: Math.round(policy.wakeupsPerPacket * length),
    handoffs: Math.round(policy.handoffsPerPacket * length),
    reordered: policy.reordered.packets,
    maxExtent: policy.reordered.maxExtent,
    busy: policy.workers.map(({ busyRatio }) => expect.closeTo(busyRatio * span, 3)),
  }).toEqual({ ...expected, busy: span === 0 ? expect.anything() : expected.busy });
}

const traffic = fc
  .array(fc.tuple(fc.oneof(fc.constant(0), fc.nat(3000)), fc.nat(3), fc.nat(2)), {
    minLength: 2,
    maxLength: 300,
  })
  .map((list) => {
    let time = 0;
    return list.map(([gap, worker, flow], i) => {
      if (i > 0) time += gap;
      return { time, worker, flow };
    });
  });

describe('virtual time', () => {
  const models: [string, ServiceModel][] = [
    ['the default', DEFAULT_MODEL],
    ['slow processing and short queues', { ...DEFAULT_MODEL, packetNs: 5000, backlog: 5 }],
    [
      'expensive hand-offs, no wake-up latency',
      { ...DEFAULT_MODEL, handoffNs: 900, wakeupNs: 0, backlog: 63 },
    ],
  ];

  it.each(models)('agrees with a simulation that keeps every packet: %s', async (_name, model) => {
    await fc.assert(
      fc.asyncProperty(traffic, fc.boolean(), async (arrivals, isNic) => {
        const policy = await run(arrivals, model, `stage=${isNic ? 'nic' : 'cpu'}`, 4);
        check(policy, simulate(arrivals, model, isNic, 4), arrivals);
      }),
      { numRuns: 40, seed: 7 },
    );
  });

  it('counts a move as under way only while the flow is', async () => {
    const model = { ...DEFAULT_MODEL, packetNs: 10_000, receiveNs: 0, handoffNs: 0, byteNs: 0 };
    const at = (time: number, worker: number) => ({ time, worker, flow: 0 });
    const policy = await run([at(0, 0), at(5000, 1), at(50_000, 0)], model, 'stage=nic', 2);
    expect(policy.moves).toEqual({ total: 2, inFlight: 1, held: 0 });
  });

  it('order=strict keeps a flow on its worker while it is under way: nothing is reordered', async () => {
    const arrivals = Array.from({ length: 400 }, (_, i) => ({
      // Worker 0 is overloaded, with a rest now and then in which flows may move.
      time: 700 * i + 5_000_000 * Math.floor(i / 100),
      worker: i % 3 === 0 ? 1 + (i % 2) : 0,
      flow: i % 5,
    }));
    const model = { ...DEFAULT_MODEL, packetNs: 4000 };
    const loose = await run(arrivals, model, 'stage=nic,order=none', 4);
    expect(loose.reordered.packets).toBeGreaterThan(0);
    const strict = await run(arrivals, model, 'stage=nic,order=strict', 4);
    expect(strict.reordered.packets).toBe(0);
    expect(strict.moves.held).toBeGreaterThan(0);
    expect(strict.moves.inFlight).toBe(0);
    expect(strict.moves.total).toBeGreaterThan(0);
  });

  it('lets rfs follow the applications, and rps where nobody reads', async () => {
    const arrivals = Array.from({ length: 300 }, (_, i) => ({ time: 100_000 * i, worker: 0, flow: i % 6 }));
    await run(arrivals, DEFAULT_MODEL, 'stage=cpu', 1);
    const path = file('arrivals.pcap');
    const at = async (apps: string) => {
      const result = await replay([path], ['rfs:cpus=0-3', 'rps:cpus=0-3'], { apps: parseApps(apps) });
      return result.policies.map(({ workers }) => workers.map(({ packets }) => packets));
    };
    // Six flows read by workers 0 1 2 3 0 1; their first packets go where rps sends them.
    const [rfs] = await at('flow');
    [100, 100, 50, 50].forEach((packets, w) => {
      expect(Math.abs(rfs![w]! - packets)).toBeLessThanOrEqual(6);
    });
    const [none, rps] = await at('none');
    expect(none).toEqual(rps);
    // All flows have port 9 on one side, and lower ports on the other.
    const [port] = await at('port');
    expect(port!.reduce((a, b) => a + b, 0)).toBe(300);
    expect(await at('flow,move=5')).not.toEqual(await at('flow'));
  });
});

describe('the clock', () => {
  const stamp = (clock: VirtualClock, times: readonly [number, number][]) => {
    const chunk = {
      n: times.length,
      seconds: Float64Array.from(times, ([s]) => s),
      nanoseconds: Int32Array.from(times, ([, ns]) => ns),
      time: new Float64Array(times.length),
    };
    clock.stamp(chunk);
    return Array.from(chunk.time);
  };

  it('starts at 0, scales, and never goes back', () => {
    const clock = new VirtualClock({ speed: 2 });
    expect(
      stamp(clock, [
        [50, 999_999_999],
        [51, 1],
        [50, 5],
        [0, 0],
        [51, 5],
      ]),
    ).toEqual([0, 1, 1, 1, 3]);
    expect([clock.elapsed, clock.backwards]).toEqual([6, 1]);
  });

  it('goes on through files that follow each other, and appends one that begins earlier', () => {
    const clock = new VirtualClock();
    expect(
      stamp(clock, [
        [10, 0],
        [10, 100],
      ]),
    ).toEqual([0, 100]);
    clock.nextFile();
    expect(stamp(clock, [[10, 500]])).toEqual([500]);
    clock.nextFile();
    expect(
      stamp(clock, [
        [3, 0],
        [3, 40],
      ]),
    ).toEqual([500, 540]);
    expect(clock.backwards).toBe(0);
  });

  it('takes a fixed gap instead', () => {
    const clock = new VirtualClock({ gapNs: 250 });
    expect(
      stamp(clock, [
        [9, 9],
        [1, 1],
      ]),
    ).toEqual([0, 250]);
    expect(stamp(clock, [[1, 1]])).toEqual([500]);
    expect(clock.elapsed).toBe(500);
  });
});

describe('--model and --apps', () => {
  it('change what they name', () => {
    expect(parseModel('packet=10.5, backlog=7')).toEqual({ ...DEFAULT_MODEL, packetNs: 10.5, backlog: 7 });
    expect(parseApps('port,move=2.5')).toEqual({ rule: 'port', moveNs: 2_500_000 });
  });

  it.each([
    ['pakcet=1', /unknown key of --model "pakcet": did you mean packet/],
    ['packet', /--model: packet=: expected nanoseconds/],
    ['backlog=0', /--model: backlog=0: expected packets, 1 to/],
    ['wakeup=-1', /--model: wakeup=-1: expected nanoseconds/],
  ])('refuse %s', (text, message) => {
    expect(() => parseModel(text)).toThrow(message);
  });

  it.each([
    ['cpu', /unknown --apps "cpu".*known: flow, port, none/],
    ['flow,move=0', /--apps: "move=0": expected move=MILLISECONDS/],
  ])('refuse %s', (text, message) => {
    expect(() => parseApps(text)).toThrow(message);
  });
});
