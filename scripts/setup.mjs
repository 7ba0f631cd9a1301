// Installs and builds what is missing or stale, and nothing else: `npm start`, `npm test` and `npm run bench` run it
// first. Needs only Node itself. Prints one line per step; a missing compiler is said in one line and is no failure:
// everything but live ports works without the addon.
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { buildJobs } from './build-jobs.mjs';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');
process.chdir(root);
const say = (line) => process.stderr.write(`setup: ${line}\n`);

function fail(line) {
  say(line);
  process.exit(1);
}

const [major, minor] = process.versions.node.split('.').map(Number);
if (major < 20 || (major === 20 && minor < 19)) {
  fail(`Node ${process.versions.node} is too old: rxsteer needs Node 20.19 or newer`);
}

function run(command, args) {
  const result = spawnSync(command, args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] });
  return {
    ok: result.status === 0,
    output: `${result.stdout ?? ''}${result.stderr ?? ''}`.trim(),
    error: result.error,
  };
}

/** The first line that names an error, else the last one. */
function gist(output) {
  const lines = output.split('\n').filter((line) => line.trim() !== '');
  return (lines.find((line) => /error/i.test(line)) ?? lines.at(-1) ?? 'no output').trim();
}

/** A digest of the content of files: what a build step was made from. What is built is for every Node. */
function digest(paths) {
  const hash = createHash('sha256');
  const add = (path) => {
    if (!existsSync(path)) return;
    if (statSync(path).isDirectory()) {
      for (const name of readdirSync(path).sort()) add(join(path, name));
    } else {
      hash.update(path).update('\0').update(readFileSync(path));
    }
  };
  paths.forEach(add);
  return hash.digest('hex');
}

const stamps = join('node_modules', '.rxsteer');
const fresh = (step, inputs, output) =>
  existsSync(output) &&
  existsSync(join(stamps, step)) &&
  readFileSync(join(stamps, step), 'utf8') === digest(inputs);
/** What is half made must not look fresh, should its old inputs come back. */
const unmark = (step) => rmSync(join(stamps, step), { force: true });
const mark = (step, inputs) => {
  mkdirSync(stamps, { recursive: true });
  writeFileSync(join(stamps, step), digest(inputs));
};

// 1. Packages.
const packages = ['package.json', 'package-lock.json'];
if (!fresh('packages', packages, 'node_modules/piscina')) {
  say('installing packages (npm ci)');
  const { ok, output } = run('npm', ['ci', '--no-audit', '--no-fund', '--ignore-scripts']);
  if (!ok) fail(`npm ci failed: ${gist(output)}`);
  mark('packages', packages);
}

// 2. TypeScript: dist/ and dist/bench/.
const sources = [
  'src',
  'bench',
  'tsconfig.json',
  'package-lock.json',
  'scripts/vendor.mjs',
  'scripts/threads.mjs',
];
if (!fresh('dist', sources, 'dist/cli/main.js')) {
  say('compiling TypeScript');
  // Files whose source is gone must not linger; the incremental state would hide that they are missing.
  unmark('dist');
  rmSync('dist', { recursive: true, force: true });
  for (const project of ['tsconfig.json', 'bench/tsconfig.json']) {
    const { ok, output } = run(process.execPath, ['node_modules/typescript/bin/tsc', '-p', project]);
    if (!ok) fail(`tsc -p ${project} failed: ${gist(output)}`);
  }
  // A few files where there are many: starts of the program and of its threads are quicker.
  for (const script of ['scripts/vendor.mjs', 'scripts/threads.mjs']) {
    const { ok, output } = run(process.execPath, [script]);
    if (!ok) fail(`${script} failed: ${gist(output)}`);
  }
  mark('dist', sources);
}

// 3. The addon, on Linux with a compiler.
const native = ['native', 'CMakeLists.txt', 'package-lock.json'];
const addon = 'build/Release/rxsteer.node';
if (process.platform !== 'linux') {
  say('live ports need Linux: everything else works here');
} else if (!fresh('native', native, addon)) {
  unmark('native');
  const missing = [];
  if (!run('cmake', ['--version']).ok) missing.push('cmake');
  if (!['c++', 'g++', 'clang++'].some((name) => run(name, ['--version']).ok)) missing.push('g++');
  if (!['make', 'ninja'].some((name) => run(name, ['--version']).ok)) missing.push('make');
  if (missing.length > 0) {
    rmSync(addon, { force: true });
    say(
      `no native addon, so no live ports (AF_PACKET, TAP): missing ${missing.join(', ')} (apt-get install ${missing.join(' ')})`,
    );
  } else {
    say('compiling the native addon');
    const { ok, output } = run(process.execPath, [
      'node_modules/cmake-js/bin/cmake-js',
      'compile',
      ...buildJobs(),
    ]);
    if (ok) mark('native', native);
    else {
      rmSync(addon, { force: true });
      say(`the native addon does not build, so no live ports: ${gist(output)}`);
    }
  }
}
