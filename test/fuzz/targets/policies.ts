/**
 * Policies as strings, as objects and as files.
 *
 * Promises: refused in one line, or understood; what was understood and is given again as an object means the same; it
 * compiles for some workers or is refused in one line, then every frame goes to one of them, and the explanation says
 * the same worker as the steering did.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ethernet, ipv4, ipv6, tcp, udp } from '#rxsteer/packet/build.js';
import { Burst } from '#rxsteer/packet/burst.js';
import { dissectBurst } from '#rxsteer/packet/dissect.js';
import { compilePolicy } from '#rxsteer/policy/compile.js';
import { explainAt } from '#rxsteer/policy/explanation.js';
import { parsePolicy } from '#rxsteer/policy/parse.js';
import type { PolicySpec } from '#rxsteer/policy/spec.js';
import type { FuzzTarget } from '../driver.js';
import { must, refusedOr } from '../promise.js';

const WORKERS = 4;
/** Larger tables are permitted, and take their time and memory. */
const ENTRIES_MAX = 1 << 16;

const FRAMES = [
  ethernet(
    { dst: '02:00:00:00:00:01' },
    ipv4({ src: '192.0.2.1', dst: '192.0.2.2' }, tcp({ sport: 1, dport: 2 })),
  ),
  ethernet({ vlans: [9] }, ipv6({ src: '2001:db8::1', dst: '2001:db8::2' }, udp({ sport: 5, dport: 6 }))),
  ethernet({ ethertype: 0x0806 }, new Uint8Array(46)),
];

const burst = new Burst(new Uint8Array(1024));
let end = 0;
for (const frame of FRAMES) {
  burst.bytes.set(frame, end);
  burst.add(end, frame.length);
  end += frame.length;
}
dissectBurst(burst);

/** Whether this target leaves it alone: it names files, or is too big to be compiled thousands of times. */
function isLeft(given: unknown): boolean {
  const text = JSON.stringify(given) ?? '';
  return /ethtool|"js|^"@|"file"/.test(text);
}

function isLarge(spec: PolicySpec): boolean {
  return Object.values(spec).some((value) => typeof value === 'number' && value > ENTRIES_MAX);
}

/** What was said, without what only tells how it was said. */
function meaning({ text: _, ...rest }: PolicySpec): string {
  return JSON.stringify(rest, Object.keys(rest).sort().concat(nested(rest)));
}

function nested(value: unknown): string[] {
  if (typeof value !== 'object' || value === null) return [];
  return Object.entries(value).flatMap(([key, inner]) => [key, ...nested(inner)]);
}

export function checkPolicy(given: string | object): void {
  if (isLeft(given)) return;
  const spec = refusedOr(() => parsePolicy(given, { command: 'forward' }));
  if (spec === null) return;
  const { text: _, ...object } = spec;
  const again = parsePolicy(JSON.parse(JSON.stringify(object)) as object, { command: 'forward' });
  must(meaning(again) === meaning(spec), `given again it means ${meaning(again)}, not ${meaning(spec)}`);
  if (isLarge(spec)) return;
  const steering = refusedOr(() => compilePolicy(spec, { workers: WORKERS, ports: [{ name: 'a' }] }));
  if (steering === null) return;
  steering.steer(burst);
  const workers = Array.from(burst.worker.subarray(0, burst.n));
  for (const worker of workers)
    must(worker >= 0 && worker < steering.workers, `worker ${worker} of ${steering.workers}`);
  // Those that remember or take turns may say another one the next time.
  if (spec.policy === 'round-robin' || spec.policy === 'rfs' || spec.policy === 'mac') return;
  for (const [i, worker] of workers.entries()) {
    const said = explainAt(steering, burst, i).worker;
    must(said === worker, `explained as worker ${said}, steered to ${worker}`);
  }
}

const STRINGS = [
  'single',
  'rss',
  'rss:nic=ixgbe-82599,queues=16,key=microsoft,types=ipv4+tcp-ipv4,symmetric=none,table=128',
  'rss:queues=4,symmetric=or-xor,weight=1+2+3+4',
  'rss:nic=mlx5,queues=8,equal=4,inner=vxlan+geneve',
  'rss:nic=ena,function=crc32,queues=3,seed=9,order=none,stage=nic',
  'rps:cpus=0-3,hash=linux,key=000102030405060708090a0b0c0d0e0f',
  'rfs:cpus=0-1+3,entries=1024,flows=64,kernel=6.18',
  'mac:assign=follow-cpu,uplink=a+b,guests=100,guestsPerPort=10,bound=1.25,weights=1+2',
  'mac-hash:fields=both,queues=3,key=random',
  'pools:nic=ixgbe-82599,layout=32x4,tcs=4',
  'pools:nic=igb-82576,layout=8x2',
  'round-robin',
];

