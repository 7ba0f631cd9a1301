/**
 * The laws of queueing theory, on worlds made of the simulator's own CPUs, tasks, queues and locks. Exact laws are held
 * to the picosecond; the others to 99 % intervals from the means of 20 parts, with fixed seeds.
 */
import { describe, expect, it } from 'vitest';
import { Class } from '#rxsteer/simulate/machine/classes.js';
import { DeviceQueue } from '#rxsteer/simulate/machine/device-queue.js';
import { Fifo } from '#rxsteer/simulate/machine/packets.js';
import { exponential, ln, unit } from '#rxsteer/simulate/machine/random.js';
import { matrix } from '../support/matrix.js';
import { arrivals, exp, interval, Leave, Serve, Server, Small, US } from './kit.js';

interface StationOptions {
  readonly servers?: number;
  readonly gap: (n: number) => number;
  readonly service: (n: number) => number;
  readonly places?: number;
  readonly most?: number;
}

/** c servers with one queue. */
function station({ servers = 1, gap, service, places, most }: StationOptions) {
  const small = new Small(servers);
  const queue = new Fifo(small.packets, 'full', places ?? 1 << 30);
  const serve = new Serve(small, service);
  const leave = new Leave(small);
  const program = small.program(serve, leave);
  const tasks = small.contexts.map((context) => new Server(context, queue));
  let arrived = 0;
  let dropped = 0;
  let waiting = 0;
  arrivals(
    small,
    gap,
    () => {
      arrived++;
      const p = small.make(program);
      const idle = tasks.find((task) => task.isSleeping);
      if (idle === undefined) waiting++;
      // A queue of no places still hands over to a free server.
      if (idle !== undefined) queue.limit++;
      const isAccepted = queue.push(p);
      if (idle !== undefined) queue.limit--;
      if (!isAccepted) {
        dropped++;
        small.packets.end(p);
      } else idle?.wake(null, null);
    },
    most,
  );
  return { small, serve, leave, counts: () => ({ arrived, dropped, waiting, live: small.packets.live }) };
}

/** Means of 20 parts of a long run, after one part of warm-up; of several values of the same run. */
function partsOf(
  built: ReturnType<typeof station>,
  part: number,
  values: readonly ((d: Delta) => number)[],
): { mean: number; half: number }[] {
  const { small, serve, leave, counts } = built;
  const now = () => ({
    ...counts(),
    waited: serve.waited,
    started: serve.started,
    left: leave.count,
    time: leave.sum,
  });
  type Now = ReturnType<typeof now>;
  small.sim.run(part);
  let before = now();
  const found: number[][] = values.map(() => []);
  for (let i = 0; i < 20; i++) {
    small.sim.run((i + 2) * part);
    const after = now();
    const delta = Object.fromEntries(
      Object.entries(after).map(([key, x]) => [key, x - before[key as keyof Now]]),
    ) as unknown as Delta;
    values.forEach((value, v) => {
      found[v]!.push(value(delta));
    });
    before = after;
  }
  return found.map(interval);
}

function parts(built: ReturnType<typeof station>, part: number, value: (d: Delta) => number) {
  return partsOf(built, part, [value])[0]!;
}

interface Delta {
  readonly arrived: number;
  readonly dropped: number;
  readonly waiting: number;
  readonly waited: number;
  readonly started: number;
  readonly left: number;
  readonly time: number;
}

/** The theory lies in the interval, and the interval is narrow. */
function holds({ mean, half }: { mean: number; half: number }, theory: number, narrow: number) {
  expect(half / theory).toBeLessThan(narrow);
  expect(mean).toBeGreaterThan(theory - half);
  expect(mean).toBeLessThan(theory + half);
}

describe('draws', () => {
  it('have a logarithm that agrees with the library to 1e-13, and moments of their laws', () => {
    for (let i = 1; i < 2000; i++) expect(Math.abs(ln(i / 2000) - Math.log(i / 2000))).toBeLessThan(1e-13);
    let sum = 0;
    let squares = 0;
    const n = 200_000;
    for (let i = 0; i < n; i++) {
      const x = exponential(7, i);
      sum += x;
      squares += x * x;
    }
    expect(sum / n).toBeCloseTo(1, 2);
    expect(squares / n).toBeCloseTo(2, 1);
  });
});

