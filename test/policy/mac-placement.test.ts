import { describe, expect, it } from 'vitest';
import { arp, ethernet } from '#rxsteer/packet/build.js';
import { defaultWorkers } from '#rxsteer/policy/compile.js';
import type { MacSteering } from '#rxsteer/policy/mac.js';
import { parsePolicy } from '#rxsteer/policy/parse.js';
import { policy, steer } from './support.js';

const ports = [{ name: 'vm1' }, { name: 'vm2' }];
const guest = (n: number) => `52:54:00:00:00:${n.toString(16).padStart(2, '0')}`;
const from = (n: number, vlans: number[] = []) => ethernet({ src: guest(n), dst: guest(99), vlans }, 'x');
const loads = (steering: MacSteering) =>
  Array.from({ length: steering.workers }, (_, worker) => steering.owners.load(worker));

function learned(given: object, guests: number, port = 0): MacSteering {
  const steering = policy({ policy: 'mac', ...given }, { ports }) as MacSteering;
  for (let n = 0; n < guests; n++) steer(steering, [from(n)], port);
  return steering;
}

describe('weights', () => {
  it('share what is placed by load in proportion', () => {
    expect(loads(learned({ weights: '2+1+1' }, 16))).toEqual([8, 4, 4]);
    expect(loads(learned({ weights: [1, 0, 3] }, 12))).toEqual([3, 0, 9]);
    expect(loads(learned({ weights: [5, 5, 5] }, 7))).toEqual([3, 2, 2]);
  });

  it('no worker exceeds its share by more than one guest, at any time', () => {
    const weights = [3, 1, 2];
    for (let guests = 1; guests <= 24; guests++) {
      loads(learned({ weights }, guests)).forEach((load, worker) => {
        expect(load).toBeLessThanOrEqual(Math.ceil((guests * weights[worker]!) / 6) + 1);
      });
    }
  });

  it('are one for each worker, which they also name', () => {
    expect(defaultWorkers(parsePolicy('mac:weights=1+2+3'))).toBe(3);
    expect(() => policy('mac:weights=1+2', { workers: 3 })).toThrow('2 given, one for each of 3 workers');
    expect(() => policy('mac:weights=0+0', { workers: 2 })).toThrow('at least one must be above 0');
    expect(() => policy('mac:weights=1+1,assign=static', { workers: 2 })).toThrow('nothing is placed');
  });
});

describe('bound', () => {
  const follow = { assign: 'follow-cpu', ports: { vm1: 0, vm2: 1 }, weights: [1, 1, 1, 1] };

  it("a port's worker takes its guests only up to so many times its share", () => {
    expect(loads(learned(follow, 8))).toEqual([8, 0, 0, 0]);
    const bounded = learned({ ...follow, bound: 2 }, 8);
    expect(loads(bounded)).toEqual([4, 2, 1, 1]);
    expect(loads(learned({ ...follow, bound: '1.5' }, 8))[0]).toBe(3);
  });

  it('says so', () => {
    const steering = learned({ ...follow, bound: 1 }, 2);
    const burst = steer(steering, [
      ethernet({ src: guest(50), dst: guest(0) }, 'x'),
      ethernet({ src: guest(50), dst: guest(1) }, 'x'),
    ]);
    expect(steering.explain(burst, 0)).toContain('is owned by worker 0 (that of its port)');
    expect(steering.explain(burst, 1)).toBe(
      "52:54:00:00:00:01 is owned by worker 1 (the least loaded when it was learned, its port's had its share)",
    );
  });

  it('a guest that announces itself elsewhere keeps its owner where the new one has its share', () => {
    const announce = (n: number) =>
      ethernet(
        { src: guest(n), dst: 'ff:ff:ff:ff:ff:ff' },
        arp({ operation: 1, senderMac: guest(n), senderIp: '10.0.0.1', targetIp: '10.0.0.1' }),
      );
    const move = (bound: number | undefined) => {
      const steering = learned(bound === undefined ? follow : { ...follow, bound }, 4);
      for (let n = 0; n < 4; n++) steer(steering, [announce(n)], 1);
      return loads(steering);
    };
    expect(move(undefined)).toEqual([0, 4, 0, 0]);
    expect(move(2)[1]).toBe(3);
  });

  it('goes with follow-cpu, from 1', () => {
    expect(() => policy('mac:bound=2', { workers: 2 })).toThrow('bound: goes with assign=follow-cpu');
    expect(() => policy('mac:assign=follow-cpu,bound=0.5')).toThrow(
      'bound="0.5": expected a number from 1 to',
    );
  });
});
