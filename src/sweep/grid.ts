/**
 * The grid of a sweep: captures x policies x NICs x queue counts x keys x other options x seeds, as cells.
 *
 * Promise: an axis applies to the policies that have such a key (seeds: where something is drawn); for the others it
 * counts once, so no cell is computed twice. Each cell has a key that names everything its result depends on (content
 * of the capture, the validated policy, the clock, which packets count): the same cell of another run, or machine, has
 * the same key. Cells that a NIC cannot have (32 queues where RSS reaches 16) are left out with the reason; whatever
 * else is wrong with a policy is a UserError.
 */
import { createHash } from 'node:crypto';
import { closeSync, constants, fstatSync, openSync, readSync } from 'node:fs';
import { fileProblem } from '../capture/format.js';
import { NicLimit, UserError, unknownName } from '../errors.js';
import { compilePolicy } from '../policy/compile.js';
import { splitLabel } from '../policy/label.js';
import { policyIdentity, unfoldPolicy } from '../policy/named-file.js';
import { parsePolicy } from '../policy/parse.js';
import { type PolicyName, type PolicySpec, schemas } from '../policy/spec.js';
import type { PacketChoice } from '../replay/choice.js';
import { drawsAnything } from './draws.js';

/** What is swept; an empty axis is left to the policies. */
export interface SweepGrid {
  readonly captures: readonly string[];
  readonly policies: readonly (string | object)[];
  readonly nics: readonly string[];
  readonly queues: readonly number[];
  readonly keys: readonly string[];
  readonly seeds: readonly number[];
  /** Where captures that are named by an address are kept here. */
  readonly files?: Readonly<Record<string, string>>;
  /** Any other option of policies, by its key, with the values that it takes in policy strings. */
  readonly vary?: Readonly<Record<string, readonly string[]>>;
  /** Which packets count, as replay takes it. */
  readonly choice?: PacketChoice;
  /** Workers of every policy; null: the policies' own, or the queue count. */
  readonly workers: number | null;
  /** Clock and service model, as replay takes them. */
  readonly speed: number;
  readonly gapUs: number;
  readonly model: string | null;
  readonly apps: string | null;
}

/** One replay of one capture under one policy. */
export interface SweepCell {
  /** Stable name: 32 hex digits. */
  readonly key: string;
  readonly capture: string;
  /** Where it is here: the same, but for captures that are named by an address. */
  readonly file: string;
  /** Bytes of the capture. */
  readonly size: number;
  /** As replay takes it. */
  readonly policy: string | object;
  /** The same for people. */
  readonly text: string;
  readonly nic: string | null;
  readonly queues: number | null;
  readonly hashKey: string | null;
  /** Null where seeds are swept and the policy draws nothing. */
  readonly seed: number | null;
  /** The policy as it was given, before any axis; its label, where it has one. */
  readonly base: string;
  /** Other options that the sweep set. */
  readonly options: Readonly<Record<string, string>>;
  readonly workers: number | null;
}

/** The cells, and what was left out and why. */
export interface SweepPlan {
  readonly cells: readonly SweepCell[];
  readonly skipped: readonly string[];
}

/** Cells at most: more are a mistake. */
export const CELLS_MAX = 100_000;
/** Bytes at each end of a capture by which its content is known, with its size. */
const FINGERPRINT_BYTES = 65_536;

/** Name of the policy of a string or object that is no file. */
function nameOf(policy: string | object): string {
  if (typeof policy === 'string') return policy.split(':')[0]!.trim();
  const { policy: name, name: other } = policy as Record<string, unknown>;
  return String(name ?? other ?? '');
}

function has(policy: string | object, key: string): boolean {
  if (typeof policy === 'object') return Object.hasOwn(policy, key);
  return policy
    .slice(policy.indexOf(':') + 1)
    .split(',')
    .some((pair) => policy.includes(':') && pair.split('=')[0]!.trim() === key);
}

function put(policy: string | object, key: string, value: string | number): string | object {
  if (typeof policy === 'object') return { ...policy, [key]: value };
  return `${policy}${policy.includes(':') ? ',' : ':'}${key}=${value}`;
}

