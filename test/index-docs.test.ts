/**
 * The documents say what happens: every `$ command` of a console block in docs/steering.md and docs/library.md is
 * run, and the lines below it must be its output. Files that the documents show are the files in examples/data.
 */
import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { describe, expect, it } from 'vitest';
import { matrix } from './support/matrix.js';

const root = fileURLToPath(new URL('..', import.meta.url));
const shell = `rxsteer() { '${process.execPath}' dist/cli/main.js "$@"; }; node() { '${process.execPath}' "$@"; };`;

/** Blocks of a language: contents in order. */
function blocks(text: string, language: string): string[] {
  return [...text.matchAll(new RegExp(`^\`\`\`${language}\\n([\\s\\S]*?)^\`\`\``, 'gm'))].map(
    (match) => match[1]!,
  );
}

/** Commands and the output that stands below each. */
function commands(text: string): [string, string][] {
  return blocks(text, 'console').flatMap((block) =>
    block
      .split(/^\$ /m)
      .slice(1)
      .map((part): [string, string] => {
        const end = part.indexOf('\n');
        return [part.slice(0, end), part.slice(end + 1).trimEnd()];
      }),
  );
}

/** What a command prints; wrong calls exit with 2 and say why on standard error. */
async function output(command: string): Promise<string> {
  const options = { cwd: root, env: { ...process.env, NO_COLOR: '1' } };
  const result = await promisify(execFile)('bash', ['-c', `${shell} ${command}`], options).catch(
    (error: { stdout: string; stderr: string }) => error,
  );
  return `${result.stdout}${result.stderr}`.trimEnd();
}

describe.each(['steering.md', 'library.md'])('docs/%s', (name) => {
  const text = readFileSync(join(root, 'docs', name), 'utf8');
  const all = commands(text);

  it('has commands', () => {
    expect(all.length).toBeGreaterThan(5);
  });

  // Some of them a day, all in the soak.
  const daily = all.flatMap((_, place) => (place % 8 === 0 ? [place] : []));
  it.each(matrix(all, daily))('%s', async (command, shown) => {
    expect(await output(command)).toBe(shown);
  });

  it('shows the files of examples/ as they are', () => {
    const files = [...text.matchAll(/`(examples\/[\w./-]+)`:\n\n```\w+\n([\s\S]*?)^```/gm)];
    expect(files.length).toBeGreaterThanOrEqual(2);
    for (const [, file, content] of files) {
      expect(content, file).toBe(readFileSync(join(root, file!), 'utf8'));
    }
  });
});
