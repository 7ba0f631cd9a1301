/**
 * No key is silent: each key that a scenario may have at a level changes what comes out of at least one scenario there.
 *
 * Keys are those of the JSON Schema; for each, several values are tried in scenarios of each kind (loads, applications,
 * paths, disks). What is refused beside a kind has no effect there; what is accepted must have one somewhere.
 */
import { expect, it } from 'vitest';
import { jsonSchemaOf } from '#rxsteer/policy/json-schema.js';
import { parseScenario, parseScenarioText } from '#rxsteer/simulate/scenario/parse.js';
import { type ScenarioInput, scenarioSchema } from '#rxsteer/simulate/scenario/schema.js';
import { simulate } from '#rxsteer/simulate/simulate.js';

type Path = readonly (string | number)[];
interface Schema {
  readonly properties?: Record<string, Schema>;
  readonly items?: Schema;
  readonly additionalProperties?: Schema;
  readonly anyOf?: readonly Schema[];
  readonly enum?: readonly (string | number | boolean)[];
  readonly const?: unknown;
  readonly type?: string;
  readonly default?: unknown;
  readonly minimum?: number;
  readonly maximum?: number;
}

const whole = jsonSchemaOf(scenarioSchema) as Schema;
const base = { durationMs: 2, warmupMs: 0, host: { cpus: { cores: 4 } } } as const;
const two = { host: { cpus: { sockets: 2, cores: 2, threads: 2 } } } as const;
const busy = { kind: 'open', rate: 400_000, flows: 8 } as const;

function guestOf(path: string, more: object = {}, load: object = { rate: 150_000, flows: 8 }): ScenarioInput {
  const one = { path, vcpus: 2, queues: 2, cpus: '2-3', ...more };
  return {
    ...{ ...base, ...two, guests: { vm: one } },
    load: [{ kind: 'open', ...load }],
  } as ScenarioInput;
}

const TAPS = ['qemu-virtio', 'qemu-e1000', 'vhost-tap', 'vhost-macvtap'];
const answers = { apps: [{ kind: 'echo', threads: 2 }] };
const disk = { queues: 2, tenants: { t: { threads: 4, depth: 4, reads: 0.5 } } };

