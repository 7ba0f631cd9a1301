/** Keys that are stray, misspelt or another kind's: at every level of a scenario each is refused with its path. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { jsonSchemaOf } from '#rxsteer/policy/json-schema.js';
import { parseCosts, parseScenarioText } from '#rxsteer/simulate/scenario/parse.js';
import { scenarioSchema } from '#rxsteer/simulate/scenario/schema.js';

type Json = { [key: string]: Json | Json[] | string | number | boolean };
type Path = readonly (string | number)[];

/** A scenario with something at every level. */
const WHOLE: Json = {
  name: 'whole',
  durationMs: 1,
  costs: {
    base: 'modern',
    line: { core: 1 },
    copyByte: { local: 0.1 },
    lines: { ring: 1 },
    misses: { guest: 1 },
  },
  host: {
    cpus: { cores: 4, threads: 2, siblings: 'beside' },
    softirq: { flowLimitCpus: '0', flowLimitTable: 64 },
    apps: [{ name: 'a', kind: 'echo', replyBytes: 100 }],
  },
  nics: {
    eth0: {
      rps: { cpus: '0-1', flows: 64, sockEntries: 64 },
      transmit: { qdisc: true, limit: 100 },
    },
  },
  guests: {
    vm: {
      path: 'qemu-e1000',
      registers: { receive: 2 },
      softirq: { weight: 8 },
      rps: { cpus: '0' },
      transmit: { queues: 1 },
      apps: [{ kind: 'forward', switch: 'ovs' }],
    },
  },
  disks: { d: { queues: 2, tenants: { t: { depth: 4 } } } },
  load: [{ kind: 'open' }, { kind: 'closed', to: 'host' }],
  changes: [{ atMs: 1, policy: 'rss:queues=1' }],
  rebalance: { everyMs: 1 },
  published: { value: 1, figures: [{ of: 'events', value: 1 }] },
};

/** Paths of all objects. */
function objects(value: unknown, path: Path = []): Path[] {
  if (typeof value !== 'object' || value === null) return [];
  const inner = Object.entries(value).flatMap(([key, one]) =>
    objects(one, [...path, Array.isArray(value) ? Number(key) : key]),
  );
  return Array.isArray(value) ? inner : [path, ...inner];
}

const at = (value: Json, path: Path) => path.reduce((inner, part) => (inner as never)[part], value);
const text = (path: Path) =>
  path.map((part, i) => (typeof part === 'number' ? `[${part}]` : i > 0 ? `.${part}` : part)).join('');

/** What is said about a scenario; empty when nothing is wrong. */
function said(scenario: unknown): string {
  try {
    parseScenarioText(JSON.stringify(scenario), 'x.yaml');
  } catch (error) {
    return (error as Error).message;
  }
  return '';
}

/** Levels whose keys are names, which may be any. */
const NAMED = new Set(['nics', 'guests', 'disks', 'disks.d.tenants', 'published']);
const levels = objects(WHOLE).filter((path) => !NAMED.has(text(path)));

it('the scenario without mistakes is one', () => {
  expect(said(WHOLE)).toBe('');
  expect(levels.length).toBeGreaterThan(25);
});

it('a stray or misspelt key is refused at every level, with its path', () => {
  const word = fc.stringMatching(/^[a-z][A-Za-z]{2,12}Z$/);
  fc.assert(
    fc.property(fc.constantFrom(...levels), word, fc.nat(), fc.boolean(), (path, stray, n, isMisspelt) => {
      const scenario = structuredClone(WHOLE);
      const target = at(scenario, path) as Json;
      const own = Object.keys(target);
      const key = isMisspelt ? `${own[n % own.length]}Z` : stray;
      target[key] = 1;
      const where = path.length === 0 ? 'x.yaml: ' : `x.yaml: ${text(path)}: `;
      const message = said(scenario);
      expect(message).toContain(`${where}unknown key "${key}"`);
      expect(message).not.toContain('\n');
    }),
    { numRuns: 60 },
  );
  for (const path of levels) {
    const scenario = structuredClone(WHOLE);
    (at(scenario, path) as Json).strayKey = 1;
    expect(said(scenario), text(path)).toContain(`${text(path)}${path.length > 0 ? ': ' : ''}unknown key`);
  }
});

interface Schema {
  readonly properties?: Record<string, Schema>;
  readonly allOf?: readonly { if: { required: string[] }; then: Condition }[];
  readonly items?: Schema;
  readonly additionalProperties?: Schema;
  readonly anyOf?: readonly Schema[];
  readonly enum?: readonly (string | boolean)[];
  readonly const?: unknown;
  readonly type?: string;
  readonly default?: unknown;
  readonly minimum?: number;
}
interface Condition {
  readonly anyOf?: readonly Condition[];
  readonly allOf?: readonly Condition[];
  readonly properties?: Record<string, Schema>;
  readonly required?: readonly string[];
}

const whole = jsonSchemaOf(scenarioSchema) as Schema;

/** The schema of a part. */
function partOf(path: Path): Schema {
  return path.reduce<Schema>((inner, part) => {
    const found =
      typeof part === 'number' ? inner.items : (inner.properties?.[part] ?? inner.additionalProperties);
    return found!;
  }, whole);
}

