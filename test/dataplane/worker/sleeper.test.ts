/** When a worker spins, when it sleeps, and for how long: on a clock of the test's own. */
import { expect, it } from 'vitest';
import type { Native } from '#rxsteer/addon/native.js';
import type { ThreadClock } from '#rxsteer/dataplane/memory/clock.js';
import { ClockTime } from '#rxsteer/dataplane/memory/clock.js';
import { WORKER_WORDS } from '#rxsteer/dataplane/shared/words.js';
import { LINGER_MS, SLEEP_MAX_MS, Sleeper } from '#rxsteer/dataplane/worker/sleeper.js';

/** A pass without work takes that long; where only milliseconds matter, longer. */
const PASS_MS = 0.0002;
const LONG_PASS_MS = 0.004;

/** A worker whose frames come at given times; what it did in between. */
function worker(spinMaxMs: number, passMs: number) {
  const times = new Float64Array(4);
  const clock = { times, look() {} } as unknown as ThreadClock;
  let now = 0;
  let next = Number.POSITIVE_INFINITY;
  let slept = 0;
  const native = {
    wait(_event: number, _fds: Int32Array, _count: number, timeoutMs: number) {
      const until = Math.min(now + timeoutMs, Math.max(next, now));
      slept += until - now;
      now = until;
      times[ClockTime.ms] = now;
      return 0;
    },
  } as unknown as Native;
  const words = new Int32Array(new SharedArrayBuffer(4 * WORKER_WORDS));
  const sleeper = new Sleeper(native, clock, words, 0, spinMaxMs);
  const fds = new Int32Array(1);
  /** Runs until the frame at `at`, or only until then; returns milliseconds spent awake without work, and asleep at its arrival. */
  const until = (at: number, comes: boolean) => {
    next = comes ? at : Number.POSITIVE_INFINITY;
    const before = { now, slept };
    let wasAsleep = false;
    while (now < at) {
      now += passMs;
      times[ClockTime.ms] = now;
      wasAsleep = false;
      if (sleeper.spinning() || !sleeper.tired()) continue;
      sleeper.sleep(fds, 0, Number.POSITIVE_INFINITY, () => false);
      wasAsleep = true;
    }
    if (comes) sleeper.busy();
    return { awake: now - before.now - (slept - before.slept), wasAsleep };
  };
  return { until, at: () => now };
}

it('latency low: after a few frames none finds the worker asleep, whatever the gaps', () => {
  for (const gap of [0.02, 1, 10, 200]) {
    const { until, at } = worker(LINGER_MS, LONG_PASS_MS);
    for (let k = 0; k < 3; k++) until(at() + gap, true);
    for (let k = 0; k < 5; k++) expect(until(at() + gap, true).wasAsleep, `${gap} ms`).toBe(false);
  }
});

it('latency low: a second after the last frame it sleeps, and goes on sleeping', () => {
  const { until, at } = worker(LINGER_MS, LONG_PASS_MS);
  for (let k = 0; k < 20; k++) until(at() + 200, true);
  until(at() + 1000, false);
  const { awake } = until(at() + 40 * SLEEP_MAX_MS, false);
  expect(awake / (40 * SLEEP_MAX_MS)).toBeLessThan(0.02);
});

it('latency low: traffic that comes more seldom than that is not polled for', () => {
  const { until, at } = worker(LINGER_MS, LONG_PASS_MS);
  let awake = 0;
  for (let k = 0; k < 40; k++) awake = until(at() + 3000, true).awake;
  expect(awake).toBeLessThan(60);
});

it('by default a worker spins five microseconds at most', () => {
  const { until, at } = worker(0.005, PASS_MS);
  let most = 0;
  for (const gap of [0.004, 0.004, 0.004, 0.02, 1, 10]) {
    most = Math.max(most, until(at() + gap, true).awake);
  }
  expect(most).toBeLessThan(0.02);
});