/** Levels, and scenarios in which keys of theirs are tried. */
const LEVELS: readonly (readonly [string, Path, readonly object[]])[] = [
  [
    'scenario',
    [],
    [
      { ...base, load: [busy] },
      { ...base, load: [busy], policies: ['mac-hash:queues=2,stage=cpu'], workers: '0-1' },
      { ...base, load: [busy], policies: ['rss:queues=4'] },
    ],
  ],
  [
    'host.cpus',
    ['host', 'cpus'],
    [
      { ...base, ...two, nics: { eth0: { queues: 4, irqs: '0-3' } }, load: [busy] },
      { ...base, ...two, nics: { eth0: { queues: 4, irqs: '0+4+2+6' } }, load: [busy] },
      guestOf('vhost-tap', { workerCpus: '1', cpus: '0' }),
    ],
  ],
  [
    'softirq',
    ['host', 'softirq'],
    [
      {
        ...base,
        nics: { eth0: {}, eth1: {} },
        load: [
          { ...busy, rate: 7e5 },
          { ...busy, rate: 7e5, nic: 'eth1' },
        ],
      },
      {
        ...base,
        load: [{ ...busy, rate: 1.4e6 }],
        host: { ...base.host, apps: [{ kind: 'sink', cpus: '0' }] },
      },
      {
        ...base,
        load: [{ ...busy, rate: 1.4e6, elephants: 1, elephantShare: 0.9 }],
        host: { ...base.host, softirq: { flowLimitCpus: '1', maxBacklog: 40 } },
        nics: { eth0: { ring: 4096, rps: { cpus: '1' } } },
      },
    ],
  ],
  [
    'nic',
    ['nics', 'eth0'],
    [
      { ...base, ...two, nics: { eth0: { queues: 2, irqs: '0-1' } }, load: [{ ...busy, bytes: 1500 }] },
      { ...base, ...two, nics: { eth0: { moderationUs: 50 } }, load: [{ kind: 'closed', clients: 50 }] },
      {
        ...base,
        nics: { eth0: {} },
        policies: ['rss:queues=2,stage=cpu'],
        load: [{ ...busy, arrival: 'bursts' }],
      },
    ],
  ],
  [
    'rps',
    ['nics', 'eth0', 'rps'],
    [
      { ...base, nics: { eth0: { rps: { cpus: '1-3' } } }, load: [busy] },
      { ...base, nics: { eth0: { rps: { cpus: '1-3', flows: 4, sockEntries: 4 } } }, load: [busy] },
      {
        ...base,
        nics: { eth0: { queues: 2, irqs: '0-1', rps: { cpus: '1-3', flows: 512, sockEntries: 512 } } },
        load: [busy],
      },
    ],
  ],
  [
    'transmit',
    ['nics', 'eth0', 'transmit'],
    [
      {
        ...base,
        nics: { eth0: { transmit: { queues: 2 } } },
        host: { ...base.host, apps: [{ kind: 'send', threads: 4, flows: 4, workNs: 0 }] },
      },
      {
        ...base,
        nics: { eth0: { transmit: { qdisc: true } } },
        host: { ...base.host, apps: [{ kind: 'send', threads: 4, flows: 4, workNs: 0 }] },
      },
    ],
  ],
  ...(['echo', 'sink', 'send', 'forward', 'drop', 'ping', 'ipi', 'block'] as const).map((kind) => {
    const wanted =
      kind === 'echo' ? { kind: 'closed', clients: 40, bytes: 200 } : { ...busy, rate: 900_000, bytes: 200 };
    const takes = ['echo', 'sink', 'forward', 'drop'].includes(kind);
    const own = (more: object = {}) => ({
      kind,
      ...(takes || kind === 'send' ? {} : { threads: 2 }),
      ...more,
    });
    const scenario = (more: object = {}): ScenarioInput => {
      if (kind === 'block') {
        return {
          ...guestOf('vhost-scsi', { queues: 1, apps: [own({ deviceUs: 5, ...more })] }),
          load: [],
        } as ScenarioInput;
      }
      const load = takes ? [wanted] : [];
      return { ...base, host: { cpus: { cores: 4 }, apps: [own(more)] }, load } as ScenarioInput;
    };
    const place: Path = kind === 'block' ? ['guests', 'vm', 'apps', 0] : ['host', 'apps', 0];
    const interfering = { costs: { base: 'modern', interference: 0.05 } };
    return [
      `application ${kind}`,
      place,
      [
        { ...scenario(), ...interfering },
        ...(kind === 'echo' || kind === 'sink'
          ? [
              scenario({ threads: 4, wake: 'affine' }),
              scenario({ socket: 2, workNs: 9000, threads: 1 }),
              { ...scenario(), nics: { eth0: { rps: { cpus: '1-3' } } } },
            ]
          : []),
        ...(kind === 'send'
          ? [
              scenario({ threads: 9, rate: 50_000, wake: 'idle' }),
              scenario({ threads: 9, rate: 50_000 }),
              ...(['home', 'idle'] as const).map((wake) => ({
                ...{ ...base, load: [{ ...busy, app: 's' }] },
                host: {
                  cpus: { cores: 4 },
                  apps: [own({ threads: 2, rate: 90_000, wake }), { name: 's', kind: 'sink', cpus: '0' }],
                },
              })),
              { ...guestOf('vhost-tap'), load: [], host: { ...two.host, apps: [own()] } },
            ]
          : []),
        ...(kind === 'forward' ? [scenario({ switch: 'ovs' })] : []),
        ...(kind === 'ping' || kind === 'block'
          ? [scenario({ wake: 'affine', threads: 9 }), scenario({ threads: 9 })]
          : []),
      ] as ScenarioInput[],
    ] as const;
  }),
  ...(['qemu-virtio', 'qemu-e1000', 'vhost-tap', 'vhost-macvtap', 'vhost-user', 'sriov'] as const).map(
    (path) =>
      [
        `path ${path}`,
        ['guests', 'vm'] as Path,
        [
          guestOf(path, answers),
          {
            ...guestOf(
              path,
              { queues: 1, ...(TAPS.includes(path) ? { tapLock: 'shared' } : {}) },
              { rate: 3e6 },
            ),
            nics: { eth0: { queues: 4, irqs: '0+1+4+5' } },
          },
          { ...guestOf(path, answers), costs: { base: 'modern', vethEnqueue: 300, vethCall: 900 } },
          guestOf(path, {}, { rate: 4e6 }),
          {
            ...guestOf(path, { apps: [{ kind: 'send', threads: 4, flows: 4, bytes: 900 }], ipis: 'exits' }),
            load: [],
          },
          guestOf(path, { rps: { cpus: '0-1' }, ...(path === 'sriov' ? {} : { workerCpus: '0-1' }) }),
        ],
      ] as const,
  ),
  [
    'path vhost-scsi',
    ['guests', 'vm'],
    [
      {
        ...guestOf('vhost-scsi', { guestPollUs: 40, apps: [{ kind: 'block', threads: 4, deviceUs: 5 }] }),
        load: [],
      } as ScenarioInput,
      {
        ...guestOf('vhost-scsi', { apps: [{ kind: 'block', threads: 4, depth: 300, deviceUs: 5 }] }),
        load: [],
      } as ScenarioInput,
      {
        ...guestOf('vhost-scsi', { apps: [{ kind: 'block', threads: 4, deviceUs: 5 }] }),
        load: [],
      } as ScenarioInput,
      {
        ...guestOf('vhost-scsi', {
          ...{ vcpus: 3, queues: 1, rps: { cpus: '0-2' } },
          apps: [{ kind: 'block', threads: 3, depth: 8, deviceUs: 5 }],
        }),
        load: [],
      } as ScenarioInput,
    ],
  ],
  [
    'registers',
    ['guests', 'vm', 'registers'],
    [guestOf('qemu-e1000', { ...answers, registers: { receive: 3, transmit: 3 } }, { rate: 9000 })],
  ],
  [
    'guest transmit',
    ['guests', 'vm', 'transmit'],
    [
      {
        ...guestOf('vhost-tap', {
          vcpus: 4,
          apps: [{ kind: 'send', threads: 4, flows: 4 }],
          transmit: { queues: 2 },
        }),
        load: [],
      },
    ],
  ],
  [
    'load open',
    ['load', 0],
    [
      { ...base, ...two, load: [busy] },
      { ...base, load: [busy], nics: { eth0: { rps: { cpus: '1-3' } } } },
      {
        ...base,
        guests: { vm: {}, w: {} },
        nics: { eth0: {}, eth1: { irqs: '1' } },
        load: [{ ...busy, arrival: 'bursts', elephants: 1 }],
      },
      {
        ...base,
        load: [busy],
        host: { ...base.host, apps: [{ name: 'a' }, { name: 'b', workNs: 9000, kind: 'echo' }] },
      },
    ],
  ],
  [
    'load closed',
    ['load', 0],
    [
      { ...base, load: [{ kind: 'closed', clients: 4 }], nics: { eth0: { rps: { cpus: '1-3' } } } },
      { ...base, load: [{ kind: 'closed', clients: 4, thinkUs: 20 }] },
      { ...base, durationMs: 20, nics: { eth0: { ring: 1 } }, load: [{ kind: 'closed', clients: 100 }] },
    ],
  ],
  [
    'change',
    ['changes', 0],
    [
      { ...base, load: [busy], policies: ['rss:queues=4'], changes: [{ atMs: 0.5, policy: 'rss:queues=2' }] },
      {
        ...base,
        load: [busy],
        nics: { eth0: { rps: { cpus: '1' } } },
        changes: [{ atMs: 0.5, rpsCpus: '2' }],
      },
      {
        ...base,
        load: [busy],
        policies: ['rss:queues=4'],
        changes: [
          { atMs: 0.5, policy: 'rss:queues=2' },
          { atMs: 1.5, policy: 'rss:queues=3' },
        ],
      },
    ],
  ],
  [
    'rebalance',
    ['rebalance'],
    [
      {
        ...base,
        load: [{ ...busy, flows: 300, rate: 2e6, skew: 0.9 }],
        policies: ['rss:queues=4'],
        rebalance: { everyMs: 0.2, intervals: 1, threshold: 1.01, bound: 1.005, least: 1, gain: 0 },
      },
      { ...base, load: [{ ...busy, skew: 1.2 }], policies: ['rss:queues=4'], rebalance: { everyMs: 0.2 } },
    ],
  ],
  [
    'disk',
    ['disks', 'd'],
    [
      { ...base, load: [], disks: { d: disk } },
      { ...base, load: [], disks: { d: { ...disk, coalesceUs: 20, elevator: 'ticket' } } },
      { ...base, load: [], policies: ['rss:queues=2,stage=cpu'], disks: { d: disk } },
    ] as ScenarioInput[],
  ],
  [
    'tenant',
    ['disks', 'd', 'tenants', 't'],
    [
      { ...base, load: [], disks: { d: { ...disk, queues: 4, pollQueues: 1, writeQueues: 1, byteNs: 1 } } },
    ] as ScenarioInput[],
  ],
];