describe('exact laws', () => {
  it('C1: busy time is the sum of the services, C2: L = lambda T, over an interval that begins and ends empty', () => {
    const built = station({ gap: exp(1, US), service: exp(2, 0.9 * US), most: 5000 });
    const { small, serve, leave } = built;
    // The number in the system, integrated by somebody who only sees arrivals and departures.
    let area = 0;
    let last = 0;
    const look = () => {
      area += small.packets.live * (small.sim.now - last);
      last = small.sim.now;
    };
    const { make, end } = {
      make: small.packets.make.bind(small.packets),
      end: small.packets.end.bind(small.packets),
    };
    small.packets.make = (now) => {
      look();
      return make(now);
    };
    small.packets.end = (p) => {
      look();
      end(p);
    };
    small.sim.run(1e5 * US);
    expect(leave.count).toBe(5000);
    expect(small.packets.live).toBe(0);
    expect(small.busy(0)).toBe(serve.sum);
    expect(area).toBe(leave.sum);
  });

  it('C4: D/D/1 never waits up to full load; at 1.25 the nth waits 0.2 n; two sources in phase wait 0 and 1', () => {
    const even = station({ gap: () => US, service: () => US, most: 1000 });
    even.small.sim.run(2000 * US);
    expect(even.serve.waited).toBe(0);
    const waits: number[] = [];
    const small = new Small(1);
    const queue = new Fifo(small.packets, 'full', 1000);
    const serve = new Serve(small, () => US);
    const task = new Server(small.contexts[0]!, queue);
    const program = small.program(
      serve,
      new Leave(small, (p) => waits.push(small.sim.now - small.packets.born[p]! - US)),
    );
    arrivals(
      small,
      () => 0.8 * US,
      () => {
        queue.push(small.make(program));
        task.wake(null, null);
      },
      200,
    );
    small.sim.run(1000 * US);
    expect(waits).toEqual(Array.from({ length: 200 }, (_, n) => Math.round(0.2 * n * US)));
    const pair = new Small(1);
    const both = new Fifo(pair.packets, 'full', 10);
    const pairTask = new Server(pair.contexts[0]!, both);
    const pairWaits: number[] = [];
    const pairProgram = pair.program(
      new Serve(pair, () => US),
      new Leave(pair, (p) => pairWaits.push((pair.sim.now - pair.packets.born[p]!) / US - 1)),
    );
    for (let source = 0; source < 2; source++) {
      arrivals(
        pair,
        () => 2 * US,
        () => {
          both.push(pair.make(pairProgram));
          pairTask.wake(null, null);
        },
        10,
      );
    }
    pair.sim.run(100 * US);
    expect(pairWaits).toEqual(Array.from({ length: 20 }, (_, n) => n % 2));
  });
});

describe('one queue', () => {
  it.each([
    [0.5, 1, 2, 0.03],
    [0.8, 1, 5, 0.06],
    [0.4, 2, 10, 0.06],
  ])('C5: M/M/1 with rate %f and service %f stays %f', (rate, service, theory, narrow) => {
    const built = station({ gap: exp(3, US / rate), service: exp(4, service * US) });
    holds(
      parts(built, (20_000 * US) / rate, (d) => d.time / d.left / US),
      theory,
      narrow,
    );
  });

  it.each([
    ['0', 0.5, () => US, 0.5],
    ['0', 0.8, () => US, 2],
    // Two values a and b with mean 1: cv2 = 4 and 0.5.
    ['4', 0.8, (n: number) => (unit(9, n) < 0.1 ? 7 * US : Math.round((0.3 / 0.9) * US)), 10],
    [
      '0.5',
      0.8,
      (n: number) => Math.round(US * 0.5 * (exponential(11, 2 * n) + exponential(11, 2 * n + 1))),
      3,
    ],
  ])('C6: M/G/1 with cv2 %s at %f', (_, load, service, theory) => {
    const built = station({ gap: exp(5, US / load), service });
    holds(
      parts(built, 20_000 * US, (d) => d.waited / d.started / US),
      theory,
      0.11,
    );
  });

  it.each([
    [2, 0.7111, 1.7778],
    [4, 0.5964, 0.7455],
    [16, 0.3049, 0.0953],
  ])('C7: M/M/%i at 0.8: share that waits, and for how long', (servers, share, theory) => {
    const built = station({ servers, gap: exp(6, US / (0.8 * servers)), service: exp(7, US) });
    const [wait, waiting] = partsOf(built, (servers > 8 ? 1500 : 3000) * US, [
      (d) => d.waited / d.started / US,
      (d) => d.waiting / d.arrived,
    ]);
    holds(wait!, theory, 0.15);
    holds(waiting!, share, 0.06);
  });

  it.each([
    [0.8, 10, 0.02349],
    [1, 10, 1 / 11],
    [1.2, 10, 0.19259],
    [2, 5, 0.50794],
    [1.2, 100, 0.16667],
  ])('C8: M/M/1/K drops: load %f, %i places', (load, places, theory) => {
    const built = station({ gap: exp(8, US / load), service: exp(9, US), places: places - 1 });
    holds(
      parts(built, 20_000 * US, (d) => d.dropped / d.arrived),
      theory,
      0.15,
    );
  });

  it.each([
    [2, 1.6, 0.3299],
    [4, 3.2, 0.22815],
    [16, 12.8, 0.08065],
  ])('C8: Erlang B: %i servers, %f erlang', (servers, erlang, theory) => {
    const built = station({ servers, gap: exp(10, US / erlang), service: exp(11, US), places: 0 });
    holds(
      parts(built, (servers > 8 ? 700 : 2000) * US, (d) => d.dropped / d.arrived),
      theory,
      0.06,
    );
  });

  it.each(
    matrix(
      [
        [0.3, 1, 0.4, 1, 1.0, 3.3333],
        [0.5, 1, 0.3, 1, 1.6, 8.0],
        [0.2, 0.5, 0.3, 2, 1.3889, 4.6296],
      ] as const,
      [1],
    ),
  )('C9: softirq before tasks: %f x %f over %f x %f', (l1, s1, l2, s2, w1, w2) => {
    // No bound to the softirq: pure priority. Its interrupt is free.
    const small = new Small(1, { weight: 1 << 30, budget: 1 << 30, softirqTime: 1e15 });
    const off = { interval: 0, packets: 0 };
    const device = new DeviceQueue(small.sim, small.packets, 'device', 1 << 30, small.contexts[0]!, 0, off);
    const high = new Serve(small, exp(21, s1 * US));
    const low = new Serve(small, exp(22, s2 * US));
    const highProgram = small.program(high, new Leave(small));
    const lowProgram = small.program(low, new Leave(small));
    const queue = new Fifo(small.packets, 'full', 1 << 30);
    const task = new Server(small.contexts[0]!, queue);
    arrivals(small, exp(23, US / l1), () => void device.deliver(small.make(highProgram), null));
    arrivals(small, exp(24, US / l2), () => {
      queue.push(small.make(lowProgram));
      task.wake(null, null);
    });
    const part = 18_000 * US;
    small.sim.run(part);
    const values: [number[], number[]] = [[], []];
    let before = [high.waited, high.started, low.waited, low.started] as const;
    for (let i = 0; i < 20; i++) {
      small.sim.run((i + 2) * part);
      const after = [high.waited, high.started, low.waited, low.started] as const;
      values[0].push((after[0] - before[0]) / (after[1] - before[1]) / US);
      values[1].push((after[2] - before[2]) / (after[3] - before[3]) / US);
      before = after;
    }
    holds(interval(values[0]), w1, 0.05);
    holds(interval(values[1]), w2, 0.12);
    expect(small.cpus[0]!.booked[Class.softirq]).toBeGreaterThan(0);
  });
});