/** Axes with flags of their own. */
const OWN_AXES: readonly string[] = ['nic', 'queues', 'key', 'seed'];

/** The policy key that an axis sets; 'workers' where the number of workers is set instead; null where it has none. */
function keyOfAxis(axis: string, policy: string | object): string | null {
  const name = nameOf(policy);
  const shape = schemas[name as PolicyName]?.shape ?? {};
  if (axis === 'seed') return drawsAnything(specOf(policy)) ? 'seed' : null;
  if (axis === 'queues' && !Object.hasOwn(shape, 'queues')) {
    if (Object.hasOwn(shape, 'cpus')) return 'cpus';
    return name === 'mac' || name === 'js' || name === 'round-robin' ? 'workers' : null;
  }
  if (axis === 'key' && Object.hasOwn(shape, 'cpus')) {
    const spec = parsePolicy(has(policy, 'cpus') ? policy : put(policy, 'cpus', 0)) as { hash?: string };
    if (spec.hash !== 'toeplitz') return null;
  }
  // A user's module takes what it likes.
  if (name === 'js' && !OWN_AXES.includes(axis)) return axis;
  return Object.hasOwn(shape, axis) ? axis : null;
}

/** The policy as far as it is known; a CPU list that no axis gave is no matter of seeds. */
function specOf(policy: string | object): PolicySpec {
  const shape = schemas[nameOf(policy) as PolicyName].shape;
  return parsePolicy(Object.hasOwn(shape, 'cpus') && !has(policy, 'cpus') ? put(policy, 'cpus', 0) : policy);
}

interface Variant {
  policy: string | object;
  base: string;
  nic: string | null;
  queues: number | null;
  hashKey: string | null;
  options: Record<string, string>;
  seed: number | null;
  workers: number | null;
}

/** A policy for people. */
function shownOf(policy: string | object): string {
  return typeof policy === 'string' ? policy : JSON.stringify(policy);
}

/** All values of an axis applied to a policy; itself where the axis is empty or does not apply. */
function vary<T extends string | number>(
  from: readonly Variant[],
  axis: string,
  values: readonly T[],
  note: (value: T, variant: Variant) => Partial<Variant>,
): Variant[] {
  if (values.length === 0) return [...from];
  return from.flatMap((variant) => {
    const key = keyOfAxis(axis, variant.policy);
    if (key === null) return [variant];
    if (key !== 'workers' && has(variant.policy, key)) {
      throw new UserError(
        `policy ${shownOf(variant.policy)}: sets ${key}, and so does the sweep: leave one of them out`,
      );
    }
    return values.map((value) => {
      const noted = { ...variant, ...note(value, variant) };
      if (key === 'workers') return { ...noted, workers: Number(value) };
      const given = key === 'cpus' ? `0-${Number(value) - 1}` : value;
      return { ...noted, policy: put(variant.policy, key, given) };
    });
  });
}

/** The axes of other options. @throws UserError for a key that no policy of the grid has */
function varyOptions(from: readonly Variant[], axes: Readonly<Record<string, readonly string[]>>): Variant[] {
  let variants = [...from];
  for (const [key, values] of Object.entries(axes)) {
    if (OWN_AXES.includes(key)) {
      throw new UserError(
        `vary: ${key} has an axis: nics, queues, keys and seeds (--${key === 'key' ? 'keys' : key === 'queues' ? key : `${key}s`})`,
      );
    }
    if (!from.some(({ policy }) => keyOfAxis(key, policy) !== null)) {
      const known = new Set(
        from.flatMap(({ policy }) => Object.keys(schemas[nameOf(policy) as PolicyName].shape)),
      );
      for (const own of [...OWN_AXES, 'policy']) known.delete(own);
      throw unknownName('key of vary', key, [...known]);
    }
    variants = vary(variants, key, values, (value, { options }) => ({
      options: { ...options, [key]: value },
    }));
  }
  return variants;
}