/** Keys that say something about a scenario or are read by others than the model. */
const SAYINGS = new Set(['name', 'about', 'published', 'warmupMs']);

/** Values that are worth trying. */
function values(schema: Schema): unknown[] {
  if (schema.anyOf !== undefined) return schema.anyOf.flatMap(values);
  if (schema.enum !== undefined) return [...schema.enum];
  if (schema.const !== undefined) return [schema.const];
  const { type, minimum = 0, maximum = 1e9 } = schema;
  if (type === 'boolean') return [true, false];
  if (type === 'integer') return [1, 2, 3, 8, 64, 1000, 0].filter((n) => n >= minimum && n <= maximum);
  if (type === 'number') return [0.25, 1, 5, 60, 2000, 0].filter((n) => n >= minimum && n <= maximum);
  if (type === 'array')
    return [
      '1',
      '0-1',
      '1+0',
      ['vm'],
      ['w'],
      [],
      [[0], [1]],
      [1],
      [{ kind: 'drop' }, { kind: 'send' }],
      [busy],
    ];
  if (type === 'string')
    return [
      'a',
      'b',
      'eth1',
      'vm',
      'rss:queues=2',
      'round-robin:queues=2',
      '5.10',
      'amd-2009',
      'least-loaded',
    ];
  return [
    {},
    { cpus: '0' },
    { queues: 1, lock: 'none' },
    { receive: 3, transmit: 4 },
    { weight: 1, budget: 1 },
    { everyMs: 0.1 },
    { x: { count: 2 } },
  ];
}

