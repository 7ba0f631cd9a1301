/**
 * `scripts/setup.mjs` in a copy of the project: what it does when nothing, something, or everything is stale, and
 * what it says when a tool is missing.
 *
 * npm, tsc and cmake-js are stand-ins that note their calls and hand out what this checkout has built, so that no
 * network and no minutes of compiling are needed; that the real ones work is shown by this test running at all.
 */
import { spawnSync } from 'node:child_process';
import {
  appendFileSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { inSoak, matrix } from './support/matrix.js';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
const COMPILER = ['cmake', 'g++', 'make'];

let folder: string;
const project = (...parts: string[]) => join(folder, 'project', ...parts);

function program(path: string, text: string): void {
  mkdirSync(join(path, '..'), { recursive: true });
  writeFileSync(path, text, { mode: 0o755 });
}

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'rxsteer-setup-'));
  mkdirSync(project());
  for (const name of ['package.json', 'package-lock.json', 'tsconfig.json', 'CMakeLists.txt']) {
    cpSync(join(ROOT, name), project(name));
  }
  for (const name of ['scripts', 'src', 'native'])
    cpSync(join(ROOT, name), project(name), { recursive: true });
  mkdirSync(project('bench'));
  writeFileSync(project('bench', 'tsconfig.json'), '{}');
  mkdirSync(project('node_modules'));
  for (const name of readdirSync(join(ROOT, 'node_modules'))) {
    if (['typescript', 'cmake-js', '.rxsteer'].includes(name)) continue;
    symlinkSync(join(ROOT, 'node_modules', name), project('node_modules', name));
  }
  const note = `require('node:fs').appendFileSync(${JSON.stringify(join(folder, 'calls'))}, `;
  program(
    project('node_modules', 'typescript', 'bin', 'tsc'),
    `${note}'tsc ' + process.argv.slice(2).join(' ') + '\\n');
     require('node:fs').cpSync(${JSON.stringify(join(ROOT, 'dist'))}, 'dist', { recursive: true });`,
  );
  program(
    project('node_modules', 'cmake-js', 'bin', 'cmake-js'),
    `${note}'cmake-js ' + process.argv.slice(2).join(' ') + '\\n');
     require('node:fs').mkdirSync('build/Release', { recursive: true });
     require('node:fs').writeFileSync('build/Release/rxsteer.node', '');`,
  );
  tools('npm', ...COMPILER);
});

afterEach(() => rmSync(folder, { recursive: true }));

/** What is on the PATH beside node. */
function tools(...names: string[]): void {
  const bin = join(folder, 'bin');
  rmSync(bin, { recursive: true, force: true });
  mkdirSync(bin);
  symlinkSync(process.execPath, join(bin, 'node'));
  for (const name of names) {
    const noted = name === 'npm' ? `echo npm "$@" >> ${join(folder, 'calls')}` : '';
    program(join(bin, name), `#!/bin/sh\n${noted}\n`);
  }
}

function call(...args: string[]) {
  const { status, stdout, stderr } = spawnSync(process.execPath, args, {
    cwd: folder,
    encoding: 'utf8',
    env: { PATH: join(folder, 'bin') },
  });
  return { status, stdout, stderr };
}

/** Runs set-up; what it said, and which programs it ran. */
function setup() {
  rmSync(join(folder, 'calls'), { force: true });
  const { status, stdout, stderr } = call(project('scripts', 'setup.mjs'));
  expect(stdout).toBe('');
  const calls = existsSync(join(folder, 'calls')) ? readFileSync(join(folder, 'calls'), 'utf8') : '';
  const lines = calls.split('\n').filter((line) => line !== '');
  return {
    status,
    said: stderr,
    calls: lines.map((line) => line.replace(/ --parallel [1-9]\d*$/, ' --parallel N')),
  };
}

const NPM = 'npm ci --no-audit --no-fund --ignore-scripts';
const TSC = ['tsc -p tsconfig.json', 'tsc -p bench/tsconfig.json'];
/** With as many compilers at once as there are CPUs, or fewer: a number, since none means all there is to do. */
const CMAKE = 'cmake-js compile --parallel N';

