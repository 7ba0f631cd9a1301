// Writes the manual pages: man/rxsteer.1 and one for each command.
//
//     node scripts/man.mjs [FOLDER]
//
// Needs a compiled `dist/`. Their date is that of SOURCE_DATE_EPOCH, else of the last change that is committed.
import { execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { helpBelow } from '../dist/cli/help.js';
import { commandTree } from '../dist/cli/program.js';
import { manualPages } from './man/pages.mjs';

const ROOT = join(dirname(fileURLToPath(import.meta.url)), '..');

function secondsOfChange() {
  try {
    const options = { cwd: ROOT, encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] };
    return Number(execFileSync('git', ['log', '-1', '--format=%ct'], options));
  } catch {
    return Date.now() / 1000;
  }
}

const folder = resolve(process.argv[2] ?? join(ROOT, 'man'));
const seconds = Number(process.env.SOURCE_DATE_EPOCH ?? secondsOfChange());
const { version } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8'));
const date = new Date(seconds * 1000).toISOString().slice(0, 10);
rmSync(folder, { recursive: true, force: true });
mkdirSync(folder, { recursive: true });
for (const [name, text] of await manualPages(await commandTree(), helpBelow, { version, date })) {
  writeFileSync(join(folder, name), text);
}
