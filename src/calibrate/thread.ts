/**
 * A thread of a calibration, pinned to its CPU: it measures, or it is the other end.
 *
 * Promise: the partner does what it is told until it is told to end; the measurer posts its samples by name and ends.
 */
import { parentPort, workerData } from 'node:worker_threads';
import { loadNative } from '../addon/native.js';
import { Command, passLock, type ThreadPlan, Word } from './shared.js';

const plan = workerData as ThreadPlan;
const { words, times, events, isSame } = plan;
const native = loadNative()!;
const NOBODY = new Int32Array(0);
/** Samples of each measurement, and passages in one. */
const SAMPLES = 15;
const PASSES = 3000;
/** Of two threads that spin: a sample is short, so that no other program comes between. */
const SHORT = 400;
const WAKES = 40;
/** Samples of lines and locks to one of wake-ups: they are short, and another program may have the other CPU. */
const PAIRS = 10;
/** So long the partner is left alone, so that it sleeps: microseconds. */
const SETTLE_US = 60;

function spinUs(us: number): void {
  const until = native.monotonic() + us * 1000;
  while (native.monotonic() < until) {
    // Spins.
  }
}

function partner(): void {
  let seen = 0;
  for (;;) {
    Atomics.wait(words, Word.command, seen);
    seen = Atomics.load(words, Word.command);
    const kind = seen & 15;
    if (kind === Command.quit) return;
    if (kind === Command.line) {
      for (let i = 1; i <= SHORT; i++) {
        while (Atomics.load(words, Word.ping) !== i) {
          // Spins.
        }
        Atomics.store(words, Word.pong, i);
      }
    } else if (kind === Command.lock) {
      while (Atomics.load(words, Word.stop) === 0) passLock(words);
    } else {
      for (let i = 1; i <= WAKES; i++) {
        native.wait(events[1], NOBODY, 0, 1000);
        times[0] = native.monotonic();
        if (kind === Command.echo) native.wake(events[0]);
        else Atomics.store(words, Word.pong, i);
      }
    }
    Atomics.store(words, Word.done, seen);
    Atomics.notify(words, Word.done);
  }
}

let commands = 0;

function tell(kind: number): void {
  Atomics.store(words, Word.ping, 0);
  Atomics.store(words, Word.pong, 0);
  Atomics.store(words, Word.stop, 0);
  Atomics.store(words, Word.command, (++commands << 4) | kind);
  Atomics.notify(words, Word.command);
}

function awaitDone(): void {
  const wanted = Atomics.load(words, Word.command);
  for (;;) {
    const done = Atomics.load(words, Word.done);
    if (done === wanted) return;
    Atomics.wait(words, Word.done, done);
  }
}

/** Nanoseconds of a passage. */
function timed(count: number, pass: () => void): number {
  const start = native.monotonic();
  for (let i = 0; i < count; i++) pass();
  return (native.monotonic() - start) / count;
}

/** Half of a round trip of two words, each on a line that the other writes; less what the instructions take. */
function line(): number {
  const alone = timed(SHORT, () => {
    Atomics.store(words, Word.ping, 0);
    Atomics.load(words, Word.ping);
  });
  tell(Command.line);
  const start = native.monotonic();
  for (let i = 1; i <= SHORT; i++) {
    Atomics.store(words, Word.ping, i);
    while (Atomics.load(words, Word.pong) !== i) {
      // Spins.
    }
  }
  const each = (native.monotonic() - start) / SHORT / 2;
  awaitDone();
  return Math.max(0, each - alone);
}

/** A lock that the other CPU wants too, less one that nobody else wants; null where the other CPU had no time. */
function lock(): number | null {
  const pass = () => passLock(words);
  const alone = timed(SHORT, pass);
  tell(Command.lock);
  spinUs(50);
  const before = Atomics.load(words, Word.serving);
  const contended = timed(SHORT, pass);
  const passed = (Atomics.load(words, Word.serving) - before) | 0;
  Atomics.store(words, Word.stop, 1);
  awaitDone();
  // Between two of ours there is one of theirs: two hand-overs. Else the partner did not run.
  if (passed < 1.8 * SHORT) return null;
  return Math.max(0, contended / 2 - alone);
}

/** Waking a thread that sleeps on the other CPU: what the waker pays, and when the other one runs. */
function wakeOther(paid: number[], latency: number[]): void {
  tell(Command.sleep);
  for (let i = 1; i <= WAKES; i++) {
    spinUs(SETTLE_US);
    const start = native.monotonic();
    native.wake(events[1]);
    paid.push(native.monotonic() - start);
    while (Atomics.load(words, Word.pong) !== i) {
      // Spins.
    }
    latency.push(times[0]! - start);
  }
  awaitDone();
}

/** Both on one CPU: each wakes the other and sleeps. A wake-up, a switch and two system calls. */
function switchHere(each: number[]): void {
  tell(Command.echo);
  // The partner must be asleep before it can be woken on this CPU.
  Atomics.wait(words, Word.stop, 0, 2);
  for (let i = 1; i <= WAKES; i++) {
    const start = native.monotonic();
    native.wake(events[1]);
    native.wait(events[0], NOBODY, 0, 1000);
    each.push((native.monotonic() - start) / 2);
  }
  awaitDone();
}

function measurer(): void {
  const found: Record<string, number[]> = {};
  const add = (name: string, value: number) => {
    found[name] ??= [];
    found[name].push(value);
  };
  for (let n = 0; n < SAMPLES; n++) {
    if (isSame) {
      const each: number[] = [];
      switchHere(each);
      for (const value of each) add('contextSwitch', value);
      continue;
    }
    add(
      'systemCall',
      timed(PASSES, () => native.wake(events[0])),
    );
    native.wait(events[0], NOBODY, 0, 0);
    for (let i = 0; i < PAIRS; i++) {
      add('line', line());
      const handOver = lock();
      if (handOver !== null) add('handOver', handOver);
    }
    const [paid, latency] = [[], []] as [number[], number[]];
    wakeOther(paid, latency);
    for (const value of paid) add('wakeRemote', value);
    for (const value of latency) add('wakeLatency', value);
  }
  tell(Command.quit);
  parentPort!.postMessage(found);
}

native.pinThread(plan.cpu);
if (plan.role === 'partner') partner();
else measurer();
