/**
 * `rxsteer forward --check`: everything that can be wrong and seen without opening a port.
 *
 * Promise: opens, makes and changes nothing. What would stop the start is the same UserError as there; what depends on who
 * starts it (capabilities) is a warning. A policy of the user's own is loaded and called once, as each worker would.
 */
import { accessSync, constants, existsSync, statSync } from 'node:fs';
import { dirname } from 'node:path';
import { loadNative, nativeProblem } from '../addon/native.js';
import { hasCapability } from '../addon/privileges.js';
import { checkOptions } from '../dataplane/engine/plan.js';
import { usableLink } from '../dataplane/ports/device.js';
import { checkPorts, type PortSpec } from '../dataplane/ports/port-spec.js';
import { UserError } from '../errors.js';
import { compilePolicy } from '../policy/compile.js';
import { fileFault } from '../text-file.js';
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
export function checkForward({ engine, control }: ParsedForward): CheckedForward {
  const warnings: string[] = [];
  checkPorts(engine.ports);
  const mode = checkOptions({ ...engine, warn: (message) => warnings.push(message) });
  compilePolicy(engine.policy, {
    workers: engine.workers,
    ports: engine.ports.map(({ name }) => ({ name })),
  });
  for (const port of engine.ports) checkPort(port, warnings);
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

function checkPort(port: PortSpec, warnings: string[]): void {
  if (port.kind === 'memory') return;
  if (port.kind === 'pcap') {
    if (port.path !== '-') checkCapture(port.name, port.path, port.mode);
    return;
  }
  const native = loadNative();
  if (native === null) throw new UserError(`live ports: ${nativeProblem()}`, { code: 'RXS_NO_ADDON' });
  const capability = port.kind === 'tap' ? 'CAP_NET_ADMIN' : 'CAP_NET_RAW';
  if (!hasCapability(native, capability)) {
    warnings.push(`port ${port.name}: ${port.kind} needs ${capability}, which this user does not have`);
  }
  // A TAP is made where it is absent.
  if (port.kind === 'af_packet') usableLink(port, native.linkInfo(port.interface));
}

function checkCapture(name: string, path: string, mode: 'read' | 'write'): void {
  const isRead = mode === 'read';
  const place = `--port ${name}: ${path}`;
  try {
    const stats = statSync(path, { throwIfNoEntry: isRead });
    if (stats?.isDirectory() === true) {
      throw new UserError(`${place}: is a directory`, { code: isRead ? 'RXS_FILE' : 'RXS_OUTPUT' });
    }
    if (isRead) accessSync(path, constants.R_OK);
    else accessSync(stats === undefined ? dirname(path) : path, constants.W_OK);
  } catch (error) {
    if (error instanceof UserError) throw error;
    throw new UserError(`${place}: ${fileFault(error)}`, { code: isRead ? 'RXS_FILE' : 'RXS_OUTPUT' });
  }
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