/** Size of a capture, and a digest of its size and both ends. @throws UserError */
export function fingerprint(path: string): { size: number; digest: string } {
  if (path === '-')
    throw new UserError('a sweep reads captures several times: standard input (-) will not do');
  let fd: number;
  try {
    fd = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
  } catch (error) {
    throw fileProblem(path, error);
  }
  try {
    const stats = fstatSync(fd);
    if (!stats.isFile() && !stats.isDirectory()) {
      throw new UserError(`${path}: a sweep reads captures several times: a regular file is needed`);
    }
    const { size } = stats;
    const bytes = new Uint8Array(FINGERPRINT_BYTES);
    const digest = createHash('sha256').update(String(size));
    for (const at of [0, Math.max(0, size - FINGERPRINT_BYTES)]) {
      const count = readSync(fd, bytes, 0, FINGERPRINT_BYTES, at);
      digest.update(bytes.subarray(0, count));
    }
    return { size, digest: digest.digest('hex') };
  } catch (error) {
    throw error instanceof UserError ? error : fileProblem(path, error);
  } finally {
    closeSync(fd);
  }
}

/** @throws UserError where nothing is left to compute, or what was given is wrong in itself. */
export function planSweep(grid: SweepGrid): SweepPlan {
  const { captures, nics, queues, keys, seeds } = grid;
  if (captures.length === 0) throw new UserError('no capture: at least one is needed');
  if (grid.policies.length === 0) throw new UserError('no policy: at least one is needed');
  const named = grid.policies.map((policy) => splitLabel(policy));
  const start: Variant[] = named.map(({ label, policy }) => ({
    // So that axes can be applied to what a file holds.
    policy: unfoldPolicy(policy),
    base: label ?? shownOf(policy),
    nic: null,
    queues: null,
    hashKey: null,
    options: {},
    seed: null,
    workers: grid.workers,
  }));
  for (const { policy } of start) if (!Object.hasOwn(schemas, nameOf(policy))) parsePolicy(policy);
  let variants = vary(start, 'nic', nics, (nic) => ({ nic }));
  variants = vary(variants, 'queues', queues, (count) => ({ queues: count }));
  variants = vary(variants, 'key', keys, (hashKey) => ({ hashKey }));
  variants = varyOptions(variants, grid.vary ?? {});
  variants = vary(variants, 'seed', seeds, (seed) => ({ seed }));
  const size = variants.length * captures.length;
  if (size > CELLS_MAX) throw new UserError(`the grid has ${size} cells; ${CELLS_MAX} are permitted`);
  const skipped: string[] = [];
  let firstProblem: unknown = null;
  const good = variants.flatMap((variant) => {
    try {
      const spec = parsePolicy(variant.policy);
      compilePolicy(spec, variant.workers === null ? {} : { workers: variant.workers });
      return [{ variant, spec }];
    } catch (error) {
      if (!(error instanceof NicLimit)) throw error;
      firstProblem ??= error;
      skipped.push(error.message);
      return [];
    }
  });
  if (good.length === 0) throw firstProblem;
  const choice = grid.choice ?? {};
  const chosen = Object.keys(choice).length === 0 ? [] : [choice];
  const clock = [grid.speed, grid.gapUs, grid.model, grid.apps, ...chosen];
  const cells = new Map<string, SweepCell>();
  for (const capture of captures) {
    const file = grid.files?.[capture] ?? capture;
    const { size: bytes, digest } = fingerprint(file);
    for (const { variant, spec } of good) {
      const { policy, base, options, workers, nic, queues: count, hashKey } = variant;
      const named = JSON.stringify([digest, ...policyIdentity(spec), workers, clock]);
      const key = createHash('sha256').update(named).digest('hex').slice(0, 32);
      const seed = variant.seed ?? (seeds.length > 0 ? null : spec.seed);
      const axes = { nic, queues: count, hashKey, seed, base, options, workers };
      cells.set(key, { key, capture, file, size: bytes, policy, text: shownOf(policy), ...axes });
    }
  }
  return { cells: [...cells.values()], skipped };
}
