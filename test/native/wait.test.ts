import { describe, expect, it } from 'vitest';
import { problem, scenario, title } from './netns.js';

describe.skipIf(problem !== '')(title('waiting, threads, links'), { timeout: 120_000 }, () => {
  it('wakes for an event or a descriptor, sleeps as long as asked, and never throws', async () => {
    expect(await scenario('wait', 'wake')).toEqual({
      woken: [0, true],
      slept: [0, true],
      immediate: [0],
      readable: [1, 0, 1],
      odd: [0, 0, 0],
    });
  });

  it('waits for as many descriptors as there are', async () => {
    expect(await scenario('wait', 'many')).toEqual([1, 2, 3, 4, 5]);
  });

  it('tells which of many descriptors are readable, and lets those go', async () => {
    expect(await scenario('wait', 'watch')).toEqual({
      added: true,
      quiet: [0, []],
      told: [1, [1007, 1099], 0, []],
      again: [1, [5]],
      removed: [0, []],
      many: [80, 17, 0],
      error: [1, [1]],
      settled: [0, []],
      odd: [false, false, false, null],
      bad: { code: 'EINVAL', message: 'keys must be an Int32Array' },
      closed: false,
    });
  });

  it('is woken by another thread', async () => {
    expect(await scenario('wait', 'acrossThreads')).toEqual({ rounds: 1, value: 1 });
  });

  it('releases descriptors, memberships and TAPs however a thread ends', async () => {
    // [had them open, descriptors left over, promiscuity, the TAP]
    expect(await scenario('wait', 'release')).toEqual([
      [true, 0, 0, null],
      [true, 0, 0, null],
      [true, 0, 0, null],
    ]);
  });

  it('measures CPU time and refuses to pin to a CPU that is not there', async () => {
    const r = await scenario<Record<string, unknown>>('wait', 'thread');
    expect(r).toEqual({
      advanced: true,
      bad: { code: 'EINVAL', message: expect.stringContaining('CPU 1023') },
      negative: { code: 'EINVAL', message: expect.stringContaining('CPU -1') },
      notNumber: { code: 'EINVAL', message: 'cpu must be a number' },
    });
  });

  it('hears of changed links at once, and once', async () => {
    expect(await scenario('wait', 'linkEvents')).toEqual({
      heard: [false, true, false, true, false, true, false],
      told: [true, true, true],
      queues: expect.any(Boolean),
      closed: false,
    });
  });

  it('writes clocks into an array', async () => {
    expect(await scenario('wait', 'clock')).toMatchObject({
      between: true,
      ms: true,
      cpu: [0, true],
      short: { code: 'EINVAL', message: 'times must have 3 entries at least' },
      words: { code: 'EINVAL', message: 'times must be a Float64Array' },
    });
  });

  it('reads what the kernel tells of an interface', async () => {
    const r = await scenario<Record<string, unknown>>('wait', 'linkInfo');
    const v0 = {
      name: 'v0',
      index: expect.any(Number),
      up: true,
      running: true,
      mtu: 9000,
      mac: expect.stringMatching(/^([0-9a-f]{2}:){5}[0-9a-f]{2}$/),
      rxQueues: 3,
      txQueues: 4,
      qdisc: 'noqueue',
      master: 'br0',
      kind: 'veth',
      tso: true,
      addresses: 0,
    };
    const v1 = { ...v0, name: 'v1', mac: '02:aa:bb:cc:dd:0e', master: null, addresses: 2 };
    expect(r).toMatchObject({
      up: [v0, v1],
      down: { ...v1, up: false, running: false, tso: false },
      peerRunning: false,
      lo: { name: 'lo', index: 1, kind: null, master: null },
      again: true,
      none: null,
      empty: { code: 'EINVAL' },
      notString: { code: 'EINVAL', message: 'name must be a string' },
      setNone: { code: 'ENODEV', message: expect.stringContaining('nothere') },
    });
  });
});
