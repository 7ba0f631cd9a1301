/** Every option stands in a document, and what the documents call an option of the program is one. */
import { readdirSync, readFileSync } from 'node:fs';
import { beforeAll, describe, expect, it } from 'vitest';
import { parsePort } from '#rxsteer/dataplane/ports/port-spec.js';
import { portTables } from '#rxsteer/dataplane/ports/usage.js';
import { rxsteer } from './run.js';

const docs = new URL('../../docs/', import.meta.url);
/** Names from the project's folder, and texts. */
const texts = [
  'README.md',
  'bench/README.md',
  ...readdirSync(docs)
    .filter((name) => name.endsWith('.md'))
    .map((name) => `docs/${name}`),
].map((name) => [name, readFileSync(new URL(`../${name}`, docs), 'utf8')] as const);
const forwarding = () => texts.find(([name]) => name === 'docs/forwarding.md')![1];
const all = texts.map(([, text]) => text).join('\n');

/** Options that the documents show of other programs, or as a pattern. */
const FOREIGN = new Set([
  '--threads',
  '--unix-socket',
  '--flag',
  '--trace-gc',
  '--trace-deopt',
  '--banirq',
  '--ignore-scripts',
  '--omit',
  '--provenance',
  '--now',
  '--live',
  // Slurm and GNU parallel.
  ...['--job-name', '--array', '--requeue', '--open-mode', '--cpus-per-task', '--output', '--parsable'],
  ...['--dependency', '--wrap', '--sshloginfile', '--workdir', '--joblog', '--retries'],
]);
const NAME = /(?<![\w-])--[a-z][a-z0-9-]*[a-z0-9]/g;

const options = new Set<string>();

/** Adds the options of a command and of those below it. */
async function collect(words: readonly string[]): Promise<void> {
  const { stdout } = await rxsteer([...words, '--help']);
  for (const [, name] of stdout.matchAll(/^ {2}(?:-\w, )?(--[a-z0-9-]+)/gm)) options.add(name!);
  const below = /\nCommands:\n([\s\S]*?)(?:\n\n|\n*$)/.exec(stdout)?.[1] ?? '';
  for (const [, name] of below.matchAll(/^ {2}(\w[\w-]*)/gm)) await collect([...words, name!]);
}

beforeAll(() => collect([]));

describe('the options', () => {
  it('are all documented', () => {
    expect(options.size).toBeGreaterThan(100);
    const named = new Set(all.match(NAME));
    expect([...options].filter((name) => !named.has(name))).toEqual(['--version', '--help']);
  });

  it('that are documented exist', () => {
    for (const [name, text] of texts) {
      const unknown = [...new Set(text.match(NAME))].filter(
        (word) => !options.has(word) && !FOREIGN.has(word),
      );
      expect(unknown, name).toEqual([]);
    }
  });

  it.each([
    ['af_packet:eth0', 5],
    ['tap:tap0', 4],
    ['pcap:in.pcap', 1],
    ['memory:source', 8],
    ['memory:sink', 2],
  ])('of %s are documented', (target, least) => {
    let known: string[] = [];
    try {
      parsePort(`a=${target},?=1`);
    } catch (error) {
      known = /known: (.*)$/.exec((error as Error).message)?.[1]?.split(', ') ?? [];
    }
    expect(known.length).toBeGreaterThanOrEqual(least);
    expect(known.filter((name) => !forwarding().includes(`\`${name}=`))).toEqual([]);
  });

  it('of ports stand there as the list of kinds has them', () => {
    // To write them anew: node -e "import('./dist/dataplane/ports/usage.js').then((m) => console.log(m.portTables()))"
    expect(/<!-- What follows .*-->\n\n([\s\S]*?)\n\n<!-- end -->/.exec(forwarding())?.[1]).toBe(
      portTables(),
    );
  });
});
