import { describe, expect, it } from 'vitest';
import { problem, scenario, title } from './netns.js';

describe.skipIf(problem !== '')(title('TAP port'), { timeout: 120_000 }, () => {
  it('passes frames both ways byte for byte: plain, GSO, tagged, partial checksum', async () => {
    const r = await scenario<Record<string, unknown>>('tap', 'roundTrip');
    const whole = [0, 7, 0, 0, 5].map((flags) => [true, flags]);
    expect(r).toEqual({
      out: [0, 0, 0, 0, 0],
      read: whole,
      slots: ['small', 'large', 'small', 'small', 'small'],
      back: [0, 0, 0, 0, 0, 4],
      seen: whole,
      free: [128, 32],
      empty: [0, 0, 0, 0, 0, 0, 0, 0],
    });
  });

  it('lets the kernel segment and complete checksums without offload', async () => {
    const r = await scenario<{ out: number[]; lengths: number[]; flags: number[]; right: boolean[] }>(
      'tap',
      'noOffload',
    );
    expect(r.out).toEqual([0, 0]);
    expect(r.lengths).toEqual([...new Array(10).fill(1502), 154]);
    expect(new Set(r.flags)).toEqual(new Set([0]));
    expect(new Set(r.right)).toEqual(new Set([true]));
  });

  it('removes a TAP that it created, keeps one that existed, and says why it cannot attach', async () => {
    const r = await scenario<Record<string, unknown>>('tap', 'lifetime');
    const line = (code: string, text: string) => ({ code, message: expect.stringContaining(text) });
    expect(r).toEqual({
      made: [true, 2, 'tun', true],
      gone: null,
      existing: [false, false],
      kept: [true, true],
      busy: line('EBUSY', 'another program'),
      notMany: line('EINVAL', 'without multi_queue'),
      notTap: line('EINVAL', 'not a TAP'),
      longName: line('EINVAL', 'longer than 15 bytes'),
      noQueues: line('EINVAL', '1 to 256 queues'),
      manyQueues: line('EINVAL', '1 to 256 queues'),
      left: null,
    });
  });

  it('keeps a flow on one queue with the steering program, whichever queue we write', async () => {
    const r = await scenario<Record<'steered' | 'learning', { set: boolean; queues: number[][] }>>(
      'tap',
      'steering',
    );
    const { steered, learning } = r;
    expect(steered.set).toBe(true);
    for (const round of steered.queues) expect(round).toEqual(steered.queues[0]);
    expect(new Set(steered.queues[0]).size).toBe(4);
    // Without it the kernel moves every flow to the queue that was written: the check above can fail.
    expect(learning.queues.slice(1)).toEqual([0, 1, 2, 3].map((q) => new Array(16).fill(q)));
  });

  it('steers by addresses and ports, fragments by addresses, other frames by MAC addresses', async () => {
    const r = await scenario<Record<string, number>>('tap', 'steeringFields');
    for (const spread of ['ports', 'addresses', 'ipv6Ports', 'ipv6Addresses'])
      expect(r[spread], spread).toBeGreaterThan(8);
    for (const same of ['payload', 'fragments', 'icmp', 'ipv6Extension', 'other', 'short'])
      expect(r[same], same).toBe(1);
  });

  it('tells that the interface is down or gone without spinning; the event still wakes', async () => {
    const ENETDOWN = 100;
    const ENODEV = 19;
    expect(await scenario('tap', 'link')).toEqual({
      errors: [
        [0, true],
        [ENETDOWN, true],
        [0, true],
        [ENODEV, true],
      ],
      whileDown: [3, 3],
      afterUp: [0, 0],
      whenGone: [3, 3],
      woke: true,
    });
  });

  it('hands a frame that waits inside over to the next receiver of the queue', async () => {
    expect(await scenario('tap', 'handOver')).toEqual({
      taken: 1,
      waits: 30_064,
      got: [30_054, 60],
      equal: true,
      left: 0,
    });
  });

  it('loses and reorders nothing while the pool has no slot', async () => {
    // [frames, why it stopped, free small, free large] per call
    expect(await scenario('tap', 'exhaustion')).toEqual({
      calls: [
        [2, 2, 3, 0],
        [0, 2, 3, 0],
        [2, 0, 3, 0],
        [4, 1, 0, 1],
        [0, 1, 0, 1],
      ],
      first: [20_054, 60],
      second: [30_054, 60],
      equal: true,
      rest: [14, 15],
    });
  });
});
