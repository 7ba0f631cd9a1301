/**
 * Flows for a queue: each goes there by a hash that shares no code with the engine's, none is missed, and what cannot
 * be reached is said.
 */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { flowFrame, parseFlow } from '#rxsteer/packet/flow-text.js';
import { explain, steerFrames, toSteering } from '#rxsteer/policy/experiment.js';
import { flowsTo } from '#rxsteer/traffic/find/any-policy.js';
import type { FoundFlow } from '#rxsteer/traffic/find/flows.js';
import { WHOLE } from '../../support/matrix.js';

const KEY = '6d5a56da255b0ec24167253d43a38fb0d0ca2bcbae7b30b477cb2da38030f20c6a42b73bbeac01fa';

/** Toeplitz as the specification words it: a window slides over the key's bits. */
function toeplitz(input: readonly number[], key = KEY): number {
  let window = BigInt(`0x${key}`);
  const bits = BigInt(key.length * 4);
  let hash = 0n;
  for (const byte of input) {
    for (let bit = 7; bit >= 0; bit--) {
      if (((byte >> bit) & 1) === 1) hash ^= window >> (bits - 32n);
      window = BigInt.asUintN(Number(bits), window << 1n);
    }
  }
  return Number(hash);
}

/** Bytes that are hashed, from the flow's text alone. */
function inputOf(flow: string, withPorts: boolean): number[] {
  const [, from, fromPort, to, toPort] = /^\w+ ([\d.]+)(?::(\d+))? > ([\d.]+)(?::(\d+))?$/.exec(flow)!;
  const address = (text: string) => text.split('.').map(Number);
  const port = (text: string) => [Number(text) >> 8, Number(text) & 255];
  return [...address(from!), ...address(to!), ...(withPorts ? [...port(fromPort!), ...port(toPort!)] : [])];
}

const ADDRESS = fc.tuple(fc.nat(223), fc.nat(255), fc.nat(255), fc.integer({ min: 1, max: 254 })).map(String);
const address = ADDRESS.map((text) => text.replaceAll(',', '.'));
const port = fc.integer({ min: 1024, max: 65535 });
const likes = fc.tuple(address, port, address, port).map(([a, p, b, q]) => `tcp ${a}:${p} > ${b}:${q}`);
const unique = (flows: readonly FoundFlow[]) => new Set(flows.map(({ flow }) => flow)).size;

describe('flows for a queue of rss', () => {
  it('go there by the specification of Toeplitz, whatever the flow that they are like', () => {
    fc.assert(
      fc.property(likes, fc.nat(15), fc.boolean(), (like, queue, isUdp) => {
        const text = isUdp ? like.replace('tcp', 'udp') : like;
        const found = flowsTo('rss:nic=ixgbe-82599,queues=16,key=microsoft', {
          queue,
          count: 20,
          like: text,
        });
        expect(found.method).toBe('algebra');
        expect(unique(found.flows)).toBe(20);
        for (const { flow } of found.flows) {
          // The 82599 does not hash the ports of UDP.
          expect((toeplitz(inputOf(flow, !isUdp)) & 127) % 16).toBe(queue);
          expect(flow.replace(/^\w+ [\d.]+:\d+/, '')).toBe(text.replace(/^\w+ [\d.]+:\d+/, ''));
        }
      }),
      { numRuns: WHOLE ? 40 : 12 },
    );
  });

  it('are all that there are: counting through every source port finds the same', () => {
    const policy = 'rss:nic=mlx5,queues=6,weight=3+1+0+0+2+5,key=random,seed=7';
    const steering = toSteering(policy);
    const like = 'tcp 192.0.2.1:40000 > 198.51.100.7:443';
    const perQueue = Array(6).fill(0);
    const every = function* () {
      for (let sport = 1024; sport < 65536; sport++) yield `tcp 192.0.2.1:${sport} > 198.51.100.7:443`;
    };
    steerFrames(steering, every()).queues.forEach(({ packets }, queue) => {
      perQueue[queue] = packets;
    });
    for (const queue of WHOLE ? [0, 1, 4, 5] : [1]) {
      const { matching, candidates, flows } = flowsTo(steering, {
        queue,
        count: 64512,
        like,
        vary: ['sport'],
      });
      expect([matching, candidates]).toEqual([perQueue[queue], 64512]);
      expect(unique(flows)).toBe(perQueue[queue]);
    }
    for (const queue of [2, 3]) {
      expect(perQueue[queue]).toBe(0);
      expect(() => flowsTo(steering, { queue, like })).toThrow(`no flow like "${like}" that goes to queue`);
    }
  });

  it('do not exist where the key cannot tell them apart, and that is certain', () => {
    // A key of zeros hashes everything to 0: bucket 0, queue 0.
    const policy = `rss:queues=4,key=${'00'.repeat(40)}`;
    expect(() => flowsTo(policy, { queue: 1 })).toThrow(/^no flow like .* -> queue 0$/);
    expect(flowsTo(policy, { queue: 0, count: 3 }).share).toBe(1);
  });
});

