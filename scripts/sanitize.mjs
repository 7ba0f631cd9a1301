// Runs the tests of the native layer, and of forwarders that use it, with an addon that checks itself: AddressSanitizer
// (bounds, use after free) and UndefinedBehaviorSanitizer (alignment, overflow, shifts). Fails on any finding: it ends the
// process in which it is made, so the test that started that fails; what the first of the two found is shown at the end.
//
//     npm run sanitize [-- TEST_FILE…]
//
// The addon is built apart, and the tests run in a copy of the tree that has it in the usual place, so that neither the
// program nor the tests know of it. Node itself is not instrumented: its own leaks would drown ours, so leaks are not
// looked for (descriptors and mappings have tests). ThreadSanitizer cannot be loaded into a program that is not built
// for it; what native code threads share is tested by a program without Node (test/native/fixtures/hash_threads.cc). What
// it parses is fuzzed last (native-fuzz.mjs).
import { execFileSync, spawnSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, symlinkSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { fuzzNative } from './native-fuzz.mjs';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');
process.chdir(root);
const say = (line) => process.stderr.write(`sanitize: ${line}\n`);

function fail(line) {
  say(line);
  process.exit(1);
}

/** Tests of native code, and live ones that lead many kinds of frames, ports and ends through it. */
const TESTS = [
  'test/native',
  'test/fuzz/live.test.ts',
  'test/dataplane/engine/captures.test.ts',
  'test/dataplane/engine/live-vanish.test.ts',
  'test/dataplane/ports/memory/native-source.test.ts',
  'test/dataplane/ports/vhost-user',
  'test/scenario/live.test.ts',
  'test/scenario/offload.test.ts',
  'test/scenario/lifecycle.test.ts',
  'test/cli/forward-privileges.test.ts',
];
const out = 'build/sanitize';
const tree = join(out, 'tree');
const logs = join(root, out, 'findings');

if (process.platform !== 'linux') fail('the native addon is for Linux');
const library = (name) => {
  const found = spawnSync('g++', [`-print-file-name=${name}`], { encoding: 'utf8' });
  const path = (found.stdout ?? '').trim();
  if (!path.startsWith('/')) fail(`${name} is missing (apt-get install g++)`);
  return path;
};
// Exceptions are thrown by the C++ library, which must be there when the sanitizer looks for it.
const preload = ['libasan.so', 'libstdc++.so.6'].map(library).join(' ');

// A build folder that was configured otherwise stays so.
const cache = join(out, 'CMakeCache.txt');
const wanted = /^RXSTEER_SANITIZE:[A-Z]+=address,undefined$/m;
if (!existsSync(cache) || !wanted.test(readFileSync(cache, 'utf8')))
  rmSync(out, { recursive: true, force: true });

say('compiling the addon with address and undefined behaviour checks');
const built = spawnSync(
  process.execPath,
  ['node_modules/cmake-js/bin/cmake-js', 'compile', '--out', out, '--CDRXSTEER_SANITIZE=address,undefined'],
  { encoding: 'utf8' },
);
if (built.status !== 0) fail(`the addon does not build: ${built.stderr.trim().split('\n').at(-1)}`);

const addon = readFileSync(join(out, 'Release/rxsteer.node'), 'latin1');
for (const check of ['__asan_report_load', '__ubsan_handle']) {
  if (!addon.includes(check)) fail(`the addon was built without ${check}`);
}

for (const path of [tree, logs]) rmSync(path, { recursive: true, force: true });
mkdirSync(join(tree, 'build/Release'), { recursive: true });
mkdirSync(logs);
const copied = ['dist', 'src', 'test', 'bench', 'native', 'scripts', 'assets', 'examples'];
const files = readdirSync('.').filter((name) => /\.(json|ts|md|txt)$/.test(name));
for (const name of [...copied, ...files].filter((path) => existsSync(path))) {
  cpSync(name, join(tree, name), { recursive: true });
}
if (existsSync('build/tools')) cpSync('build/tools', join(tree, 'build/tools'), { recursive: true });
cpSync(join(out, 'Release/rxsteer.node'), join(tree, 'build/Release/rxsteer.node'));
symlinkSync(join(root, 'node_modules'), join(tree, 'node_modules'));

const environment = {
  ...process.env,
  LD_PRELOAD: preload,
  ASAN_OPTIONS: `detect_leaks=0:alloc_dealloc_mismatch=0:log_path=${logs}/asan`,
  // It writes to standard error whatever it is told.
  UBSAN_OPTIONS: 'print_stacktrace=1:abort_on_error=1',
  // Everything takes longer; what waits should not give up for that.
  RXSTEER_SLOW: process.env.RXSTEER_SLOW ?? '4',
};
// Does the checked addon load at all?
const probe = `const { loadNative, nativeProblem } = await import('./dist/addon/native.js'); if (loadNative() === null) throw new Error(nativeProblem());`;
try {
  execFileSync(process.execPath, ['--input-type=module', '-e', probe], {
    cwd: tree,
    env: environment,
    stdio: 'pipe',
  });
} catch (error) {
  fail(`the checked addon does not load: ${String(error.stderr).trim().split('\n').at(-1)}`);
}
const given = process.argv.slice(2);
const tests = (given.length > 0 ? given : TESTS).filter((path) => existsSync(path));
const run = spawnSync(process.execPath, ['node_modules/vitest/vitest.mjs', 'run', ...tests], {
  cwd: tree,
  env: environment,
  stdio: 'inherit',
});

// What native code threads share, without Node.
const kernels = readdirSync('native/hash').filter((file) => /^kernel_.*\.cc$/.test(file));
const sources = ['plan.cc', 'burst_hash.cc', ...kernels].map((file) => `native/hash/${file}`);
const program = join(out, 'hash_threads');
const options = ['-std=c++20', '-O1', '-g', '-fsanitize=thread', '-pthread', '-D_GNU_SOURCE', '-Inative'];
say('threads that hash at once, under ThreadSanitizer');
const compiled = spawnSync('g++', [
  ...[...options, '-o', program, 'test/native/fixtures/hash_threads.cc'],
  ...sources,
]);
if (compiled.status !== 0) fail(`they do not build: ${String(compiled.stderr).trim().split('\n')[0]}`);
const raced = spawnSync(program, { encoding: 'utf8' });
if (raced.status !== 0) fail(`they race: ${raced.stdout}${raced.stderr}`);

const faults = fuzzNative(say);
if (faults.length > 0) fail(faults.join('; '));

const findings = readdirSync(logs);
for (const name of findings) process.stderr.write(readFileSync(join(logs, name)));
if (findings.length > 0) fail(`${findings.length} finding(s) in ${logs}`);
if (run.status !== 0) fail('tests failed');
say('nothing found');
