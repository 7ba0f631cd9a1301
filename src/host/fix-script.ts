/**
 * The fixes of a diagnosis as one script, with its undo.
 *
 * Promise: `sh FILE` fixes, `sh FILE undo` takes back in reverse order, to what was read; nothing in it runs by itself.
 * Where several findings set the same thing the first, the worst one, does, and the others are named in a comment. Names from the host stay within quotes and comments. Pure.
 */
import { hasControl, printable } from '../errors.js';
import type { Diagnosis, Finding } from './doctor.js';

const INDENT = '  ';

function comment(text: string): string {
  return `${INDENT}# ${printable(text)}`;
}

/** A command as a line; what would be several is a comment, whoever made it. */
function line(command: string): string {
  return hasControl(command) ? comment(command) : `${INDENT}${command}`;
}

/** What a command sets: its file, its sysctl, its ethtool words without values. */
function targetOf(command: string): string {
  const file = / > (\S+|'[^']*')$/.exec(command)?.[1];
  if (file !== undefined) return file;
  return command.replace(/=.*$/, '').replace(/ (on|off|\d+)$/, '');
}

/**
 * The script.
 * @param from what was diagnosed
 * @param expected what is said of what a finding's fix would bring
 */
export function fixScript(
  { findings }: Diagnosis,
  from: string,
  expected: ReadonlyMap<Finding, readonly string[]> = new Map(),
): string {
  const fix: string[] = [];
  const undo: string[] = [];
  const seen = new Set<string>();
  for (const finding of findings) {
    fix.push(comment(`${finding.severity} ${finding.id} ${finding.subject}: ${finding.why}`));
    for (const name of finding.undoneBy) fix.push(comment(`undone by: ${name}`));
    for (const said of expected.get(finding) ?? []) fix.push(comment(`expect: ${said}`));
    const commands = finding.fix.filter((command) => command.startsWith('#') || !seen.has(targetOf(command)));
    const left = finding.fix.length - commands.length;
    if (left > 0) fix.push(comment(`${left} commands are left out: set above already`));
    for (const command of commands) {
      fix.push(line(command));
      if (!command.startsWith('#')) seen.add(targetOf(command));
    }
    const targets = new Set(commands.map(targetOf));
    const own = finding.undo.filter((command) => targets.has(targetOf(command)) || left === 0);
    undo.unshift(comment(`${finding.id} ${finding.subject}`), ...own.map(line));
  }
  return [
    '#!/bin/sh',
    `# Fixes of ${printable(from)}. Read it first. sh FILE: fix; sh FILE undo: take it back.`,
    'fix() {',
    ...fix,
    `${INDENT}:`,
    '}',
    'undo() {',
    ...undo,
    `${INDENT}:`,
    '}',
    // biome-ignore lint/suspicious/noTemplateCurlyInString: it is the shell's.
    'case "${1:-fix}" in',
    'fix) fix ;;',
    'undo) undo ;;',
    '*) echo "usage: $0 [undo]" >&2; exit 2 ;;',
    'esac',
    '',
  ].join('\n');
}
