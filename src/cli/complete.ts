/**
 * What may come next on a command line: `rxsteer __complete WORD…`, the last word being the one that is typed.
 *
 * Promise: one candidate a line, a tab and a few words behind it where there are any; `:files` where the shell shall
 * offer files. Commands and options come from the program itself. Never fails and prints nothing else: a mistake in the
 * line means no candidates.
 */
import type { Command, Option } from 'commander';
import { type Candidate, completePolicy, completePort, VALUES } from './completion-values.js';

const FILES: Candidate = [':files'];

/** Candidates that begin as the word does. */
function beginning(word: string, all: readonly Candidate[]): Candidate[] {
  return all.filter(([value]) => value === ':files' || value.startsWith(word));
}

/** Values of an option or argument, by its name. */
async function valuesOf(name: string, placeholder: string, word: string): Promise<Candidate[]> {
  if (name === 'policy') return completePolicy(word);
  if (name === 'port') return completePort(word);
  const known = VALUES[name];
  if (known !== undefined) return beginning(word, await known());
  return /file|path|capture|html|json|config/i.test(`${name} ${placeholder}`) ? [FILES] : [];
}

function optionOf(command: Command, flag: string): Option | undefined {
  for (let at: Command | null = command; at !== null; at = at.parent) {
    const found = at.options.find(({ long, short }) => long === flag || short === flag);
    if (found !== undefined) return found;
  }
  return undefined;
}

/** @param program the command tree, the command of the line at least. @param names all commands. */
export async function complete(
  program: Command,
  names: readonly string[],
  words: readonly string[],
): Promise<Candidate[]> {
  const word = words.at(-1) ?? '';
  let command = program;
  let operands = 0;
  let open: Option | undefined;
  for (const before of words.slice(0, -1)) {
    if (open !== undefined) {
      open = undefined;
    } else if (before.startsWith('-')) {
      const option = optionOf(command, before);
      open = option !== undefined && (option.required || option.optional) ? option : undefined;
    } else {
      const child = operands === 0 ? command.commands.find((one) => one.name() === before) : undefined;
      if (child !== undefined) command = child;
      else operands++;
    }
  }
  if (open !== undefined && !(open.optional && word.startsWith('-'))) {
    return valuesOf(open.long?.slice(2) ?? '', open.flags, word);
  }
  const equals = /^(--[a-z-]+)=(.*)$/s.exec(word);
  if (equals !== null) {
    const [, flag, value] = equals as unknown as [string, string, string];
    const all = await valuesOf(flag.slice(2), optionOf(command, flag)?.flags ?? '', value);
    return all.map(([text, ...rest]) => [text === ':files' ? text : `${flag}=${text}`, ...rest]);
  }
  if (word.startsWith('-')) {
    const visible = command.createHelp().visibleOptions(command);
    return beginning(
      word,
      visible.map(({ long, short, description }): Candidate => [long ?? short!, description]),
    );
  }
  if (command === program) {
    // Behind a word that is no command there is nothing to say.
    const first = operands > 0 ? [] : names;
    return beginning(
      word,
      first.map((name): Candidate => [name]),
    );
  }
  const children = command.commands.map((one): Candidate => [one.name(), one.description()]);
  const argument = command.registeredArguments[Math.min(operands, command.registeredArguments.length - 1)];
  const isThere =
    argument !== undefined && (argument.variadic || operands < command.registeredArguments.length);
  const path = command.parent === program ? command.name() : `${command.parent?.name()} ${command.name()}`;
  const own = isThere ? await valuesOf(`${path} ${argument.name()}`, argument.name(), word) : [];
  return [...(operands === 0 ? beginning(word, children) : []), ...own];
}
