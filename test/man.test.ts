/** The manual pages say what the program has, and nothing else. */
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Command } from 'commander';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { commandTree } from '#rxsteer/cli/program.js';
import { parsePort } from '#rxsteer/dataplane/ports/port-spec.js';
import { parsePolicy } from '#rxsteer/policy/parse.js';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
const canLint = spawnSync('mandoc', ['-Tlint', '/dev/null']).error === undefined;
if (!canLint) process.stderr.write('the form of manual pages is not checked: apt-get install mandoc\n');

let folder: string;
let program: Command;
const pages = new Map<string, string>();

/** What stands in a page, without its fonts and escapes. */
const plain = (roff: string) =>
  roff
    .replace(/\\f[BIR]/g, '')
    .replaceAll('\\-', '-')
    .replaceAll('\\&', '')
    .replaceAll('\\e', '\\')
    .replace(/\\\((ti|ha|aq|ga)/g, (_, name: string) => ({ ti: '~', ha: '^', aq: "'", ga: '`' })[name]!);
const pageOf = (name: string) => plain(pages.get(name === 'rxsteer' ? 'rxsteer.1' : `rxsteer-${name}.1`)!);
const sectionOf = (page: string, title: string) =>
  new RegExp(`^\\.SH ${title}\\n([\\s\\S]*?)(?=^\\.SH|(?![\\s\\S]))`, 'm').exec(page)?.[1] ?? '';

/** The command lines of a page's examples, each whole. */
const exampleLines = (page: string) =>
  [...sectionOf(page, 'EXAMPLES').matchAll(/^\.nf\n([\s\S]*?)^\.fi$/gm)].flatMap(([, block]) =>
    block!
      .replace(/ \\\n +/g, ' ')
      .trim()
      .split('\n'),
  );

/** Long options of a command and of all below it. */
const optionsOf = (command: Command): string[] => [
  ...command.options.map(({ long }) => long!),
  ...command.commands.flatMap(optionsOf),
];
const find = (words: readonly string[]) => {
  let command = program;
  for (const word of words) {
    const next = command.commands.find((one) => one.name() === word);
    if (next === undefined) break;
    command = next;
  }
  return command;
};

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'rxsteer-man-'));
  execFileSync(process.execPath, ['scripts/man.mjs', folder], { cwd: ROOT });
  for (const name of readdirSync(folder)) pages.set(name, readFileSync(join(folder, name), 'utf8'));
  program = await commandTree();
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe('the manual', () => {
  it('has a page for the program and for each command, all of which are installed', () => {
    const names = ['rxsteer', ...program.commands.map((command) => `rxsteer-${command.name()}`)];
    expect(names.length).toBeGreaterThan(15);
    expect([...pages.keys()].sort()).toEqual(names.map((name) => `${name}.1`).sort());
    const manifest = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as { man: string[] };
    expect(manifest.man.map((path) => path.replace('./man/', '')).sort()).toEqual([...pages.keys()].sort());
    for (const name of names.slice(1)) expect(pageOf('rxsteer')).toContain(`${name}(1)`);
  });

  it('has every option of every command, and no other', () => {
    for (const command of program.commands) {
      const page = pageOf(command.name());
      const shown = [...page.matchAll(/^\.TP\n(?:-\w, )?(--[\w-]+)/gm)].map(([, name]) => name);
      expect([...new Set(shown)].sort(), command.name()).toEqual(
        [...new Set([...optionsOf(command), '--help'])].sort(),
      );
      for (const child of command.commands) {
        expect(page).toContain(`\n.SS rxsteer ${command.name()} ${child.name()}\n`);
      }
    }
  });

  it('has examples of every command, which the program takes', () => {
    const without = ['rxsteer', ...program.commands.map((command) => command.name())].filter(
      (name) => exampleLines(pageOf(name)).length === 0,
    );
    expect(without).toEqual([]);
    for (const name of pages.keys()) {
      for (const line of exampleLines(plain(pages.get(name)!))) {
        const words = /\brxsteer (.*?)(?: [|>] |\)|$)/.exec(line)?.[1]?.split(' ');
        if (words === undefined) continue;
        const command = find(words);
        expect(command, line).not.toBe(program);
        const options = words.filter((word) => word.startsWith('--'));
        expect(
          options.filter((option) => !optionsOf(command).includes(option)),
          line,
        ).toEqual([]);
        for (const [, policy] of line.matchAll(/--(?:policy|imbalance) (\S+)/g)) {
          // With --nics and --vary a policy may be a name alone.
          if (/[:=]/.test(policy!)) expect(() => parsePolicy(policy!), line).not.toThrow();
        }
        for (const [, port] of line.matchAll(/--port (\S+)/g)) expect(() => parsePort(port!)).not.toThrow();
      }
    }
  });

  it('writes of no command that there is not', async () => {
    const { PAGES } = (await import(new URL('../scripts/man/text.mjs', import.meta.url).href)) as {
      PAGES: Record<string, unknown>;
    };
    const names = program.commands.map((command) => command.name());
    expect(Object.keys(PAGES).filter((name) => !names.includes(name))).toEqual([]);
  });

  it.skipIf(!canLint)('is well formed', () => {
    const files = [...pages.keys()].map((name) => join(folder, name));
    const { status, stdout } = spawnSync('mandoc', ['-Tlint', '-W', 'warning', ...files], {
      encoding: 'utf8',
    });
    expect({ status, stdout }).toEqual({ status: 0, stdout: '' });
  });
});
