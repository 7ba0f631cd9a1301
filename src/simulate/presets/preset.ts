/**
 * What a preset is: a scenario with what was published about it, or what is claimed of it.
 *
 * Promise: plain data. A family is one file; its scenarios are whole and can be printed, changed and run as files. What a
 * family claims (which of two is larger) is checked by `validate.ts`, not assumed.
 */
import type { ScenarioInput } from '../scenario/schema.js';

/** One run: a preset, or one of its policies (`preset@policy`). */
export type RunName = string;

/** What is larger, or as large: the direction of a published or claimed effect. */
export interface Claim {
  /** The claim in a sentence. */
  readonly text: string;
  /** Path in the run's result, e.g. `throughput.value`, `cpu.usPerOperation`. */
  readonly of: string;
  /** Runs in descending order; the first has most. */
  readonly order: readonly RunName[];
  /** The first has at least so many times as much as the last. Default: more than it. */
  readonly atLeast?: number;
  /** The first has at most so many times as much as the last. */
  readonly atMost?: number;
  readonly source: string;
}

/** A scenario of a family: its name there, and the rest. */
export type PresetScenario = Omit<ScenarioInput, 'name'> & { readonly about: string };

/** Presets that belong together. */
export interface Family {
  readonly name: string;
  readonly about: string;
  /** By the part of their name behind the family's. */
  readonly presets: Readonly<Record<string, PresetScenario>>;
  readonly claims: readonly Claim[];
}

/** A preset as the list has it. */
export interface Preset {
  /** `family/name`. */
  readonly name: string;
  readonly family: string;
  readonly about: string;
  readonly scenario: ScenarioInput;
}
