/**
 * Runs the checks over a host.
 *
 * Promise: findings by severity, then in the order of the list; on an idle device what costs only under load is worth
 * knowing and no more; an average since boot weighs one step less than a sample. Every finding names who would undo its
 * fix. A check that fails is told as unknown and stops nothing. Pure.
 */
import { UserError, unknownName } from '../errors.js';
import { type Check, type Evidence, type Found, type NotKnown, SEVERITIES, type Severity } from './check.js';
import { CHECKS } from './checks/index.js';
import { NEEDS } from './checks/needs.js';
import type { Effect } from './effects.js';
import { known } from './fact.js';
import type { Host } from './host.js';
import { undoers } from './undoers.js';
import { type Gap, gapsOf, type Reading } from './unread.js';
import { BUSY_PPS, receivedPps } from './view.js';
import { worded } from './wording.js';

/** A finding as it is told. */
export interface Finding {
  readonly id: string;
  readonly severity: Severity;
  readonly subject: string;
  readonly why: string;
  readonly evidence: Evidence;
  readonly fix: readonly string[];
  readonly undo: readonly string[];
  readonly persistent: readonly string[];
  /** Who would undo the fix, and what to do about it. */
  readonly undoneBy: readonly string[];
  readonly reference: string;
}

/** A finding whose fix changes facts. */
export interface Curable {
  readonly finding: Finding;
  /** Whose traffic it is about. */
  readonly device: string | null;
  readonly effects: readonly Effect[];
}

/** What could not be known. */
export interface UnknownResult {
  readonly id: string;
  readonly subject: string;
  readonly why: string;
}

/** The doctor's word. */
export interface Diagnosis {
  readonly role: Host['role'];
  readonly roleWhy: string;
  readonly checked: number;
  readonly findings: readonly Finding[];
  readonly unknown: readonly UnknownResult[];
}

/** The same, with what the fixes would change. */
export interface Examined {
  readonly diagnosis: Diagnosis;
  /** Worst first. */
  readonly curable: readonly Curable[];
}

const WEAKER: Readonly<Record<Severity, Severity>> = { E: 'W', W: 'I', I: 'I' };

/** Names of devices that are asked about must exist. @throws UserError */
export function checkDevices(host: Host, wanted: readonly string[]): void {
  const names = host.devices.map(({ name }) => name);
  const missing = wanted.find((name) => !names.includes(name));
  if (missing === undefined) return;
  throw names.length === 0
    ? new UserError(`no device "${missing}": ${host.source} has none`)
    : unknownName('device', missing, names);
}

/**
 * @param wanted devices to speak of; none: all. What is not a device's (the host's, a guest's) is told in any case.
 * @param checks the list
 */
export function diagnose(
  host: Host,
  wanted: readonly string[] = [],
  checks: readonly Check[] = CHECKS,
): Diagnosis {
  return examine(host, wanted, checks).diagnosis;
}

/** The same, for who asks what the fixes would bring. */
export function examine(
  host: Host,
  wanted: readonly string[] = [],
  checks: readonly Check[] = CHECKS,
): Examined {
  const curable = new Map<Finding, Curable>();
  checkDevices(host, wanted);
  const others = new Set(host.devices.map(({ name }) => name).filter((name) => !wanted.includes(name)));
  const isMeant = (subject: string, device: string | null) =>
    wanted.length === 0 ||
    !others.has(device ?? subject.split(' ')[0]!) ||
    wanted.includes(subject.split(' ')[0]!);
  const findings: Finding[] = [];
  const unknown: UnknownResult[] = [];
  const gaps = new Map<Reading, Gap[]>();
  const gapsIn = (reading: Reading): Gap[] => {
    const found = gaps.get(reading) ?? gapsOf(host, reading);
    gaps.set(reading, found);
    return found;
  };
  for (const check of checks) {
    if (check.roles !== undefined && !check.roles.includes(host.role)) continue;
    try {
      const spoken = new Set<string>();
      for (const outcome of check.run(host)) {
        spoken.add(outcome.subject.split(' ')[0]!);
        if (outcome.kind === 'unknown') {
          if (isMeant(outcome.subject, null)) unknown.push(told(check, outcome));
        } else if (isMeant(outcome.subject, outcome.device)) {
          const finding = weighed(host, check, outcome);
          findings.push(finding);
          const { effects = [] } = outcome.remedy;
          if (effects.length > 0) curable.set(finding, { finding, device: outcome.device, effects });
        }
      }
      for (const { subject, why } of (NEEDS[check.id] ?? []).flatMap(gapsIn)) {
        // What it has found there, or said of it, is enough.
        if (!spoken.has(subject) && isMeant(subject, null)) unknown.push({ id: check.id, subject, why });
      }
    } catch (error) {
      unknown.push({ id: check.id, subject: 'the check itself', why: `failed: ${(error as Error).message}` });
    }
  }
  const rank = (severity: Severity) => SEVERITIES.indexOf(severity);
  findings.sort((a, b) => rank(a.severity) - rank(b.severity));
  return {
    diagnosis: {
      role: host.role,
      roleWhy: host.roleWhy,
      checked: checks.length,
      findings,
      unknown: distinct(unknown),
    },
    curable: findings.flatMap((finding) => curable.get(finding) ?? []),
  };
}

function told({ id }: Check, { subject, why }: NotKnown): UnknownResult {
  return { id, subject, why };
}

function distinct(list: readonly UnknownResult[]): UnknownResult[] {
  const seen = new Set<string>();
  return list.filter((one) => {
    const key = `${one.id}\n${one.subject}\n${one.why}`;
    return !seen.has(key) && seen.add(key) !== undefined;
  });
}

function weighed(host: Host, check: Check, outcome: Found): Finding {
  let severity = outcome.severity ?? check.severity;
  let { why } = outcome;
  const sampled = known(host.load) && host.load.since === 'sample';
  if (check.rests === 'rate' && !sampled) {
    severity = WEAKER[severity];
    why += '. An average since boot: whether it is so now takes two readings';
  }
  if (check.rests === 'traffic' && outcome.device !== null && sampled) {
    const pps = receivedPps(host, outcome.device);
    if (known(pps) && pps < BUSY_PPS && severity !== 'I') {
      severity = 'I';
      why += `. Idle now (${Math.round(pps)} packets/s): it would matter under load`;
    }
  }
  const { fix, undo, persistent } = outcome.remedy;
  return {
    id: check.id,
    severity,
    subject: outcome.subject,
    why: worded(why),
    evidence: outcome.evidence,
    fix,
    undo,
    persistent,
    undoneBy: undoers(host, fix),
    reference: `docs/doctor.md#${check.id}`,
  };
}
