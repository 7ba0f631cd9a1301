/**
 * `rxsteer forward --check`: everything that can be wrong and seen without opening a port.
 *
 * Promise: opens, makes and changes nothing. What would stop the start is the same UserError as there; what depends on who
 * starts it (capabilities) is a warning. A policy of the user's own is loaded and called once, as each worker would.
 */
import { existsSync } from 'node:fs';
import { dirname } from 'node:path';
import { checkOptions } from '../dataplane/engine/plan.js';
import { checkOpenable } from '../dataplane/ports/open.js';
import { checkPorts } from '../dataplane/ports/port-spec.js';
import { UserError } from '../errors.js';
import { compilePolicy } from '../policy/compile.js';
import type { ParsedForward } from './forward-options.js';
import { formatFields } from './output.js';

/** What a valid configuration comes to. */
export interface CheckedForward {
  readonly valid: true;
  readonly mode: 'wire' | 'switch';
  readonly policy: string;
  readonly order: string;
  readonly workers: number;
  readonly ports: readonly { readonly name: string; readonly kind: string; readonly text: string }[];
  readonly warnings: readonly string[];
}

/** @throws UserError */
export async function checkForward({ engine, control }: ParsedForward): Promise<CheckedForward> {
  const warnings: string[] = [];
  checkPorts(engine.ports);
  const mode = checkOptions({ ...engine, warn: (message) => warnings.push(message) });
  compilePolicy(engine.policy, {
    workers: engine.workers,
    ports: engine.ports.map(({ name }) => ({ name })),
  });
  await checkOpenable(engine.ports, (message) => warnings.push(message));
  const folder = control?.path == null ? null : dirname(control.path);
  if (folder !== null && !existsSync(folder)) {
    throw new UserError(`--control ${control!.path}: there is no folder ${folder}`, { code: 'RXS_SOCKET' });
  }
  return {
    valid: true,
    mode,
    policy: engine.policyText,
    order: engine.policy.order,
    workers: engine.workers,
    ports: engine.ports.map(({ name, kind, text }) => ({ name, kind, text })),
    warnings,
  };
}

/** For people. */
export function renderChecked({ mode, policy, order, workers, ports }: CheckedForward): string {
  const rows: [string, string][] = [
    ['configuration', 'valid'],
    ['mode', mode],
    ['policy', policy],
    ['order', order],
    ['workers', String(workers)],
    ...ports.map(({ name, text }): [string, string] => [`port ${name}`, text.slice(name.length + 1)]),
  ];
  return formatFields(rows);
}