describe('set-up', () => {
  inSoak('installs and builds everything once, then nothing, and is silent about it', () => {
    expect(setup()).toEqual({
      status: 0,
      said: 'setup: installing packages (npm ci)\nsetup: compiling TypeScript\nsetup: compiling the native addon\n',
      calls: [NPM, ...TSC, CMAKE],
    });
    expect(setup()).toEqual({ status: 0, said: '', calls: [] });
  });

  inSoak('makes anew what has become stale, and only that', () => {
    setup();
    appendFileSync(project('src', 'errors.ts'), '\n');
    writeFileSync(project('dist', 'left-over.js'), '');
    expect(setup().calls).toEqual(TSC);
    expect(existsSync(project('dist', 'left-over.js'))).toBe(false);
    appendFileSync(project('native', 'addon.cc'), '\n');
    expect(setup().calls).toEqual([CMAKE]);
    rmSync(project('build'), { recursive: true });
    expect(setup().calls).toEqual([CMAKE]);
    rmSync(project('dist'), { recursive: true });
    expect(setup().calls).toEqual(TSC);
    appendFileSync(project('package-lock.json'), '\n');
    expect(setup().calls).toEqual([NPM, ...TSC, CMAKE]);
    expect(setup().calls).toEqual([]);
  });

  const offers: { there: string[]; missing: string }[] = [
    { there: ['npm', 'g++', 'make'], missing: 'cmake' },
    { there: ['npm', 'cmake', 'clang++', 'ninja'], missing: '' },
    { there: ['npm'], missing: 'cmake g++ make' },
  ];

  it.each(matrix(offers, []))('with $there says that "$missing" is missing', ({ there, missing }) => {
    tools(...there);
    const { status, said, calls } = setup();
    expect(status).toBe(0);
    const last = said.trimEnd().split('\n').at(-1);
    if (missing === '') {
      expect(last).toBe('setup: compiling the native addon');
      return;
    }
    const names = missing.replaceAll(' ', ', ');
    const line = `setup: no native addon, so no live ports (AF_PACKET, TAP): missing ${names} (apt-get install ${missing})`;
    expect(last).toBe(line);
    expect(calls).not.toContain(CMAKE);
    // And again, in one line, until it is there.
    expect(setup()).toEqual({ status: 0, said: `${line}\n`, calls: [] });
    tools('npm', ...COMPILER);
    expect(setup().calls).toEqual([CMAKE]);
  });

  it('installs and builds everything once; without a compiler everything but live ports works, until there is one', () => {
    tools('npm');
    const { status, said, calls } = setup();
    expect({ status, calls }).toEqual({ status: 0, calls: [NPM, ...TSC] });
    expect(said).toMatch(
      /^setup: installing packages \(npm ci\)\nsetup: compiling TypeScript\nsetup: no native addon, so no live ports \(AF_PACKET, TAP\): missing cmake, g\+\+, make [^\n]*\n$/,
    );
    const main = project('dist', 'cli', 'main.js');
    const memory = ['--port', 'a=memory:source,packets=2000', '--port', 'b=memory:sink', '--workers', '2'];
    const run = call(main, 'forward', ...memory, '--policy', 'rps:cpus=0-1', '--json');
    expect({ status: run.status, stderr: run.stderr }).toEqual({ status: 0, stderr: 'ready\n' });
    const summary = JSON.parse(run.stdout);
    expect(summary.totals).toMatchObject({ received: 2000, delivered: 2000, framesLeaked: 0, inFlight: 0 });
    expect(summary.workers[0].cpuMs).toBeNull();
    const live = call(main, 'forward', '--port', 'a=tap:x', '--port', 'b=memory:sink');
    expect({ ...live, stderr: '' }).toEqual({ status: 2, stdout: '', stderr: '' });
    expect(live.stderr).toMatch(
      /^rxsteer: live ports: there is no native addon for [^\n]*; run `npm run setup`/,
    );
    tools('npm', ...COMPILER);
    expect(setup()).toEqual({ status: 0, said: 'setup: compiling the native addon\n', calls: [CMAKE] });
    expect(setup()).toEqual({ status: 0, said: '', calls: [] });
  });

  inSoak('an addon that does not build costs the live ports only', () => {
    const stub = project('node_modules', 'cmake-js', 'bin', 'cmake-js');
    writeFileSync(stub, "console.error('note\\nfoo.cc:1: error: no such thing\\nmore'); process.exit(1);");
    const { status, said } = setup();
    expect(status).toBe(0);
    expect(said.trimEnd().split('\n').at(-1)).toBe(
      'setup: the native addon does not build, so no live ports: foo.cc:1: error: no such thing',
    );
  });

  inSoak('says in one line why it failed', () => {
    program(join(folder, 'bin', 'npm'), '#!/bin/sh\necho "npm error code E404" >&2\nexit 1\n');
    expect(setup()).toMatchObject({
      status: 1,
      said: 'setup: installing packages (npm ci)\nsetup: npm ci failed: npm error code E404\n',
    });
    tools('npm', ...COMPILER);
    const tsc = project('node_modules', 'typescript', 'bin', 'tsc');
    const stub = readFileSync(tsc, 'utf8');
    writeFileSync(tsc, `${stub}\nconsole.log('src/a.ts(1,1): error TS1: no'); process.exit(2);`);
    expect(setup()).toMatchObject({
      status: 1,
      said: expect.stringMatching(/tsc -p tsconfig\.json failed: src\/a\.ts\(1,1\): error TS1: no\n$/),
    });
    // What failed half way is not taken for done.
    writeFileSync(tsc, stub);
    expect(setup().calls).toEqual([...TSC, CMAKE]);
  });
});
