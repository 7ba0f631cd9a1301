/** When a worker leaves frames at their sender: a ring filled and emptied by hand, and a clock that stands. */
import { describe, expect, it } from 'vitest';
import { ClockTime, type ThreadClock } from '#rxsteer/dataplane/memory/clock.js';
import { RingProducer } from '#rxsteer/dataplane/memory/producer.js';
import { RingConsumer } from '#rxsteer/dataplane/memory/ring.js';
import { BackPressure } from '#rxsteer/dataplane/worker/back-pressure.js';
import { Batch } from '#rxsteer/forward/batch.js';
import { BURST_MAX, Burst } from '#rxsteer/packet/burst.js';
import { makeLane } from '../memory/shared-kit.js';

const ME = 0;
const OTHER = 1;
const WORKERS = 2;

function kit(limit: number, start = 0) {
  const rings = makeLane(WORKERS, 1024, start, 4096);
  const producer = new RingProducer(rings, ME, limit);
  const consumer = new RingConsumer(rings[OTHER]!);
  const times = new Float64Array(3);
  const clock = { times, look() {} } as unknown as ThreadClock;
  const burst = new Burst(new Uint8Array(64));
  return {
    producer,
    pressure: new BackPressure(producer, ME, WORKERS, clock),
    push(count: number) {
      for (let k = 0; k < count; k++) expect(producer.append(OTHER, burst, 0, k, 0)).toBe(true);
      producer.publish(OTHER);
    },
    take(most: number) {
      const count = consumer.take(new Batch(), most);
      consumer.complete(count);
      return count;
    },
    wait(ms: number) {
      times[ClockTime.ms]! += ms;
    },
  };
}

describe('a worker leaves frames at their sender', () => {
  it.each([0, 0x7fff_ff00, -100])('while a ring has no room for a burst (from position %i)', (start) => {
    const { pressure, push, take } = kit(512, start);
    expect(pressure.holds(WORKERS)).toBe(false);
    push(512 - BURST_MAX);
    expect(pressure.holds(WORKERS)).toBe(false);
    push(1);
    expect(pressure.holds(WORKERS)).toBe(true);
    // A worker beyond the span gets no frames.
    expect(pressure.holds(1)).toBe(false);
    take(1);
    expect(pressure.holds(WORKERS)).toBe(false);
  });

  it('no longer than 20 ms for one that stands still, and again when it moves', () => {
    const { pressure, push, take, wait } = kit(512);
    push(512);
    expect(pressure.holds(WORKERS)).toBe(true);
    wait(19);
    expect(pressure.holds(WORKERS)).toBe(true);
    wait(1);
    expect(pressure.holds(WORKERS)).toBe(false);
    wait(1000);
    expect(pressure.holds(WORKERS)).toBe(false);
    take(1);
    expect(pressure.holds(WORKERS)).toBe(true);
  });

  it('not because a ring is short: one that is empty holds nobody up', () => {
    const short = kit(16);
    expect(short.pressure.holds(WORKERS)).toBe(false);
    short.push(9);
    expect(short.pressure.holds(WORKERS)).toBe(true);
    // Nor because its share of the slots is small.
    const poor = kit(512);
    poor.producer.setShare(1, WORKERS);
    expect(poor.pressure.holds(WORKERS)).toBe(false);
  });
});
