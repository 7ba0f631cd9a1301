/** No allocation per packet: the heap of a process that steers many bursts does not grow with them. */
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { loadNative } from '#rxsteer/addon/native.js';
import { POLICY_NAMES } from '#rxsteer/policy/spec.js';

const script = `
import { Burst } from '${import.meta.resolve('#rxsteer/packet/burst.js')}';
import { dissectBurst } from '${import.meta.resolve('#rxsteer/packet/dissect.js')}';
import { ethernet, homeAddressExtension, ipv4, ipv6, tcp, udp } from '${import.meta.resolve('#rxsteer/packet/build.js')}';
import { compilePolicy } from '${import.meta.resolve('#rxsteer/policy/compile.js')}';
import { parsePolicy } from '${import.meta.resolve('#rxsteer/policy/parse.js')}';
import { nativeHashKernels } from '${import.meta.resolve('#rxsteer/addon/hash-kernels.js')}';
const v6 = { src: '2001:db8::1', dst: '2001:db8::2' };
const frames = Array.from({ length: 64 }, (_, n) => {
  const v4 = { src: '10.0.0.' + n, dst: '192.0.2.1', moreFragments: n % 9 === 0 };
  const ports = { sport: 1000 + n, dport: 53 };
  const options = { src: '52:54:00:00:00:' + (16 + n).toString(16), vlans: n % 5 === 0 ? [n] : [] };
  const extensions = n % 8 === 7 ? [homeAddressExtension('2001:db8::3')] : [];
  return ethernet(options, n % 4 === 3 ? ipv6({ ...v6, extensions }, tcp(ports)) : ipv4(v4, udp(ports)));
});
const bytes = new Uint8Array(Buffer.concat(frames));
const burst = new Burst(bytes);
let at = 0;
for (const frame of frames) { burst.add(at, frame.length); at += frame.length; }
const results = {};
/** Shows that the measurement sees one small object a packet. */
const kept = { last: null };
const control = { steer(burst) { for (let i = 0; i < burst.n; i++) kept.last = { index: i, flow: burst.flow[i] }; } };
for (const text of process.argv.slice(1)) {
  const compile = () => compilePolicy(parsePolicy(text), { workers: 4, kernels: nativeHashKernels() });
  const steering = text === 'control' ? control : compile();
  const run = (bursts) => { for (let b = 0; b < bursts; b++) { dissectBurst(burst); steering.steer(burst); } };
  run(3000);
  // What the compiler and the runtime allocate now and then does not grow with the number of packets: the least of
  // several tries, and the difference between many bursts and few.
  const growth = (bursts) => {
    let least = Infinity;
    for (let attempt = 0; attempt < 5; attempt++) {
      globalThis.gc();
      const before = process.memoryUsage().heapUsed;
      run(bursts);
      least = Math.min(least, process.memoryUsage().heapUsed - before);
    }
    return least;
  };
  const few = growth(500);
  results[text] = (growth(2500) - few) / (2000 * 64);
}
console.log(JSON.stringify(results));
`;

// implementation=auto and =native are one where the addon is built; without it auto is table.
const native = loadNative() === null ? 'auto' : 'native';
const policies = [
  'single',
  'rss:queues=4,implementation=table',
  `rss:queues=4,implementation=${native}`,
  `rss:queues=4,types=ipv4+udp-ipv4+ipv6-ex+tcp-ipv6-ex,implementation=${native}`,
  `rss:queues=4,inner=vxlan+gre,implementation=${native}`,
  'rss:queues=4,symmetric=sort,types=ipv4+udp-ipv4+ipv6-ex+tcp-ipv6-ex',
  'rss:nic=ena,queues=4,function=crc32',
  'rss:queues=4,rules=flow-type udp4 dst-port 54 action 1+flow-type tcp6 dst-port 53 action 2',
  'rps:cpus=0-3',
  `rps:cpus=0-3,hash=toeplitz,implementation=${native}`,
  'rfs:cpus=0-3',
  'rfs:cpus=0-3,hash=toeplitz',
  'mac',
  'mac:assign=follow-cpu',
  'pools:nic=ixgbe-82599',
  'pools:nic=igb-82576,layout=8x2',
  'mac-hash:fields=both',
  'round-robin',
  `js:${fileURLToPath(new URL('../../examples/data/even-odd.mjs', import.meta.url))}`,
];

describe('bytes allocated for a packet', () => {
  const { stdout, stderr } = spawnSync(
    process.execPath,
    [
      '--expose-gc',
      '--max-semi-space-size=64',
      '--min-semi-space-size=64',
      '--input-type=module',
      '-e',
      script,
      '--',
      ...policies,
      'control',
    ],
    { encoding: 'utf8', timeout: 120_000 },
  );
  if (stderr !== '') throw new Error(stderr);
  const results = JSON.parse(stdout) as Record<string, number>;

  it.each(policies)('by %s: none', (text) => {
    // A number boxed for one packet in a hundred would already be 0.12 bytes.
    expect(results[text]).toBeLessThan(0.1);
  });

  it('no policy is left out', () => {
    const names = new Set(policies.map((text) => text.replace(/:.*/, '')));
    expect([...names].sort()).toEqual([...POLICY_NAMES].sort());
  });

  it('the measurement sees an object of two fields', () => {
    expect(results.control).toBeGreaterThan(16);
  });
});
