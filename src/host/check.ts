/**
 * What a check is, and what it gives.
 *
 * Promise: a check is a pure function of the host. It gives findings, and names what it could not know; what it does not
 * name is fine. Severity E: broken or losing packets; W: costs; I: worth knowing.
 */
import { type Fact, known, reasons, type Unknown } from './fact.js';
import type { Host, Role } from './host.js';
import type { Remedy } from './remedy.js';

export const SEVERITIES = ['E', 'W', 'I'] as const;
export type Severity = (typeof SEVERITIES)[number];

/** Figures and names that a finding rests on. */
export type Evidence = Readonly<Record<string, Shown>>;
export type Shown =
  | number
  | string
  | null
  | readonly (number | string)[]
  | { readonly [name: string]: Shown };

/** Something that is wrong. */
export interface Found {
  readonly kind: 'found';
  readonly subject: string;
  readonly why: string;
  readonly evidence: Evidence;
  readonly remedy: Remedy;
  /** Where it is another one than the check's. */
  readonly severity: Severity | null;
  /** Device whose traffic decides whether it costs anything now. */
  readonly device: string | null;
}

/** Something that could not be known. */
export interface NotKnown {
  readonly kind: 'unknown';
  readonly subject: string;
  readonly why: string;
}

export type Outcome = Found | NotKnown;

/** A check. */
export interface Check {
  readonly id: string;
  readonly severity: Severity;
  /** One line: what is wrong. */
  readonly title: string;
  /**
   * `traffic`: costs only what traffic there is, so on an idle device it is worth knowing and no more. `rate`: rests on
   * what moves; an average since boot weighs less than a sample. Absent: wrong whatever moves.
   */
  readonly rests?: 'traffic' | 'rate';
  /** Only for hosts of these roles. */
  readonly roles?: readonly Role[];
  run(host: Host): Iterable<Outcome>;
}

/** A finding. */
export function found(
  subject: string,
  why: string,
  evidence: Evidence,
  remedy: Remedy,
  more: { readonly severity?: Severity; readonly device?: string } = {},
): Found {
  return {
    kind: 'found',
    subject,
    why,
    evidence,
    remedy,
    severity: more.severity ?? null,
    device: more.device ?? null,
  };
}

/** What could not be known: the reasons of those facts that have none, or a reason given. */
export function notKnown(subject: string, ...facts: readonly (Fact<unknown> | string)[]): NotKnown {
  const given = facts.filter((fact): fact is string => typeof fact === 'string');
  const missing = facts.filter((fact): fact is Unknown => typeof fact !== 'string' && !known(fact));
  return {
    kind: 'unknown',
    subject,
    why: [...given, ...(missing.length > 0 ? [reasons(missing)] : [])].join('; '),
  };
}
