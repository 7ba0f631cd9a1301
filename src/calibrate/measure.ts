/**
 * Measures the machine: what needs no root. System call, wake-ups, a cache line from another CPU, the hand-over of a
 * lock, a byte copied, dissecting and steering a packet.
 *
 * Promise: medians with quartiles; what cannot be measured here is in `unmeasured`, with the reason. Takes about a second
 * on an idle machine. Threads are pinned; the calling one is not.
 */
import { Worker } from 'node:worker_threads';
import { loadNative, nativeProblem } from '../addon/native.js';
import { Burst, FrameFlag } from '../packet/burst.js';
import { dissectBurst } from '../packet/dissect.js';
import { flowFrame, parseFlow } from '../packet/flow-text.js';
import { compilePolicy } from '../policy/compile.js';
import { parsePolicy } from '../policy/parse.js';
import { allowedCpus, type Distance, distanceOf } from './machine.js';
import { type Measurement, measurementOf, type Unmeasured } from './samples.js';
import { type ThreadPlan, WORDS } from './shared.js';

/** What is measured by threads, and what it is. */
const ABOUT: Readonly<Record<string, string>> = {
  systemCall: 'a short system call (write to an eventfd)',
  wakeRemote: 'waking a thread that sleeps on another CPU: what the waker pays',
  wakeLatency: 'from there until that thread runs',
  contextSwitch: 'waking a thread of the same CPU and switching to it',
  line: 'a cache line that another CPU has written',
  handOver: 'a lock that another CPU waits for changes hands',
};
const ACROSS = ['systemCall', 'line', 'handOver', 'wakeRemote', 'wakeLatency'] as const;
const HERE = ['contextSwitch'] as const;

/** Everything that was found out. */
export interface Measured {
  readonly measurements: readonly Measurement[];
  readonly unmeasured: readonly Unmeasured[];
  /** Between the two CPUs that were measured; null with one CPU only. */
  readonly distance: Distance | null;
}

/** Runs a pair of threads; samples by name. */
async function pair(a: number, b: number): Promise<Record<string, number[]>> {
  const native = loadNative()!;
  const events = [native.openEvent(), native.openEvent()] as const;
  const shared = {
    words: new Int32Array(new SharedArrayBuffer(4 * WORDS)),
    times: new Float64Array(new SharedArrayBuffer(8)),
    events,
    isSame: a === b,
  };
  const start = (role: ThreadPlan['role'], cpu: number) =>
    new Worker(new URL('./thread.js', import.meta.url), {
      workerData: { ...shared, role, cpu } satisfies ThreadPlan,
    });
  const partner = start('partner', b);
  const measurer = start('measurer', a);
  try {
    return await new Promise((resolve, reject) => {
      measurer.once('message', resolve);
      for (const thread of [measurer, partner]) thread.once('error', reject);
    });
  } finally {
    await Promise.all([measurer.terminate(), partner.terminate()]);
    for (const event of events) native.closeDescriptor(event);
  }
}

/** CPU time of this thread, nanoseconds: what other programs take is not in it. Without the addon, the clock. */
function cpuNow(): number {
  return loadNative()?.threadCpuTime() ?? performance.now() * 1e6;
}

const SAMPLES = 15;
const FRAME = 1500;
const SMALL = 60;
/** More than the caches hold. */
const AREA = 64 << 20;
const COPIES = 4000;

/** A byte copied from memory that no cache holds: long frames less short ones. */
function copy(): Measurement {
  const area = new Uint8Array(AREA);
  area.fill(1);
  const half = AREA / 2;
  let at = 0;
  const each = (bytes: number) => {
    const start = cpuNow();
    for (let i = 0; i < COPIES; i++) {
      area.copyWithin(half + at, at, at + bytes);
      at = (at + 2048) % (half - FRAME);
    }
    return (cpuNow() - start) / COPIES;
  };
  each(FRAME);
  const samples = Array.from({ length: SAMPLES }, () => (each(FRAME) - each(SMALL)) / (FRAME - SMALL));
  return measurementOf('copyByte', 'a byte copied between two places of memory', samples);
}

const BURSTS = 500;

/** Dissecting a burst of small frames and asking a policy, for each frame. */
function steer(): Measurement {
  const frames = Array.from({ length: 32 }, (_, n) =>
    flowFrame(parseFlow(`udp 10.0.0.${n + 1}:${1024 + n} > 10.1.0.1:53`, 'calibration')),
  );
  const bytes = new Uint8Array(frames.length * 256);
  const burst = new Burst(bytes, false);
  const steering = compilePolicy(parsePolicy('rps:cpus=0-1'), { workers: 2 });
  const pass = () => {
    burst.n = 0;
    frames.forEach((frame, n) => {
      burst.add(n * 256, frame.length, FrameFlag.truncated);
    });
    dissectBurst(burst);
    steering.steer(burst);
  };
  frames.forEach((frame, n) => {
    bytes.set(frame, n * 256);
  });
  for (let i = 0; i < 2000; i++) pass();
  const samples = Array.from({ length: SAMPLES }, () => {
    const start = cpuNow();
    for (let i = 0; i < BURSTS; i++) pass();
    return (cpuNow() - start) / BURSTS / frames.length;
  });
  return measurementOf('steer', 'dissecting a packet and asking RPS for its CPU', samples);
}

/** Measures what needs no root. */
export async function measureMachine(): Promise<Measured> {
  const measurements: Measurement[] = [copy(), steer()];
  const unmeasured: Unmeasured[] = [];
  const leave = (names: readonly string[], why: string) => {
    for (const name of names) unmeasured.push({ name, about: ABOUT[name]!, why });
  };
  const [first, ...others] = allowedCpus();
  if (loadNative() === null || first === undefined) {
    leave([...ACROSS, ...HERE], nativeProblem());
    return { measurements, unmeasured, distance: null };
  }
  const take = (samples: Record<string, number[]>) => {
    for (const [name, values] of Object.entries(samples))
      measurements.push(measurementOf(name, ABOUT[name]!, values));
  };
  const other = others.at(-1);
  if (other === undefined) leave(ACROSS, 'there is one CPU only');
  else {
    const found = await pair(first, other);
    take(found);
    leave(
      ACROSS.filter((name) => found[name] === undefined),
      'other programs had the other CPU',
    );
  }
  take(await pair(first, first));
  return { measurements, unmeasured, distance: other === undefined ? null : distanceOf(first, other) };
}
