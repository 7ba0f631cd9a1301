/** What the main thread does about what pollers met: dead rings, devices in error, frames that nobody should send. */
import { expect, it, vi } from 'vitest';
import { RING_DEAD } from '#rxsteer/addon/native.js';
import { Guard } from '#rxsteer/dataplane/engine/guarded.js';
import { LinkWatch } from '#rxsteer/dataplane/engine/link-watch.js';
import { PortCounter, portBase } from '#rxsteer/dataplane/shared/counters.js';
import { Global } from '#rxsteer/dataplane/shared/words.js';

const ENETDOWN = 100;

/** Two ports of one queue each, and a worker that follows at once. */
function core() {
  const warnings: string[] = [];
  /** What netlink does. */
  const kernel = { heard: false, tell: () => {} };
  const closed: number[] = [];
  const port = (name: string) => ({
    spec: { name },
    device: `${name}0`,
    state: 'up',
    ringResets: 0,
    refused: 0,
    next: 10,
    check: vi.fn(() => ({ change: 'none', old: { receive: [], others: [] } })),
    closeOld: (old: { others: number[] }) => closed.push(...old.others),
    publish: vi.fn(),
    assure: vi.fn(),
    attached: vi.fn(),
    tellSenders: vi.fn(),
    counted() {
      const count = this.refused + this.ringResets;
      return [{ kind: 'inexpressible', count, text: 'the kernel cannot pass on super-frames' }];
    },
    replaceReceive: vi.fn(function (this: { ringResets: number; next: number }) {
      this.ringResets++;
      return { receive: [], others: [this.next++] };
    }),
  });
  const live = new Map([
    [0, port('a')],
    [1, port('b')],
  ]);
  const global = new Int32Array(256);
  const words = new Int32Array(64);
  const views = {
    queueErrors: new Int32Array(4),
    portEpochs: new Int32Array(2),
    global,
    workers: [words],
    counters: { port: [new Float64Array(2 * portBase(1))] },
  };
  const plan = {
    mode: 'switch',
    ports: [0, 1].map((index) => ({
      index,
      removed: false,
      firstQueue: index,
      rxQueues: 1,
      name: 'ab'[index],
    })),
  };
  const native = {
    LinkEvents: class {
      readonly queues = true;
      constructor(callback: () => void) {
        kernel.tell = () => {
          kernel.heard = true;
          callback();
        };
      }
      take() {
        const { heard } = kernel;
        kernel.heard = false;
        return heard;
      }
      close() {
        kernel.tell = () => {};
      }
    },
    closeDescriptor: (fd: number) => closed.push(fd),
  };
  const parts = {
    ports: { live, native },
    plan,
    views,
    hosted: [0],
    baselines: new Map(),
    warn: (line: string) => warnings.push(line),
    // The worker attaches to whatever is newest.
    wakeAll: () => words.fill(Atomics.load(global, Global.portsEpoch)),
  };
  return {
    parts,
    kernel,
    live,
    views,
    warnings,
    closed,
    watch: new LinkWatch(parts as never, new Guard((line) => warnings.push(line))),
  };
}

it('replaces a dead ring once, for its port alone, and less often the more often it dies', () => {
  vi.useFakeTimers({ toFake: ['performance'] });
  try {
    const { live, views, warnings, closed, watch } = core();
    watch.look();
    const [a, b] = [live.get(0)!, live.get(1)!];
    const times: number[] = [];
    for (let ms = 0; ms < 60_000; ms += 100) {
      const before = a.ringResets;
      // The guest kills it again at once.
      views.queueErrors[0] = RING_DEAD;
      watch.look();
      if (a.ringResets > before) times.push(ms);
      vi.advanceTimersByTime(100);
    }
    expect(b.replaceReceive).not.toHaveBeenCalled();
    expect(views.portEpochs[1]).toBe(0);
    expect(views.portEpochs[0]).toBe(times.length);
    const waits = times.slice(1).map((at, i) => at - times[i]!);
    expect(times[0]).toBe(0);
    for (const [i, wait] of waits.entries())
      expect(wait).toBeGreaterThanOrEqual(Math.min(16_000, 500 * 2 ** i));
    expect(times.length).toBeGreaterThan(6);
    // Old descriptors are closed once the worker has the new ones.
    expect(closed).toEqual(times.map((_, i) => 10 + i));
    expect(warnings.filter((line) => line.startsWith('port a: the kernel cannot pass on'))).toHaveLength(1);
    expect(warnings.some((line) => line.startsWith('port b'))).toBe(false);
  } finally {
    vi.useRealTimers();
  }
});