const OBJECTS = [
  {
    policy: 'mac',
    owners: [
      { mac: '02:00:00:00:00:01', worker: 1 },
      { mac: '02:00:00:00:00:02', vlan: 3, cpu: 0 },
    ],
  },
  { policy: 'mac', owners: { '02:00:00:00:00:01': 2 }, ports: { a: 1 } },
  { policy: 'rss', queues: 4, entries: [0, 1, 2, 3], rules: ['flow-type udp4 dst-port 53 action 1'] },
  {
    policy: 'rss',
    nic: 'igb-i210',
    queues: 4,
    filters: {
      syn: { queue: 1 },
      tuples: [{ protocol: 6, tcpFlags: 16, queue: 2 }],
      flex: [{ bytes: '00112233', mask: 'f0f0f0f0', queue: 3 }],
    },
  },
  {
    policy: 'pools',
    nic: 'ixgbe-82599',
    layout: '64x2',
    pools: [{ pool: 1, macs: ['02:00:00:00:00:01'], vlans: [5] }],
  },
];

const TOKENS = [
  ...[
    ':',
    ',',
    '=',
    '+',
    '-',
    'queues=',
    'key=',
    'cpus=',
    'nic=',
    'types=',
    'policy',
    'random',
    'microsoft',
    '__proto__',
  ],
  ...[
    'symmetric',
    'ipv4',
    'tcp-ipv6',
    'ixgbe-82599',
    'weight=',
    'constructor',
    'null',
    '[]',
    '{}',
    '"',
    '\u0000',
    '\n',
  ],
];

const COVERS = /\/dist\/(policy|nic|hash|linux|mac)\//;

export const policyStrings: FuzzTarget = {
  name: 'policy-strings',
  covers: COVERS,
  maxBytes: 600,
  tokens: TOKENS,
  seeds: () => [...STRINGS, ...OBJECTS.map((object) => JSON.stringify(object))],
  check(input) {
    const text = Buffer.from(input).toString();
    checkPolicy(text);
    let value: unknown;
    try {
      value = JSON.parse(text);
    } catch {
      return;
    }
    if (typeof value === 'object' && value !== null) checkPolicy(value);
  },
};

/** A folder for inputs that are read from a file; made at the first one. */
export class InputFile {
  #folder = '';

  write(name: string, input: Uint8Array): string {
    if (this.#folder === '') this.#folder = mkdtempSync(join(tmpdir(), `rxsteer-test-${process.pid}-`));
    const path = join(this.#folder, name);
    writeFileSync(path, input);
    return path;
  }

  remove(): void {
    if (this.#folder !== '') rmSync(this.#folder, { recursive: true, force: true });
    this.#folder = '';
  }
}

const file = new InputFile();

export const policyFiles: FuzzTarget = {
  name: 'policy-files',
  covers: /\/(dist\/policy|node_modules\/yaml)\//,
  maxBytes: 800,
  tokens: [...TOKENS, '? ', '&a ', '*a', '!!', '---\n', '- ', ': ', '|\n', '<<: '],
  seeds: () => [
    'policy: rss\nqueues: 4\nentries: [0, 1, 2, 3]\n',
    'policy: mac\nowners:\n  - { mac: "02:00:00:00:00:01", worker: 1 }\n  - mac: 02:00:00:00:00:02\n    cpu: 0\n',
    'policy: mac\nowners: &o\n  02:00:00:00:00:01: 1\nports: { a: 0 }\n',
    'rps:cpus=0-3\n',
    '"rss:queues=2"',
    ...OBJECTS.map((object) => JSON.stringify(object, null, 1)),
  ],
  check(input) {
    if (/ethtool|js|file/.test(Buffer.from(input).toString('latin1'))) return;
    const path = file.write('policy.yaml', input);
    refusedOr(() => parsePolicy(`@${path}`, { command: 'forward', workers: WORKERS }));
  },
  close: () => file.remove(),
};
