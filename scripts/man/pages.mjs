// The manual pages: from the program's own tree of commands and options, and from what people wrote (text.mjs).
import { commandLines, indented, item, line, literal, paragraph, prose, section, verbatim } from './roff.mjs';
import { ENVIRONMENT, EXIT_STATUS, FILES, PAGES, PROGRAM } from './text.mjs';

/** `--policy <POLICY>`: the option bold, its value italic. */
function term(flags) {
  return flags
    .split(', ')
    .map((flag) => {
      const [name, value] = flag.split(/ (?=[<[])/);
      if (value === undefined) return `\\fB${literal(name)}\\fR`;
      const [open, inside, close] = [value[0], value.slice(1, -1), value.at(-1)];
      const shown = `\\fI${literal(inside)}\\fR`;
      return `\\fB${literal(name)}\\fR ${open === '[' ? `${open}${shown}${close}` : shown}`;
    })
    .join(', ');
}

const argument = (one) => {
  const name = `\\fI${literal(one.name())}\\fR${one.variadic ? '...' : ''}`;
  return one.required ? name : `[${name}]`;
};

const shownOptions = (help, command) => help.visibleOptions(command).filter(({ long }) => long !== '--help');

/** The commands below one, without the help that commander adds. */
const commandsOf = (help, command) =>
  help.visibleCommands(command).filter((child) => child.name() !== 'help');

function synopsis(help, command, words) {
  const optional = shownOptions(help, command).length > 0 ? [' [options]'] : [];
  const below = commandsOf(help, command).length > 0 ? [' [\\fIcommand\\fR]'] : [];
  const values = command.registeredArguments.map((one) => ` ${argument(one)}`);
  return [`\\fB${literal(words.join(' '))}\\fR${[...optional, ...below, ...values].join('')}`];
}

const argumentItems = (help, command) =>
  help
    .visibleArguments(command)
    .flatMap((one) => item(`\\fI${literal(one.name())}\\fR`, help.argumentDescription(one)));

const optionItems = (help, command) =>
  shownOptions(help, command).flatMap((option) => item(term(option.flags), help.optionDescription(option)));

/** What the help has below its options, but for its examples: sections of lines. */
function helpSections(text) {
  return text
    .split('\n\n')
    .map((block) => block.replace(/^\n/, '').split('\n'))
    .flatMap((parts) => parts.join('\n').split(/\n(?=[A-Z]\w+ \(.*:$|Examples?:$)/))
    .map((block) => block.split('\n').filter((text) => text !== ''))
    .filter(([head]) => head !== undefined && !/^Examples?:$/.test(head))
    .flatMap(([head, ...lines]) => {
      const [, title, rest] = /^(\w+) \((.*)\):$/.exec(head) ?? [];
      return title === undefined
        ? verbatim([head, ...lines])
        : section(title.toUpperCase(), ...paragraph(`${rest}.`), ...verbatim(lines));
    });
}

/** The examples of a command's help, each command line on one line. */
export function helpExamples(text) {
  const block = /^Examples?:\n((?: {2}.*(?:\n|$))+)/m.exec(text)?.[1] ?? '';
  return block
    .replace(/ \\\n +/g, ' ')
    .split('\n')
    .map((one) => one.trim())
    .filter((one) => one !== '');
}

/** `[what, command line…]` of a command. */
export function examplesOf(name, helpText) {
  return PAGES[name]?.examples ?? helpExamples(helpText).map((one) => ['', one]);
}

const examples = (list) =>
  list.length === 0
    ? []
    : section(
        'EXAMPLES',
        ...list.flatMap(([what, ...lines]) => [
          ...(what === '' ? [] : paragraph(what)),
          ...indented(commandLines(lines)),
        ]),
      );

const items = (pairs) => pairs.flatMap(([name, text]) => item(`\\fB${literal(name)}\\fR`, text));
const pageName = (words) => words.join('-');
const reference = (words) => `\\fB${literal(pageName(words))}\\fR(1)`;

function head(words, summary, { version, date }) {
  const name = pageName(words);
  return [
    '.\\" Made from the program: do not edit.',
    `.TH ${literal(name.toUpperCase())} 1 "${date}" "rxsteer ${version}" "User Commands"`,
    // Names of pages and options are not divided.
    '.nh',
    ...section('NAME', `${literal(name)} \\- ${line(prose(summary))}`),
  ];
}

function commandPage(help, command, helpText, about) {
  const words = ['rxsteer', command.name()];
  const sections = (parent, path) =>
    commandsOf(help, parent).flatMap((child) => {
      const whole = [...path, child.name()];
      return [
        `.SS ${literal(whole.join(' '))}`,
        ...synopsis(help, child, whole),
        ...paragraph(sentence(child.description())),
        ...argumentItems(help, child),
        ...optionItems(help, child),
        ...sections(child, whole),
      ];
    });
  const below = sections(command, words);
  const given = argumentItems(help, command);
  return [
    ...head(words, command.description(), about),
    ...section('SYNOPSIS', ...synopsis(help, command, words)),
    ...section(
      'DESCRIPTION',
      ...(PAGES[command.name()]?.about ?? [sentence(command.description())]).flatMap(paragraph),
    ),
    ...(given.length > 0 ? section('ARGUMENTS', ...given) : []),
    ...section(
      'OPTIONS',
      ...optionItems(help, command),
      ...item('\\fB\\-h\\fR, \\fB\\-\\-help\\fR', 'display help'),
    ),
    ...(below.length > 0 ? section('COMMANDS', ...below) : []),
    ...helpSections(helpText),
    ...examples(examplesOf(command.name(), helpText)),
    ...section('EXIT STATUS', ...paragraph('See `rxsteer`(1).')),
    ...section('SEE ALSO', reference(['rxsteer'])),
  ];
}

const sentence = (text) => `${text[0].toUpperCase()}${text.slice(1)}.`;

function programPage(help, program, about) {
  const commands = commandsOf(help, program);
  return [
    ...head(['rxsteer'], program.description(), about),
    ...section('SYNOPSIS', '\\fBrxsteer\\fR [options] \\fIcommand\\fR ...'),
    ...section('DESCRIPTION', ...PROGRAM.about.flatMap(paragraph)),
    ...section(
      'COMMANDS',
      ...commands.flatMap((one) => item(reference(['rxsteer', one.name()]), one.description())),
    ),
    ...section(
      'OPTIONS',
      ...optionItems(help, program),
      ...item('\\fB\\-h\\fR, \\fB\\-\\-help\\fR', 'display help'),
    ),
    ...examples(PROGRAM.examples),
    ...section('EXIT STATUS', ...items(EXIT_STATUS)),
    ...section('ENVIRONMENT', ...items(ENVIRONMENT)),
    ...section('FILES', ...items(FILES)),
    ...section('SEE ALSO', commands.map((one) => reference(['rxsteer', one.name()])).join(',\n')),
  ];
}

/**
 * All pages, by name of their file.
 * @param program the tree of commands
 * @param helpBelow what stands below the options in the help of a command
 * @param about version and date
 */
export async function manualPages(program, helpBelow, about) {
  const help = program.createHelp();
  const pages = new Map([['rxsteer.1', programPage(help, program, about)]]);
  for (const command of program.commands) {
    const lines = commandPage(help, command, await helpBelow(command.name()), about);
    pages.set(`rxsteer-${command.name()}.1`, lines);
  }
  return new Map([...pages].map(([name, lines]) => [name, `${lines.join('\n')}\n`]));
}