it('keeps a ring that cannot be replaced, says so, and tries again', () => {
  vi.useFakeTimers({ toFake: ['performance'] });
  try {
    const { live, views, warnings, watch } = core();
    const a = live.get(0)!;
    a.replaceReceive.mockImplementationOnce(() => {
      throw new Error('PACKET_RX_RING: Cannot allocate memory');
    });
    views.queueErrors[0] = RING_DEAD;
    watch.look();
    expect(warnings).toEqual(['port a: its receive ring is dead: PACKET_RX_RING: Cannot allocate memory']);
    expect(views.portEpochs[0]).toBe(0);
    vi.advanceTimersByTime(600);
    watch.look();
    expect([a.ringResets, views.portEpochs[0], views.queueErrors[0]]).toEqual([1, 1, 0]);
  } finally {
    vi.useRealTimers();
  }
});

it('looks at once when netlink tells of a change, and rests in between', () => {
  vi.useFakeTimers({ toFake: ['performance', 'setTimeout', 'clearTimeout'] });
  try {
    const { kernel, live, watch } = core();
    const { check, tellSenders: tell } = live.get(1)!;
    watch.look();
    // Each look takes 20 ms.
    check.mockImplementation(() => {
      vi.advanceTimersByTime(20);
      return { change: 'none', old: { receive: [], others: [] } };
    });
    vi.advanceTimersByTime(500);
    check.mockClear();
    tell.mockClear();
    kernel.tell();
    expect([check, tell].map(({ mock }) => mock.calls.length)).toEqual([1, 1]);
    // A storm leaves the main thread three quarters of its time.
    for (let ms = 0; ms < 800; ms++) {
      kernel.tell();
      vi.advanceTimersByTime(1);
    }
    expect(check.mock.calls.length).toBeGreaterThan(5);
    expect(check.mock.calls.length).toBeLessThan(15);
    // The last one of it is not forgotten.
    const before = check.mock.calls.length;
    kernel.tell();
    vi.advanceTimersByTime(100);
    expect(check.mock.calls.length).toBeGreaterThan(before);
    vi.advanceTimersByTime(500);
    check.mockClear();
    watch.rest();
    kernel.tell();
    vi.advanceTimersByTime(500);
    expect(check).not.toHaveBeenCalled();
  } finally {
    vi.useRealTimers();
  }
});

it('looks at links when a poller met one that is down, though no event told of it', () => {
  const { live, views, watch } = core();
  watch.look();
  const looks = () => live.get(0)!.check.mock.calls.length;
  const before = looks();
  watch.look();
  expect(looks()).toBe(before);
  views.queueErrors[1] = ENETDOWN;
  watch.look();
  expect(looks()).toBe(before + 1);
  watch.look();
  expect(looks()).toBe(before + 1);
});

it('warns of the first frame that nobody should send, the tenth, the hundredth', () => {
  const { views, warnings, watch } = core();
  const counters = views.counters.port[0]!;
  for (let n = 0; n <= 250; n++) {
    counters[portBase(1) + PortCounter.absurd] = n;
    watch.look();
  }
  expect(warnings.map((line) => /\((\d+) so far\)/.exec(line)?.[1])).toEqual(['1', '10', '100']);
  counters[portBase(0) + PortCounter.floodLimited] = 7;
  watch.look();
  expect(warnings.at(-1)).toMatch(/^port a: more broadcasts, multicasts .* \(7 so far\)$/);
});
