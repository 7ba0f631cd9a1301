// Fuzzes what native code parses: netlink messages, the kernel's types (BTF), frames and their virtio-net headers, a guest's rings. Each
// target is a program of its own (native/fuzz/*.cc, libFuzzer) without Node, built with AddressSanitizer and
// UndefinedBehaviorSanitizer. A finding fails the run; the input that did it is kept and named.
//
//     node scripts/native-fuzz.mjs [TARGET…]
//
// 15 s a target, or FUZZ_MINUTES for all of them together; FUZZ_SEED (1) to begin elsewhere. What was found to be worth
// keeping stays in build/native-fuzz, so that the next run goes on from there. Without clang it is skipped, and says so. Part of
// `npm run sanitize`.
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');
const out = 'build/native-fuzz';
const DEFAULT_SECONDS = 15;

/** What each target is built of beside itself. */
const SOURCES = {
  netlink: ['native/netlink.cc', 'native/link.cc'],
  btf: ['native/util/btf.cc', 'native/util/file.cc'],
  frames: ['native/ports/super_frame.cc'],
  rings: [
    ...['split_ring', 'ring_events', 'ring_take', 'ring_give', 'chain', 'guest_memory'].map(
      (name) => `native/vhost/${name}.cc`,
    ),
    'native/ports/super_frame.cc',
  ],
};
const OPTIONS = [
  ...['-std=c++20', '-O1', '-g', '-D_GNU_SOURCE', '-Inative', '-fno-sanitize-recover=all'],
  '-fsanitize=fuzzer,address,undefined',
];
/** Headers that name Node's types; nothing of Node is called, so nothing of it is linked. */
const HEADERS = [
  createRequire(import.meta.url)('node-addon-api').include_dir,
  join(dirname(process.execPath), '../include/node'),
  ...nodeHeaders(),
].flatMap((folder) => ['-isystem', folder]);
const NODE = [...HEADERS, '-DNAPI_CPP_EXCEPTIONS', '-DNAPI_VERSION=8'];

/** Where cmake-js put Node's headers when it built the addon. */
function nodeHeaders() {
  const file = join(root, 'build/CMakeCache.txt');
  const found = existsSync(file) ? /^CMAKE_JS_INC:\w+=(.*)$/m.exec(readFileSync(file, 'utf8')) : null;
  return found === null ? [] : found[1].split(';');
}

/** Newest first: `clang++` may be absent where a numbered one is there. */
const compiler = () =>
  ['clang++', ...[20, 19, 18, 17, 16, 15, 14, 13].map((version) => `clang++-${version}`)].find(
    (name) => spawnSync(name, ['--version']).status === 0,
  );

/**
 * Builds and runs the targets of these names (default: all); the lines of what failed, none where all is well.
 * @param {(line: string) => void} say
 * @param {readonly string[]} names
 */
export function fuzzNative(say, names = Object.keys(SOURCES)) {
  const clang = compiler();
  if (clang === undefined) {
    say('native fuzzing is skipped: there is no clang++ (apt-get install clang)');
    return [];
  }
  const { FUZZ_MINUTES, FUZZ_SEED = '1' } = process.env;
  const seconds = FUZZ_MINUTES === undefined ? DEFAULT_SECONDS : (60 * Number(FUZZ_MINUTES)) / names.length;
  const faults = [];
  for (const name of names) {
    const sources = SOURCES[name];
    if (sources === undefined) {
      faults.push(`there is no target "${name}": known: ${Object.keys(SOURCES).join(', ')}`);
      continue;
    }
    const program = join(out, name);
    const corpus = join(out, `${name}-corpus`);
    const found = join(out, `${name}-found-`);
    mkdirSync(join(root, corpus), { recursive: true });
    const built = spawnSync(
      clang,
      [...OPTIONS, ...NODE, '-o', program, `native/fuzz/${name}.cc`, ...sources],
      {
        cwd: root,
        encoding: 'utf8',
      },
    );
    if (built.status !== 0) {
      faults.push(`${name} does not build: ${(built.stderr ?? String(built.error)).trim().split('\n')[0]}`);
      continue;
    }
    say(`fuzzing ${name} for ${Math.ceil(seconds)} s`);
    const ran = spawnSync(
      program,
      [
        ...[`-max_total_time=${Math.ceil(seconds)}`, `-seed=${FUZZ_SEED}`, '-use_value_profile=1'],
        ...['-timeout=10', '-print_final_stats=1', `-artifact_prefix=${found}`, corpus],
      ],
      { cwd: root, encoding: 'utf8', maxBuffer: 1 << 30 },
    );
    const runs = /number_of_executed_units: (\d+)/.exec(ran.stderr)?.[1] ?? 'no';
    if (ran.status === 0) say(`${name}: nothing found in ${runs} inputs`);
    else {
      const what =
        /^(.*(?:ERROR|runtime error):.*)$/m.exec(ran.stderr)?.[1] ?? `ended with ${ran.status ?? ran.signal}`;
      const where = /^ +#\d+ .* (?:\/.*\/)?(native\/(?!fuzz\/)\S+)$/m.exec(ran.stderr)?.[1] ?? '';
      const kept = readdirSync(join(root, out)).filter((file) => file.startsWith(`${name}-found-`));
      const input = kept.at(-1);
      const hex =
        input === undefined
          ? ''
          : readFileSync(join(root, out, input))
              .subarray(0, 64)
              .toString('hex');
      faults.push(`${name}: ${what} ${where}: ${out}/${input} (${hex})`);
    }
  }
  return faults;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const say = (line) => process.stderr.write(`fuzz: ${line}\n`);
  const names = process.argv.slice(2);
  const faults = fuzzNative(say, names.length > 0 ? names : undefined);
  for (const line of faults) say(line);
  process.exitCode = faults.length > 0 ? 1 : 0;
}
