/**
 * `rxsteer schema`: an independent validator and the parser agree about configurations, those that are right and those
 * that are nearly so; the file in examples/ is what is printed.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { Ajv2020 } from 'ajv/dist/2020.js';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { forwardJsonSchema, parseConfig } from '#rxsteer/cli/forward-config.js';
import { SCHEMA_NAMES } from '#rxsteer/cli/schema.js';
import { policyJsonSchema } from '#rxsteer/policy/json-schema.js';
import { POLICY_NAMES, type PolicyName, schemas } from '#rxsteer/policy/spec.js';
import { rxsteer } from './run.js';

const ajv = new Ajv2020({ strict: false });
const schema = forwardJsonSchema();
const validate = ajv.compile(schema);
const validatePolicy = ajv.compile({ ...policyJsonSchema() });
const examples = new URL('../../examples/', import.meta.url);

/** What parsing says of the parts that a schema can speak of. */
function parses(document: unknown): boolean {
  try {
    const { policy } = parseConfig(document, 'test');
    return typeof policy === 'object' ? parsesPolicy(policy) : true;
  } catch {
    return false;
  }
}

function parsesPolicy(policy: Record<string, unknown>): boolean {
  const { policy: first, name, ...rest } = policy;
  const chosen = first === undefined ? name : first;
  if (typeof chosen !== 'string' || !Object.hasOwn(schemas, chosen)) return false;
  return schemas[chosen as PolicyName].safeParse({ ...rest, policy: chosen }).success;
}

const junk = fc.oneof(
  fc.constantFrom(
    null,
    true,
    false,
    '',
    'x',
    '0',
    '1',
    '3',
    '2+5',
    '1-4',
    '1,2',
    '-1',
    '1.5',
    [],
    {},
    [1],
    ['a'],
    [[]],
  ),
  fc.constantFrom(
    -1,
    0,
    1,
    2,
    3,
    4,
    7,
    8,
    63,
    64,
    255,
    256,
    257,
    1023,
    1024,
    4096,
    4097,
    65536,
    65537,
    1.5,
    6.18,
    2 ** 33,
  ),
  fc.constantFrom(
    'on',
    'off',
    'nic',
    'cpu',
    'linux',
    'strict',
    'xor',
    'ipv4+tcp-ipv4',
    '8x2',
    '02:00:00:00:00:01',
  ),
  fc.constantFrom({ '0': 1 }, { a: 1 }, { a: 'x' }, { '02:00:00:00:00:01': 1 }, [
    { mac: '02:00:00:00:00:01', worker: 1 },
  ]),
  fc.constantFrom(
    [{ mac: 'x', worker: 1, cpu: 2 }],
    [{ mac: 'x' }],
    { x: { worker: 2, vlan: 5 } },
    { x: {} },
    [1, 1],
  ),
);

/** Every key that some document has, with any value. */
const documents = fc.tuple(
  fc.constantFrom(
    ...Object.keys((schema as { properties: object }).properties).filter((key) => key !== 'policy'),
  ),
  junk,
  fc.boolean(),
);
const policies = fc
  .constantFrom(...POLICY_NAMES)
  .chain((name) =>
    fc.tuple(
      fc.constant(name),
      fc.constantFrom(...Object.keys(schemas[name].shape), 'nonsense', 'name'),
      junk,
      fc.constantFrom('policy', 'name'),
    ),
  );

describe('the JSON Schema and the parser', () => {
  it('agree about every key of a configuration, whatever its value', () => {
    fc.assert(
      fc.property(documents, ([key, value, isMore]) => {
        const document = {
          ports: ['a=memory:source', 'b=memory:sink'],
          [key]: value,
          ...(isMore ? { nonsense: 1 } : {}),
        };
        expect([document, validate(document)]).toEqual([document, parses(document)]);
      }),
      { numRuns: 2000 },
    );
  });

  it('agree about every key of every policy', () => {
    fc.assert(
      fc.property(policies, ([name, key, value, by]) => {
        const needed =
          name === 'rps' || name === 'rfs' ? { cpus: [0] } : name === 'js' ? { file: 'x.mjs' } : {};
        const policy: Record<string, unknown> = { ...needed, [by]: name };
        if (key !== by) policy[key] = value;
        expect([policy, validatePolicy(policy)]).toEqual([policy, parsesPolicy(policy)]);
        expect(validate({ policy })).toBe(validatePolicy(policy));
      }),
      { numRuns: 2000 },
    );
  });

  it('agree about what is no object, no policy, no list', () => {
    for (const document of [
      null,
      1,
      'x',
      [],
      {},
      { policy: {} },
      { policy: 3 },
      { policy: { policy: 'rsss' } },
    ]) {
      expect([document, validate(document)]).toEqual([document, parses(document)]);
    }
    for (const text of ['rss', ' rss ', 'rss:queues=4', '@file.yaml', 'mac-hash'])
      expect(validatePolicy(text)).toBe(true);
    for (const text of ['', 'rsss', 'rssx:queues=4', '@']) expect(validatePolicy(text)).toBe(false);
  });
});

describe('rxsteer schema', () => {
  it('prints what the program parses by; the one in examples/ is the same', async () => {
    for (const name of SCHEMA_NAMES) {
      const { code, stdout } = await rxsteer(['schema', name]);
      expect(code).toBe(0);
      expect(ajv.validateSchema(JSON.parse(stdout))).toBe(true);
    }
    const { stdout } = await rxsteer(['schema', 'forward']);
    expect(stdout).toBe(readFileSync(new URL('forward.schema.json', examples), 'utf8'));
  });

  it('permits the examples', () => {
    const names = readdirSync(examples).filter((name) => name.endsWith('.yaml'));
    expect(names.length).toBeGreaterThanOrEqual(5);
    for (const name of names) {
      const text = readFileSync(new URL(name, examples), 'utf8');
      expect(text).toMatch(/^# yaml-language-server: \$schema=\.\/forward\.schema\.json\n/);
      expect([name, validate(parse(text)), validate.errors]).toEqual([name, true, null]);
    }
  });

  it('knows two names', async () => {
    expect(await rxsteer(['schema', 'forwrd'])).toEqual({
      code: 2,
      stdout: '',
      stderr: 'rxsteer: unknown schema "forwrd": did you mean forward? known: forward, policy\n',
    });
  });
});