function schemaAt(path: Path): Schema {
  return path.reduce<Schema>((inner, part) => {
    const found =
      typeof part === 'number' ? inner.items : (inner.properties?.[part] ?? inner.additionalProperties);
    return found!;
  }, whole);
}

const at = (value: unknown, path: Path): Record<string, unknown> =>
  path.reduce<unknown>((inner, part) => {
    const object = inner as Record<string | number, unknown>;
    object[part] ??= {};
    return object[part];
  }, value) as Record<string, unknown>;

/** What comes out, without its digest (what goes in is part of that). */
function outcome(scenario: ScenarioInput): string {
  const { results } = simulate(scenario, { limit: false });
  return JSON.stringify(results.map(({ digest: _, ...rest }) => rest));
}

it.each(LEVELS)(
  '%s: every key that is accepted changes something',
  (level, path, written) => {
    const scenarios = written as readonly ScenarioInput[];
    const keys = Object.entries(schemaAt(path).properties!).filter(([key]) => !SAYINGS.has(key));
    const silent: string[] = [];
    const before = scenarios.map(outcome);
    for (const [key, schema] of keys) {
      let accepted = 0;
      const isFelt = scenarios.some((scenario, n) =>
        values(schema).some((value) => {
          const changed = structuredClone(scenario);
          at(changed, path)[key] = value;
          try {
            // As a file: another kind's key is refused even where it says its default.
            parseScenarioText(JSON.stringify(changed));
          } catch {
            return false;
          }
          if (JSON.stringify(parseScenario(changed)) === JSON.stringify(parseScenario(scenario)))
            return false;
          accepted++;
          try {
            return outcome(changed) !== before[n];
          } catch {
            // Refused when it is built, or while it runs: not silent.
            return true;
          }
        }),
      );
      if (accepted > 0 && !isFelt) silent.push(key);
    }
    expect(silent, level).toEqual([]);
  },
  120_000,
);
