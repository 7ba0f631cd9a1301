/**
 * Plain command lines, read without the library for command lines.
 *
 * Promise: `plainWords` is what that library makes of the words, or null: for everything that has more in it than
 * whole words (`--flag value`), and for every mistake. It exists because loading the library takes as long as
 * replaying two hundred thousand packets; a test holds the two against each other. Pure.
 */

/** The options of a command, by their names without dashes. */
export interface PlainOptions {
  /** Take a value; once. */
  readonly values: readonly string[];
  /** Take a value; any number of times, at least once. */
  readonly lists: readonly string[];
  readonly switches: readonly string[];
}

/** Arguments and options of a command line. */
export interface PlainWords {
  readonly files: string[];
  readonly flags: Record<string, string | string[] | true>;
}

/** @param words the command line behind the command's name. */
export function plainWords(
  words: readonly string[],
  { values, lists, switches }: PlainOptions,
): PlainWords | null {
  const files: string[] = [];
  const flags: Record<string, string | string[] | true> = {};
  for (let at = 0; at < words.length; at++) {
    const word = words[at]!;
    if (word === '' || word === '-' || !word.startsWith('-')) {
      files.push(word);
      continue;
    }
    const name = word.slice(2);
    if (!word.startsWith('--') || (!lists.includes(name) && Object.hasOwn(flags, name))) return null;
    if (switches.includes(name)) {
      flags[name] = true;
      continue;
    }
    const value = words[++at];
    if (value === undefined || value === '' || value.startsWith('-')) return null;
    if (values.includes(name)) flags[name] = value;
    else if (lists.includes(name)) flags[name] = [...((flags[name] as string[] | undefined) ?? []), value];
    else return null;
  }
  return files.length === 0 || lists.some((name) => !Object.hasOwn(flags, name)) ? null : { files, flags };
}