/** A value that a key may have and that is not its default. */
function sampleOf(schema: Schema): unknown {
  const { type, minimum = 0, default: usual } = schema;
  if (schema.const !== undefined) return schema.const;
  if (schema.enum !== undefined) return schema.enum.find((value) => value !== usual) ?? schema.enum[0];
  if (type === 'boolean') return usual !== true;
  if (type === 'integer' || type === 'number') return Math.max(minimum, 1) + (usual === 1 ? 1 : 0);
  if (type === 'array') return '0';
  if (type === 'object') return {};
  if (schema.anyOf !== undefined) return sampleOf({ ...schema.anyOf[0]!, default: usual });
  return 'a';
}

/** Values of the key `by` beside which a condition can hold. */
function kindsOf(condition: Condition, by: string): readonly unknown[] {
  if (condition.anyOf !== undefined) return condition.anyOf.flatMap((one) => kindsOf(one, by));
  return (condition.allOf ?? []).flatMap((one) => one.properties?.[by]?.enum ?? []);
}

describe('a key of another kind is refused, with its path, whatever it says', () => {
  const levelsByKind: [string, Path, string, Json][] = [
    ['load', ['load', 0], 'kind', { load: [{}] }],
    ['application', ['host', 'apps', 0], 'kind', { host: { apps: [{}] } }],
    ['application of a guest', ['guests', 'vm', 'apps', 0], 'kind', { guests: { vm: { apps: [{}] } } }],
    ['path', ['guests', 'vm'], 'path', { guests: { vm: {} } }],
  ];
  it.each(levelsByKind)('%s', (_, path, by, base) => {
    const schema = partOf(path);
    const kinds = schema.properties![by]!.enum!;
    let tried = 0;
    for (const { if: condition, then } of schema.allOf!) {
      const [key] = condition.required as [string];
      const right = kindsOf(then, by);
      if (right.length === 0) continue;
      const property = schema.properties![key]!;
      for (const kind of kinds.filter((one) => !right.includes(one))) {
        for (const value of [sampleOf(property), property.default]) {
          if (value === undefined) continue;
          const scenario = structuredClone(base);
          Object.assign(at(scenario, path) as Json, { [by]: kind, [key]: value });
          const message = said(scenario);
          expect(message).toMatch(/: goes with (kind|path) [^\n]*$/);
          expect(message).toContain(`x.yaml: ${text([...path, key])}=`);
          expect(message).toContain(`, not ${kind}`);
          tried++;
        }
      }
    }
    expect(tried).toBeGreaterThan(20);
  });
});

describe('a key without what it depends on is refused', () => {
  const cases: [Json, string][] = [
    [{ load: [{ burst: 8 }] }, 'load[0].burst=8: goes with arrival bursts, not poisson'],
    [
      { load: [{ elephantShare: 0.9 }] },
      'load[0].elephantShare=0.9: goes with elephants of at least 1, not 0',
    ],
    [
      { load: [{ kind: 'closed', mirror: true, thinkUs: 5 }] },
      'load[0].thinkUs=5: goes with mirror false, not true',
    ],
    [
      { nics: { a: { rps: { cpus: '0', flows: 64 } } } },
      'nics.a.rps.flows=64: goes with sockEntries, which is missing',
    ],
    [
      { nics: { a: { transmit: { busylock: false } } } },
      'nics.a.transmit.busylock=false: goes with qdisc true',
    ],
    [
      { nics: { a: { moderationPackets: 8 } } },
      'nics.a.moderationPackets=8: goes with moderationUs of at least',
    ],
    [{ guests: { vm: { transmit: { qdisc: true } } } }, 'guests.vm.transmit: unknown key "qdisc"'],
    [
      { guests: { vm: { workerWake: 'idle', workerCpus: '0' } } },
      'guests.vm.workerWake="idle": does not go with workerCpus',
    ],
    [
      { guests: { vm: { path: 'sriov', interrupts: 'posted', workerCpus: '0' } } },
      'guests.vm.workerCpus="0": goes with interrupts relayed, not posted',
    ],
    [
      { host: { apps: [{ wake: 'idle', affinity: 0.5 }] } },
      'host.apps[0].affinity=0.5: goes with wake affine, not idle',
    ],
    [
      { changes: [{ atMs: 1, rollback: true, budget: 5 }] },
      'changes[0].budget=5: goes with policy, which is missing',
    ],
    [{ variation: 'none', spread: 0.5 }, 'spread=0.5: goes with variation uniform, not none'],
  ];
  it.each(cases)('%j', (scenario, message) => {
    expect(said(scenario)).toContain(`x.yaml: ${message}`);
  });

  it('but not one that says what holds anyway', () => {
    expect(said({ nics: { a: { transmit: { qdisc: false, busylock: true } } } })).toBe('');
    expect(said({ variation: 'none', spread: 0.3 })).toBe('');
  });
});

it('costs refuse a stray key at every level', () => {
  const refuse = (costs: Json, message: string) => expect(() => parseCosts(costs, 'c.yaml')).toThrow(message);
  refuse({ steeer: 1 }, 'c.yaml: unknown key "steeer": did you mean steer?');
  refuse({ line: { near: 1 } }, 'c.yaml: line: unknown key "near"');
  refuse({ copyByte: { core: 1 } }, 'c.yaml: copyByte: unknown key "core"');
  refuse({ lines: { ringg: 1 } }, 'c.yaml: lines: unknown key "ringg": did you mean ring?');
  refuse({ base: 'modern', misses: { receive: 1, node: 2 } }, 'c.yaml: misses: unknown key "node"');
});