describe('closed systems', () => {
  /** N clients that think, then pass through stations in a row. */
  function closed(clients: number, think: number, services: readonly number[], length: number) {
    const small = new Small(services.length);
    const stations = services.map((_, i) => {
      const queue = new Fifo(small.packets, 'full', 1 << 20);
      return { queue, task: new Server(small.contexts[i]!, queue) };
    });
    let done = 0;
    const draws = new Int32Array(clients);
    const actor = small.sim.enter({
      fire: (client) => {
        const p = small.make(programs[0]!);
        small.packets.mark[p] = client;
        stations[0]!.queue.push(p);
        stations[0]!.task.wake(null, null);
      },
    });
    const programs: number[] = services.map((service, i) =>
      small.program(
        new Serve(small, exp(100 + i, service * US)),
        new Leave(small, (p) => {
          const client = small.packets.mark[p]!;
          const next = stations[i + 1];
          if (next === undefined) {
            done++;
            const n = draws[client]!++;
            small.sim.at(small.sim.now + exp(1000 + client, think * US)(n), actor, client);
            return;
          }
          const q = small.make(programs[i + 1]!);
          small.packets.mark[q] = client;
          next.queue.push(q);
          next.task.wake(null, null);
        }),
      ),
    );
    for (let client = 0; client < clients; client++) small.sim.at(client * 1000, actor, client);
    small.sim.run(length * US);
    const values: number[] = [];
    let before = done;
    for (let i = 0; i < 20; i++) {
      small.sim.run((i + 2) * length * US);
      values.push((done - before) / length);
      before = done;
    }
    return interval(values);
  }

  it.each([
    [1, 9, [1], 0.1],
    [10, 9, [1], 0.832037],
    [20, 9, [1], 0.999383],
    [16, 10, [1, 1], 0.861554],
    [100, 0, [1, 2], 0.5],
  ])('C10: %i clients thinking %f at stations %j: %f a microsecond', (clients, think, services, theory) => {
    const result = closed(clients, think, services, 10_000);
    holds(result, theory, 0.03);
    const most = Math.min(1 / Math.max(...services), clients / (think + services.reduce((a, b) => a + b, 0)));
    expect(result.mean - result.half).toBeLessThan(most);
  });

  it('C10: 500 clients, 100 us, service 7.19 us: 139.08 K; 2.84 us: 352.11 K', () => {
    const a = closed(500, 100, [7.19], 20_000);
    const b = closed(500, 100, [2.84], 20_000);
    holds({ mean: a.mean * 1e6, half: a.half * 1e6 }, 139_080, 0.02);
    holds({ mean: b.mean * 1e6, half: b.half * 1e6 }, 352_110, 0.02);
  });
});
