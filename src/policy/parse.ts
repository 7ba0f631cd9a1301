/**
 * From what the user wrote to a validated policy.
 *
 * Promise: `NAME`, `NAME:key=value,…`, an object, or `@FILE` (YAML or JSON) with either; the result went through
 * its schema. Everything else is a UserError of one line that names the place and what is permitted there.
 */

import { hasControl, inArea, UserError, unknownName } from '../errors.js';
import { shorten } from '../hash/hex.js';
import type { Implementation } from '../hash/kernel.js';
import { parseMac } from '../mac/address.js';
import { NIC_NAMES, nicIdOf } from '../nic/profiles.js';
import { type FilesAllowed, readTextFile } from '../text-file.js';
import type { z } from '../vendor/zod.js';
import { checkNesting, parseYaml } from '../yaml-text.js';
import { compilePolicy } from './compile.js';
import { withEthtool } from './from-ethtool.js';
import {
  defaultOrder,
  defaultStage,
  POLICY_NAMES,
  type PolicyContext,
  type PolicyName,
  type PolicySpec,
  schemas,
} from './spec.js';
import { commonKeys, parseNumberList, WORKER_MAX } from './values.js';

/** Where a policy is used, and with how many workers. */
export interface ParseOptions {
  /** Whose defaults of order and stage hold; default `model` (replay, explain, the library). */
  readonly command?: string;
  /** Number of workers, where it is known: the policy is then checked against it. */
  readonly workers?: number;
  /** Which code hashes, where the policy does not say. @see CompileOptions.kernels */
  readonly implementation?: Implementation;
  /** Which files a policy may name: in a running forwarder `regular`, since a pipe would be waited for. Default `pipes`. */
  readonly files?: FilesAllowed;
}

/**
 * @param given a policy string, `@FILE`, or the object form; objects name the policy with `policy` (or `name`).
 * @throws UserError
 */
export function parsePolicy(given: string | object, options: ParseOptions = {}): PolicySpec {
  return inArea('RXS_POLICY', () => parseChecked(given, options));
}

function parseChecked(given: string | object, options: ParseOptions): PolicySpec {
  const context: PolicyContext = options.command === 'forward' ? 'forward' : 'model';
  const { files = 'pipes' } = options;
  const read = parseGiven(given, files);
  const parsed = read.policy === 'rss' ? withEthtool(read as RssParsed, files) : read;
  const spec = {
    ...withImplementation(parsed, options.implementation),
    order: parsed.order ?? defaultOrder(parsed.policy, context),
    stage: parsed.stage ?? defaultStage(parsed.policy, context),
  } as PolicySpec;
  if (options.workers !== undefined) compilePolicy(spec, { workers: options.workers });
  return spec;
}

/** CPU ids of `0-1+3` (or `0-1,3`, where no policy string is around it). @throws UserError */
export function parseCpuList(place: string, text: string): number[] {
  const cpus = parseNumberList(text.replaceAll(',', '+'), place);
  const high = cpus.find((cpu) => cpu > WORKER_MAX);
  if (high !== undefined) throw new UserError(`${place}: CPU ${high}: CPU ids go to ${WORKER_MAX}`);
  return cpus;
}

type RssParsed = Parameters<typeof withEthtool>[0];

/** A policy that went through its schema; order and stage only where the user said so. */
type Parsed = Omit<PolicySpec, 'order' | 'stage'> & Partial<Pick<PolicySpec, 'order' | 'stage'>>;

/** @throws UserError for `native` where the policy has no hash of that kind */
function withImplementation(parsed: Parsed, wanted: Implementation | undefined): Parsed {
  if (wanted === undefined || wanted === 'auto') return parsed;
  if (!keysOf(parsed.policy).includes('implementation')) {
    if (wanted === 'table') return parsed;
    const able = POLICY_NAMES.filter((name) => keysOf(name).includes('implementation'));
    throw new UserError(`policy ${parsed.policy}: implementation: native: goes with ${able.join(', ')}`);
  }
  return { implementation: wanted, ...defined(parsed) } as Parsed;
}

function defined<T extends object>(value: T): T {
  return Object.fromEntries(Object.entries(value).filter(([, given]) => given !== undefined)) as T;
}

function parseGiven(given: string | object, files: FilesAllowed): Parsed {
  if (typeof given !== 'string') {
    checkNesting(given, 'policy');
    return parseObject(given, JSON.stringify(given), 'policy');
  }
  const text = plainText(given, 'policy');
  if (text.startsWith('@')) return parseFile(text, files);
  return parseText(text, text);
}

/** A policy string in one line. @throws UserError for characters that would do something to a terminal. */
function plainText(given: string, place: string): string {
  const text = given.trim().replace(/\s+/g, ' ');
  if (hasControl(text)) throw new UserError(`${place} ${shorten(text)}: it holds a control character`);
  return text;
}

function parseFile(text: string, files: FilesAllowed): Parsed {
  const path = text.slice(1);
  const place = `policy file ${path}`;
  const value = parseYaml(readTextFile(path === '-' ? 0 : path, place, files), place);
  if (typeof value === 'string') return parseText(plainText(value, place), text);
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new UserError(`${place}: an object with "policy: NAME" or a policy string is needed`);
  }
  return parseObject(value, text, place);
}

