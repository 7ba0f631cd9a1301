/**
 * What `rxsteer compile` prints for people: commands to paste, what takes them back, what the target cannot do.
 *
 * Promise: commands stand alone on their lines. Pure.
 */
import type { Check, Compiled } from '../compile/back-end.js';
import { colour } from './output.js';

function section(title: string, lines: readonly string[]): string[] {
  return lines.length === 0 ? [] : [[colour.bold(title), ...lines].join('\n')];
}

/** The whole text. */
export function compiledText(compiled: Compiled, check: Check | null): string {
  const { target, commands, undo, cannot } = compiled;
  return [
    ...section(`${target}`, commands),
    ...section(
      'cannot',
      cannot.map(({ what, why }) => `- ${what}: ${why}`),
    ),
    ...section('undo', undo),
    ...(check === null ? [] : section('check', checkLines(check))),
  ].join('\n\n');
}

function checkLines({ packets, agree, how, differ }: Check): string[] {
  return [`${agree} of ${packets} agree: ${how}`, ...differ.map((line) => `- ${line}`)];
}
