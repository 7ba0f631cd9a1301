import { describe, expect, it } from 'vitest';
import { parseMac } from '#rxsteer/mac/address.js';
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

describe('many ports', () => {
  it('each has its owner and its guests, also beyond 256', () => {
    const names = Array.from({ length: 300 }, (_, n) => ({ name: `vm${n}` }));
    const steering = policy('mac', { ports: names, workers: 2 }) as MacSteering;
    for (let n = 0; n < 50; n++) steer(steering, [from(n)], 43);
    for (let port = 256; port < 300; port++) {
      const burst = steer(steering, [ethernet({ src: guest(200), dst: guest(201) }, 'x')], port);
      expect([0, 1]).toContain(burst.worker[0]);
    }
    expect(steering.owners.learnedOn(43)).toBe(50);
    expect(() =>
      policy('mac', { ports: Array.from({ length: 1025 }, () => ({ name: '' })), workers: 2 }),
    ).toThrow('policy mac: 1025 ports: it knows owners of 1024 at most');
  });
});

describe('age', () => {
  const to = (n: number, source: number) => ethernet({ src: guest(source), dst: guest(n) }, 'x');
  const known = ({ owners }: MacSteering) => [...owners.entries()].map(({ low }) => low & 0xff);

  it('forgets guests that have not sent for so long, not those that are mostly sent to', () => {
    const steering = policy('mac:age=10,uplink=vm2', { ports, workers: 2 }) as MacSteering;
    for (let second = 1; second <= 30; second++) {
      steering.tick(second);
      // The uplink's frames to the guest come first in each second.
      steer(steering, [to(1, 99)], 1);
      if (second === 1 || second % 4 === 0) steer(steering, [to(99, 1)], 0);
      if (second === 1) steer(steering, [to(99, 2)], 0);
      expect(known(steering)).toEqual(second < 11 ? [1, 2] : [1]);
    }
  });

  it("another port's frames with the address do not keep it young, and do not keep its own from doing so", () => {
    const steering = policy('mac:age=10', { ports, workers: 2 }) as MacSteering;
    steering.tick(1);
    steer(steering, [from(1), from(2)], 0);
    steer(steering, [from(9)], 1);
    for (let second = 2; second <= 15; second++) {
      steering.tick(second);
      steer(steering, [from(1), from(2)], 1);
      steer(steering, [from(1)], 0);
      expect(known(steering)).toEqual(second < 11 ? [1, 2, 9] : [1, 2]);
      // Guest 2 has left its port: after ten seconds it is behind the one where it speaks.
      const { high, low } = parseMac(guest(2), 'guest');
      expect(steering.owners.portOf(0, high, low)).toBe(second < 11 ? 0 : 1);
    }
  });

  it('is at least a second', () => {
    expect(() => policy('mac:age=0', { workers: 2 })).toThrow(/age/);
  });
});
