/**
 * What was published beside what is simulated, for all presets; and whether what they claim comes out.
 *
 * Promise: every published figure of every preset is a row, held against the limit that the preset states, and marked as
 * fitted or predicted. Nothing is left out, and a row that misses says so.
 */
import { UserError } from '../../errors.js';
import type { Published, RunResult } from '../result/result.js';
import { parseScenario } from '../scenario/parse.js';
import { simulate } from '../simulate.js';
import { FAMILIES, presets } from './index.js';
import type { Claim, Family } from './preset.js';

/** A published figure and the simulated one. */
export interface ValidatedRow {
  readonly preset: string;
  readonly policy: string;
  /** Path in the result. */
  readonly of: string;
  readonly simulated: number;
  readonly published: number;
  /** Simulated over published, less one; of ratios where `relativeTo` is given. */
  readonly deviation: number;
  readonly within: number;
  readonly holds: boolean;
  /** Costs were fitted to this figure; else it was predicted. */
  readonly fitted: boolean;
  readonly relativeTo: string | null;
  readonly source: string;
}

/** A claim and what came out. */
export interface ValidatedClaim {
  readonly family: string;
  readonly text: string;
  readonly of: string;
  readonly runs: readonly { readonly run: string; readonly value: number }[];
  readonly holds: boolean;
  readonly source: string;
}

/** All of it. */
export interface Validation {
  readonly rows: readonly ValidatedRow[];
  readonly claims: readonly ValidatedClaim[];
  /** Numbers of rows: predicted and fitted ones that hold, and all of each. */
  readonly predicted: { readonly hold: number; readonly all: number };
  readonly fitted: { readonly hold: number; readonly all: number };
  readonly claimed: { readonly hold: number; readonly all: number };
}

/** A number in a result, by its path. @throws UserError for a path that leads nowhere */
export function figureOf(result: RunResult, path: string): number {
  const found = path
    .split('.')
    .reduce<unknown>((inner, part) => (inner as Record<string, unknown> | undefined)?.[part], result);
  if (typeof found !== 'number') throw new UserError(`${path}: no number of the result has this path`);
  return found;
}

/** Runs of all presets, by name: each is made once, when it is asked for. */
class Runs {
  readonly #results = new Map<string, readonly RunResult[]>();

  constructor(private readonly onRun: (preset: string) => void) {}

  /** All policies of a preset. */
  of(name: string): readonly RunResult[] {
    const known = this.#results.get(name);
    if (known !== undefined) return known;
    const preset = presets().find((one) => one.name === name);
    if (preset === undefined) throw new UserError(`there is no preset ${name}`, { code: 'RXS_UNKNOWN_NAME' });
    this.onRun(name);
    const { results } = simulate(parseScenario(preset.scenario, name), { limit: false });
    this.#results.set(name, results);
    return results;
  }

  /** `preset` or `preset@policy`. */
  one(run: string): RunResult {
    const at = run.indexOf('@');
    const results = this.of(at < 0 ? run : run.slice(0, at));
    const policy = run.slice(at + 1);
    const found = at < 0 ? results[0] : results.find((result) => result.policy === policy);
    if (found === undefined) throw new UserError(`${run}: the preset has no policy ${policy}`);
    return found;
  }
}

function rowsOf(name: string, result: RunResult, published: Published, runs: Runs): ValidatedRow[] {
  const base = published.relativeTo === undefined ? null : runs.one(published.relativeTo);
  const row = (
    of: string,
    value: number,
    within: number,
    fitted: boolean,
    per: number | undefined,
  ): ValidatedRow => {
    const simulated = figureOf(result, of);
    const isRatio = base !== null && per !== undefined;
    const deviation = isRatio ? simulated / figureOf(base, of) / (value / per) - 1 : simulated / value - 1;
    return {
      ...{ preset: name, policy: result.policy, of, simulated, published: value, deviation, within, fitted },
      holds: Math.abs(deviation) <= within,
      relativeTo: isRatio ? published.relativeTo! : null,
      source: published.source,
    };
  };
  const { value, cpu, within = 0.15, cpuWithin = 0.2, fitted = false, cpuFitted = false } = published;
  return [
    ...(value === undefined ? [] : [row('throughput.value', value, within, fitted, base?.published?.value)]),
    ...(cpu === undefined ? [] : [row('cpu.busyShare', cpu, cpuWithin, cpuFitted, base?.published?.cpu)]),
    ...(published.figures ?? []).map((one) => row(one.of, one.value, one.within, one.fitted, undefined)),
  ];
}

/** Whether the runs are in the claimed order, and as far apart. */
function isClaimTrue({ atLeast, atMost }: Claim, values: readonly number[]): boolean {
  const factor = values[0]! / values.at(-1)!;
  const isOrdered = values.every((value, i) => i === 0 || value < values[i - 1]!);
  if (atMost !== undefined && factor > atMost) return false;
  if (atLeast !== undefined) return factor >= atLeast && (atLeast < 1 || isOrdered);
  return atMost !== undefined || isOrdered;
}

function claimOf(family: Family, claim: Claim, runs: Runs): ValidatedClaim {
  const found = claim.order.map((run) => ({ run, value: figureOf(runs.one(run), claim.of) }));
  return {
    ...{ family: family.name, text: claim.text, of: claim.of, runs: found, source: claim.source },
    holds: isClaimTrue(
      claim,
      found.map(({ value }) => value),
    ),
  };
}

/** What `validatePresets` is told. */
export interface ValidateOptions {
  /** Only these families. */
  readonly families?: readonly string[];
  /** Called before each preset is run. */
  readonly onRun?: (preset: string) => void;
}

/** Runs all presets that have something published or claimed, which takes a minute or two. */
export function validatePresets({ families, onRun = () => {} }: ValidateOptions = {}): Validation {
  const runs = new Runs(onRun);
  const isMeant = (name: string) => families === undefined || families.includes(name);
  const rows = presets()
    .filter(({ scenario, family }) => scenario.published !== undefined && isMeant(family))
    .flatMap(({ name }) =>
      runs.of(name).flatMap((result) => {
        const { published } = result;
        return published === undefined ? [] : rowsOf(name, result, published, runs);
      }),
    );
  const claims = FAMILIES.filter(({ name }) => isMeant(name)).flatMap((family) =>
    family.claims.map((claim) => claimOf(family, claim, runs)),
  );
  const count = (list: readonly { readonly holds: boolean }[]) => ({
    hold: list.filter(({ holds }) => holds).length,
    all: list.length,
  });
  return {
    ...{ rows, claims },
    predicted: count(rows.filter(({ fitted }) => !fitted)),
    fitted: count(rows.filter(({ fitted }) => fitted)),
    claimed: count(claims),
  };
}
