/** Flows are made when they are asked for: their frames are right, and a million that do not send cost little. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ethernet, ipv4, tcp, udp } from '#rxsteer/packet/build.js';
import { costSet } from '#rxsteer/simulate/costs/sets.js';
import { EventQueue } from '#rxsteer/simulate/machine/event-queue.js';
import { buildWorld } from '#rxsteer/simulate/model/build.js';
import { buildLoads } from '#rxsteer/simulate/model/build-loads.js';
import { frameMaker } from '#rxsteer/simulate/model/flows.js';
import { parseScenario } from '#rxsteer/simulate/scenario/parse.js';

const address = (frame: Uint8Array, at: number) => frame.slice(at, at + 4).join('.');
const port = (frame: Uint8Array, at: number) => (frame[at]! << 8) | frame[at + 1]!;
const mac = (frame: Uint8Array, at: number) =>
  Array.from(frame.slice(at, at + 6), (byte) => byte.toString(16).padStart(2, '0')).join(':');

describe('the frame of a flow', () => {
  it('is what the builder makes of its addresses and ports, checksums included', () => {
    const any = fc.record({
      protocol: fc.constantFrom('tcp' as const, 'udp' as const),
      seed: fc.integer(),
      guest: fc.integer({ min: -1, max: 1023 }),
      outward: fc.boolean(),
      n: fc.nat(1_000_000),
    });
    fc.assert(
      fc.property(any, ({ protocol, seed, guest, outward, n }) => {
        const frame = frameMaker(protocol, seed, guest, outward)(n);
        const ends = { sport: port(frame, 34), dport: port(frame, 36) };
        const l4 = protocol === 'tcp' ? tcp(ends, 6) : udp(ends, 18);
        const packet = ipv4({ src: address(frame, 26), dst: address(frame, 30) }, l4);
        expect(frame).toEqual(ethernet({ src: mac(frame, 6), dst: mac(frame, 0) }, packet));
        expect(address(frame, outward ? 30 : 26)).toMatch(/^10\./);
      }),
      { numRuns: 100 },
    );
  });

  it('differs from those of all others of its load', () => {
    const make = frameMaker('udp', 7, 3);
    const seen = new Set(Array.from({ length: 50_000 }, (_, n) => address(make(n), 26)));
    expect(seen.size).toBe(50_000);
  });
});

describe('many at once', () => {
  it('events that are pushed in any order before the clock starts walk past few others', () => {
    const queue = new EventQueue();
    const many = 20_000;
    for (let n = 0; n < many; n++) queue.push(Math.imul(n, 0x9e3779b1) >>> 5, 0, n);
    expect(queue.steps).toBeLessThan(4 * many);
    let last = -1;
    for (let n = 0; n < many; n++) {
      expect(queue.popUntil(Number.MAX_SAFE_INTEGER)).toBe(true);
      if (queue.time < last) throw new Error('out of order');
      last = queue.time;
    }
  });

  it('flows have no frame, no hash and no thread before they are asked for', () => {
    const scenario = parseScenario({ load: [{ kind: 'closed', clients: 100_000 }] });
    const costs = costSet('modern').costs;
    const built = buildWorld(scenario, { costs, seed: 1, policy: null, place: null, relaxed: null });
    buildLoads(built, new Map());
    const { flows, readers } = built.world;
    expect(flows.count).toBe(100_000);
    expect(readers).toHaveLength(0);
    expect(flows.hash.every((hash) => hash === 0)).toBe(true);
    expect(flows.taskOf(77_777)).toBe(0);
    expect(flows.taskOf(77_777)).toBe(0);
    expect(readers.map(({ name }) => name)).toEqual(['host/app 77777']);
    expect(flows.hashOf(5)).not.toBe(0);
  });
});
