/**
 * Two diagnoses: what is new, what is gone, what weighs otherwise.
 *
 * Promise: findings are the same where check and subject are; figures may differ. Pure.
 */
import type { Diagnosis, Finding } from './doctor.js';

/** The difference. */
export interface DiagnosisDiff {
  readonly added: readonly Finding[];
  readonly gone: readonly Finding[];
  readonly changed: readonly { readonly before: Finding; readonly after: Finding }[];
}

const keyOf = ({ id, subject }: Finding) => `${id}\n${subject}`;

/** @param before the older one */
export function diffOf(before: Diagnosis, after: Diagnosis): DiagnosisDiff {
  const old = new Map(before.findings.map((finding) => [keyOf(finding), finding]));
  const now = new Map(after.findings.map((finding) => [keyOf(finding), finding]));
  return {
    added: after.findings.filter((finding) => !old.has(keyOf(finding))),
    gone: before.findings.filter((finding) => !now.has(keyOf(finding))),
    changed: after.findings.flatMap((finding) => {
      const was = old.get(keyOf(finding));
      return was === undefined || was.severity === finding.severity ? [] : [{ before: was, after: finding }];
    }),
  };
}