function parseText(policy: string, text: string): Parsed {
  const colon = policy.indexOf(':');
  const name = colon < 0 ? policy : policy.slice(0, colon);
  checkName(name);
  if (name === 'js') return parseJs(colon < 0 ? '' : policy.slice(colon + 1), text);
  const value: Record<string, unknown> = { policy: name };
  if (colon >= 0) {
    let before = '';
    const pairs = policy.slice(colon + 1).split(',');
    for (const [at, pair] of pairs.entries()) {
      const equals = pair.indexOf('=');
      if (equals < 0 && before !== '') throw listProblem(name, pairs, at);
      if (equals < 1) {
        const keys = keysOf(name).join(', ');
        throw new UserError(`policy ${name}: "${shorten(pair)}" is not key=value; keys: ${keys}`);
      }
      const key = pair.slice(0, equals).trim();
      // Before it is set: `__proto__` sets something else.
      if (!keysOf(name).includes(key)) throw unknownName(`key of policy ${name}`, key, keysOf(name));
      if (Object.hasOwn(value, key)) throw new UserError(`policy ${name}: ${key} is given twice`);
      value[key] = pair.slice(equals + 1).trim();
      before = key;
    }
  }
  return validate(name, value, text, `policy ${name}`);
}

/** A list that was written with commas, which end a value: `pairs[at]` is its second member. */
function listProblem(name: string, pairs: readonly string[], at: number): UserError {
  let end = at;
  while (end < pairs.length && !pairs[end]!.includes('=')) end++;
  const list = pairs.slice(at - 1, end).map((part) => part.trim());
  return new UserError(
    `policy ${name}: "${shorten(list.join(','))}": a comma ends a value; lists use +, ranges -: ${shorten(list.join('+'))}`,
  );
}

/** `FILE`, then key=value pairs: the common keys are ours, the rest is for the module. */
function parseJs(rest: string, text: string): Parsed {
  const [file = '', ...pairs] = rest.split(',');
  const value: Record<string, unknown> = { policy: 'js', file };
  const options: Record<string, string> = {};
  for (const pair of pairs) {
    const equals = pair.indexOf('=');
    if (equals < 1) throw new UserError(`policy js: "${shorten(pair)}" is not key=value`);
    const key = pair.slice(0, equals).trim();
    const isCommon = Object.hasOwn(commonKeys, key);
    if (key === '__proto__') throw new UserError(`policy js: ${key} is no name for an option`);
    if (Object.hasOwn(isCommon ? value : options, key))
      throw new UserError(`policy js: ${key} is given twice`);
    (isCommon ? value : options)[key] = pair.slice(equals + 1).trim();
  }
  return validate('js', { ...value, options }, text, 'policy js');
}

function parseObject(given: object, text: string, place: string): Parsed {
  const { policy, name, ...rest } = given as Record<string, unknown>;
  const chosen = policy === undefined ? name : policy;
  if (typeof chosen !== 'string') {
    throw new UserError(`${place}: "policy" is missing: one of ${POLICY_NAMES.join(', ')}`);
  }
  checkName(chosen);
  const where = place === 'policy' ? `policy ${chosen}` : place;
  return validate(chosen, { ...rest, policy: chosen }, text, where);
}

function checkName(name: string): asserts name is PolicyName {
  if (!Object.hasOwn(schemas, name)) throw unknownName('policy', name, POLICY_NAMES);
}

/** Keys that a policy takes, without its name. */
function keysOf(name: PolicyName): string[] {
  return Object.keys(schemas[name].shape).filter((key) => key !== 'policy');
}

function validate(name: PolicyName, value: object, text: string, place: string): Parsed {
  const result = schemas[name].safeParse(value);
  if (!result.success) {
    // A misspelt key says more than the key that is missing because of it.
    const { issues } = result.error;
    throw describe(issues.find(({ code }) => code === 'unrecognized_keys') ?? issues[0]!, name, value, place);
  }
  const spec = { ...result.data, text } as PolicySpec;
  if (spec.policy === 'rss' || spec.policy === 'pools') return withNic(spec) as Parsed;
  if (spec.policy === 'mac') {
    spec.owners.forEach(({ mac }, index) => void parseMac(mac, `${place}: owners[${index}].mac`));
  }
  return spec;
}

/** A driver's name becomes that of its NIC. */
function withNic<T extends { readonly nic?: string }>(spec: T): T {
  if (spec.nic === undefined) return spec;
  const id = nicIdOf(spec.nic);
  if (id === undefined) throw unknownName('NIC', spec.nic, NIC_NAMES);
  return id === spec.nic ? spec : { ...spec, nic: id };
}

/** One line for the first thing that is wrong. */
function describe(issue: z.core.$ZodIssue, name: PolicyName, value: object, place: string): UserError {
  if (issue.code === 'unrecognized_keys' && issue.path.length === 0) {
    return unknownName(`key of policy ${name}`, issue.keys[0]!, keysOf(name));
  }
  const path = issue.path.map((part, i) =>
    typeof part === 'number' ? `[${part}]` : i > 0 ? `.${String(part)}` : String(part),
  );
  const wrong = issue.path.reduce<unknown>(
    (inner, part) => (inner as Record<PropertyKey, unknown> | undefined)?.[part],
    value,
  );
  const top = (value as Record<PropertyKey, unknown>)[issue.path[0]!];
  const shown = typeof top === 'string' ? top : wrong;
  if (shown === undefined)
    return new UserError(`${place}: ${path.join('')} is missing: expected ${issue.message}`);
  const quoted = typeof shown === 'string' ? `"${shorten(shown)}"` : shorten(JSON.stringify(shown));
  const at = typeof top === 'string' ? String(issue.path[0]) : path.join('');
  return new UserError(`${place}: ${at}=${quoted}: expected ${issue.message}`);
}