describe('flows for other policies', () => {
  it.each([
    ['rss:queues=8,symmetric=xor,key=random', 'algebra'],
    ['rss:queues=8,symmetric=or-xor,key=random', 'algebra'],
    ['rss:queues=8,symmetric=sort,key=random', 'search'],
    ['rss:queues=8,function=crc32c', 'algebra'],
    ['rss:nic=mlx5,queues=8,function=xor8', 'algebra'],
    ['rss:nic=bnxt,queues=8,table=64', 'algebra'],
    ['rps:cpus=0-7,hash=toeplitz', 'algebra'],
    ['rps:cpus=0-6,hash=toeplitz', 'search'],
    ['rps:cpus=0-7', 'search'],
    ['rfs:cpus=0-7', 'search'],
    ['mac-hash:queues=8,fields=both', 'algebra'],
    ['pools:nic=ixgbe-82599,layout=32x4', 'algebra'],
  ] as const)('%s: by %s, each where explain says', (policy, method) => {
    for (const like of ['tcp 10.0.0.1:40000 > 10.1.0.1:80', 'udp [2001:db8::1]:4000 > [2001:db8::2]:53']) {
      const steering = toSteering(policy);
      for (const worker of steering.workers > 1 ? [0, steering.workers - 1] : [0]) {
        const found = flowsTo(steering, { worker, count: 30, like });
        expect(found.method).toBe(method);
        for (const { flow, srcMac, dstMac, hash, bucket } of found.flows) {
          const said = explain(toSteering(policy), flowFrame(parseFlow(flow, 'flow'), { srcMac, dstMac }));
          expect(said).toMatchObject({ worker, bucket, hash });
        }
        expect(new Set(found.flows.map(({ flow, srcMac, dstMac }) => flow + srcMac + dstMac)).size).toBe(30);
      }
    }
  });

  it('obey the rules of a NIC, which no algebra knows', () => {
    const policy = {
      policy: 'rss',
      queues: 4,
      nic: 'i40e-xl710',
      rules: ['flow-type tcp4 src-port 2000 action 3'],
    };
    const like = 'tcp 10.0.0.1:2000 > 10.1.0.1:80';
    const inside = flowsTo(policy, { queue: 3, count: 64512, vary: ['sport'], like });
    const outside = flowsTo(policy, { queue: 0, count: 64512, vary: ['sport'], like });
    expect(inside.method).toBe('search');
    expect(inside.flows.map(({ sport }) => sport)).toContain(2000);
    expect(outside.flows.map(({ sport }) => sport)).not.toContain(2000);
  });

  it('see a tunnel by its port where inner packets are hashed', () => {
    const like = 'udp 10.0.0.1:4000 > 10.1.0.1:4788';
    const policy = 'rss:queues=2,inner=vxlan';
    const all = [0, 1].flatMap(
      (queue) => flowsTo(policy, { queue, count: 65536, like, vary: ['dport'] }).flows,
    );
    expect(all.length).toBe(65535);
    expect(all.find(({ dport }) => dport === 4789)?.queue).toBe(
      explain(policy, like.replace('4788', '4789')).queue,
    );
  });

  it('without ports differ in the address', () => {
    const { varied, flows } = flowsTo('rss:queues=4', { queue: 2, like: 'icmp 10.0.0.1 > 10.0.0.2' });
    expect(varied).toEqual(['src']);
    for (const { flow } of flows) expect((toeplitz(inputOf(flow, false)) & 127) % 4).toBe(2);
  });

  it('find a policy of the user that is not a function of the flow', () => {
    const turns = ({ workers }: { workers: number }) => {
      let turn = 0;
      return {
        steer({ n, worker }: { n: number; worker: Int32Array }) {
          for (let i = 0; i < n; i++) worker[i] = turn++ % workers;
        },
      };
    };
    expect(() => flowsTo(turns as never, { worker: 1, count: 3 }, { workers: 3 })).toThrow(
      /at one time, elsewhere/,
    );
  });
});
