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
