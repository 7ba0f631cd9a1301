import { describe, expect, it } from 'vitest';
import { ethernet, ipv4, udp } from '#rxsteer/packet/build.js';
import { defaultWorkers, policyBytes } from '#rxsteer/policy/compile.js';
import { parsePolicy } from '#rxsteer/policy/parse.js';
import type { RfsSteering } from '#rxsteer/policy/rfs.js';
import { policy, steer, workersOf } from './support.js';

const flow = (n: number) =>
  ethernet({}, ipv4({ src: '10.0.0.1', dst: '10.0.0.2' }, udp({ sport: 1000 + n, dport: 53 })));
const flows = Array.from({ length: 40 }, (_, n) => flow(n));
const rfs = (text: string, options = {}) => policy(text, options) as RfsSteering;

describe('rfs', () => {
  it('sends unknown flows where rps sends them', () => {
    expect(workersOf(rfs('rfs:cpus=0-3'), flows)).toEqual(workersOf(policy('rps:cpus=0-3'), flows));
    const spec = parsePolicy('rfs:cpus=0-3');
    expect(spec).toMatchObject({ entries: 32768, flows: 4096, order: 'linux', stage: 'cpu' });
    expect(defaultWorkers(spec)).toBe(4);
  });

  it('sends a flow to the CPU of its application', () => {
    const steering = rfs('rfs:cpus=0-3', { workers: 6 });
    const burst = steer(steering, flows);
    for (let i = 0; i < flows.length; i++) steering.record(burst, i, 5);
    const again = steer(steering, flows);
    expect(new Set(again.worker.subarray(0, flows.length))).toEqual(new Set([5]));
    expect(steering.explain(again, 0)).toMatch(/; the flow moves to CPU 5, where its application was seen$/);
    const third = steer(steering, flows);
    expect(steering.explain(third, 0)).toMatch(/; the flow's application was seen on CPU 5$/);
  });

  it('does not move a flow before its old CPU has finished its frames', () => {
    const steering = rfs('rfs:cpus=0', { workers: 3 });
    const heads = new Int32Array(3);
    const tails = new Int32Array(3);
    steering.attach(heads, tails);
    const one = [flow(1)];
    steering.record(steer(steering, one), 0, 1);
    expect(workersOf(steering, one)).toEqual([1]);
    // The application moves on to CPU 2 while the frame is still in CPU 1's backlog.
    steering.record(steer(steering, one), 0, 2);
    const held = steer(steering, one);
    expect(held.worker[0]).toBe(1);
    expect(steering.explain(held, 0)).toMatch(
      /the flow stays on CPU 1, whose backlog still holds its frames/,
    );
    heads[1] = tails[1]!;
    expect(workersOf(steering, one)).toEqual([2]);
  });

  it('workers share what is known about applications', () => {
    const shared = new SharedArrayBuffer(policyBytes(parsePolicy('rfs:cpus=0-1')));
    const a = rfs('rfs:cpus=0-1', { workers: 4, shared });
    a.record(steer(a, [flow(1)]), 0, 3);
    const b = rfs('rfs:cpus=0-1', { workers: 4, shared });
    expect(workersOf(b, [flow(1)])).toEqual([3]);
    expect(workersOf(a, [flow(1)])).toEqual([3]);
  });

  it.each([
    ['rfs', 'policy rfs: cpus is missing'],
    ['rfs:cpus=0,entries=0', 'policy rfs: entries="0": expected a whole number from 1 to 16777216'],
    ['rfs:cpus=0,flows=x', 'policy rfs: flows="x": expected a whole number'],
    ['rfs:cpus=0,key=00', 'policy rfs: key: the key has 1 bytes; permitted: 16 bytes'],
  ])('%s is refused', (text, message) => {
    expect(() => policy(text)).toThrow(message);
  });

  it('a CPU beyond the workers is refused', () => {
    expect(() => policy('rfs:cpus=0-3', { workers: 2 })).toThrow(
      'policy rfs: cpus: CPU 2 is no worker; workers: 0 to 1',
    );
  });
});

describe('rfs in a data plane', () => {
  it('reads the counters that it is attached to, and lets go when the old CPU has passed the last frame', () => {
    const steering = rfs('rfs:cpus=0-3,order=linux');
    const [heads, tails] = [new Int32Array(4), new Int32Array(4)];
    steering.attach(heads, tails);
    const one = flows.slice(0, 1);
    const hash = steer(steering, one).hash[0]!;
    steering.recordFlow(hash, 1);
    expect(workersOf(steering, one)).toEqual([1]);
    steering.recordFlow(hash, 2);
    expect(workersOf(steering, one)).toEqual([1]);
    heads[1] = 1;
    expect(workersOf(steering, one)).toEqual([1]);
    // Three frames went there.
    heads[1] = 2;
    expect(workersOf(steering, one)).toEqual([1]);
    heads[1] = tails[1]!;
    expect(workersOf(steering, one)).toEqual([2]);
  });

  it('before 3.0 forgot the frames that were being processed', () => {
    for (const [kernel, moves] of [
      ['2.6', true],
      ['3.1', false],
    ] as const) {
      const steering = rfs(`rfs:cpus=0-3,order=linux,kernel=${kernel}`);
      const [heads, tails, taken] = [new Int32Array(4), new Int32Array(4), new Int32Array(4)];
      steering.attach(heads, tails, taken);
      const one = flows.slice(0, 1);
      const hash = steer(steering, one).hash[0]!;
      steering.recordFlow(hash, 1);
      workersOf(steering, one);
      // CPU 1 has taken the first frame off its backlog, not finished it; a second one follows.
      taken[1] = 1;
      workersOf(steering, one);
      heads[1] = 1;
      steering.recordFlow(hash, 2);
      expect(workersOf(steering, one), kernel).toEqual([moves ? 2 : 1]);
    }
  });

  it('frames that a full backlog refused leave their slots as the kernel does', () => {
    const steering = rfs('rfs:cpus=0-3,order=linux');
    const [heads, tails] = [new Int32Array(4), Int32Array.of(0, 10, 20, 0)];
    heads.set([0, 10, 20, 0]);
    steering.attach(heads, tails);
    const one = flows.slice(0, 1);
    const hash = steer(steering, one).hash[0]!;
    tails.set(heads);
    steering.recordFlow(hash, 1);
    const twice = [flows[0]!, flows[0]!];
    const burst = steer(steering, twice);
    expect([...burst.worker.subarray(0, 2)]).toEqual([1, 1]);
    // The second was refused: the slot has the first one's tail.
    steering.settle(burst, Int32Array.of(0, 2), 2, heads);
    expect(tails[1]).toBe(11);
    heads[1] = 11;
    steering.recordFlow(hash, 2);
    // Both refused: nothing is outstanding on CPU 2, though frames were steered there.
    const moved = steer(steering, twice);
    expect([...moved.worker.subarray(0, 2)]).toEqual([2, 2]);
    steering.settle(moved, Int32Array.of(2, 2), 2, Int32Array.of(0, 11, 20, 0));
    steering.recordFlow(hash, 3);
    tails.set([0, 11, 20, 0]);
    expect(workersOf(steering, one)).toEqual([3]);
  });

  it('released, says where a flow is wanted whatever is outstanding', () => {
    const steering = rfs('rfs:cpus=0-3');
    steering.release();
    const hash = steer(steering, flows).hash[0]!;
    expect(workersOf(steering, flows)).toEqual(workersOf(policy('rps:cpus=0-3'), flows));
    for (const cpu of [3, 1, 2]) {
      steering.recordFlow(hash, cpu);
      expect(workersOf(steering, flows.slice(0, 1))).toEqual([cpu]);
    }
  });

  it('a worker that follows another one finds its queue’s flow table', () => {
    const spec = parsePolicy('rfs:cpus=0-3,order=linux');
    const shared = new SharedArrayBuffer(policyBytes(spec));
    const [heads, tails] = [new Int32Array(4), new Int32Array(4)];
    const one = flows.slice(0, 1);
    const first = rfs('rfs:cpus=0-3,order=linux', { shared });
    first.attach(heads, tails);
    const hash = steer(first, one).hash[0]!;
    first.recordFlow(hash, 1);
    expect(workersOf(first, one)).toEqual([1]);
    first.recordFlow(hash, 2);
    const second = rfs('rfs:cpus=0-3,order=linux', { shared });
    second.attach(heads, tails);
    // The frame on CPU 1 is not forgotten.
    expect(workersOf(second, one)).toEqual([1]);
    heads[1] = tails[1]!;
    expect(workersOf(second, one)).toEqual([2]);
  });

  it('refuses what is no kernel release, and no worker', () => {
    expect(() => parsePolicy('rfs:cpus=0,kernel=new')).toThrow('a kernel release such as 6.18');
    expect(parsePolicy({ policy: 'rfs', cpus: [0], kernel: 6.18 })).toMatchObject({ kernel: '6.18' });
    expect(() => rfs('rfs:cpus=0-3').recordFlow(1, 4)).toThrow('worker 4 does not exist; workers: 0 to 3');
  });
});
