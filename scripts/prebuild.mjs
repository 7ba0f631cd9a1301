// Builds the addons that the package brings, for other machines than this one:
//
//     npm run prebuild [-- TARGET…]
//
// Writes prebuilds/TARGET/rxsteer.node for each (all of them without arguments) and says in one line what is missing to
// build one. Nothing is built that is fresh. The package is not packed without all of them (`prepack`).
//
// One addon is for every Node from 20 on, since it speaks Node-API 8, and for every glibc from 2.28 on, with which Node
// itself starts: the C++ library is inside, and an addon that asks for newer symbols is refused here. What may creep in
// depends on the C library of the machine that builds: Debian 12 is known to do.

import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { compileAddon, failureOf, headersIn, missingTools, ROOT } from './compile-addon.mjs';

/** By target: Node's name of the processor, CMake's, and the prefix of Debian's cross tools and their package. */
const TARGETS = {
  'linux-x64-glibc': {
    arch: 'x64',
    cmake: 'x86_64',
    prefix: 'x86_64-linux-gnu-',
    tools: 'g++-x86-64-linux-gnu',
  },
  'linux-arm64-glibc': {
    arch: 'arm64',
    cmake: 'aarch64',
    prefix: 'aarch64-linux-gnu-',
    tools: 'g++-aarch64-linux-gnu',
  },
};
/** The oldest glibc that the oldest supported Node runs with. */
const GLIBC_MOST = [2, 28];
/** Libraries that Node itself is linked with. */
const LIBRARIES = /^(libc|libm|libgcc_s|libpthread|libdl|ld-linux-[\w-]+)\.so\.\d+$/;

const say = (line) => process.stderr.write(`prebuild: ${line}\n`);

function fail(line) {
  say(line);
  process.exit(1);
}

/** A digest of what an addon is made from. */
function digest() {
  const hash = createHash('sha256');
  const add = (path) => {
    if (statSync(path).isDirectory()) for (const name of readdirSync(path).sort()) add(join(path, name));
    else hash.update(path.slice(ROOT.length)).update('\0').update(readFileSync(path));
  };
  for (const name of ['native', 'CMakeLists.txt', 'scripts/compile-addon.mjs', 'scripts/prebuild.mjs']) {
    add(join(ROOT, name));
  }
  const { devDependencies } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8'));
  return hash
    .update(`${devDependencies['node-addon-api']} ${devDependencies['node-api-headers']}`)
    .digest('hex');
}

/** Why an addon would not load elsewhere, or null. */
function problemOf(file) {
  const readelf = (flag) => execFileSync('readelf', ['-W', flag, file], { encoding: 'utf8' });
  for (const [, library] of readelf('-d').matchAll(/\(NEEDED\).*\[(.+)\]/g)) {
    if (!LIBRARIES.test(library)) return `it needs ${library}`;
  }
  for (const [version, major, minor] of readelf('-V').matchAll(/GLIBC_(\d+)\.(\d+)/g)) {
    const newer = Number(major) - GLIBC_MOST[0] || Number(minor) - GLIBC_MOST[1];
    if (newer > 0) return `it needs ${version}, which is newer than glibc ${GLIBC_MOST.join('.')}`;
  }
  return null;
}

function build(target, { arch, cmake, prefix, tools }) {
  const ours = process.arch === arch && process.platform === 'linux';
  const compiler = ours ? 'g++' : `${prefix}g++`;
  const missing = missingTools([compiler], ours ? 'g++' : tools);
  if (missing.length > 0) {
    fail(`${target}: missing ${missing.join(', ')} (apt-get install ${missing.join(' ')})`);
  }
  say(`compiling ${target}`);
  const folder = join(ROOT, 'build', 'prebuild', target);
  const cross = ours ? {} : { CMAKE_SYSTEM_NAME: 'Linux', CMAKE_SYSTEM_PROCESSOR: cmake };
  const built = compileAddon(folder, headersIn(folder), { CMAKE_CXX_COMPILER: compiler, ...cross });
  const stripped = join(folder, 'rxsteer.node');
  const problem =
    failureOf(ours ? 'strip' : `${prefix}strip`, ['-o', stripped, built]) ?? problemOf(stripped);
  if (problem !== null) throw new Error(problem);
  return stripped;
}

const names = process.argv.slice(2);
for (const name of names) {
  if (!(name in TARGETS)) fail(`unknown target ${name}; there are ${Object.keys(TARGETS).join(' ')}`);
}
const made = digest();
for (const [target, options] of Object.entries(TARGETS)) {
  if (names.length > 0 && !names.includes(target)) continue;
  const file = join(ROOT, 'prebuilds', target, 'rxsteer.node');
  const stamp = join(ROOT, 'build', 'prebuild', `${target}.sha256`);
  if (existsSync(file) && existsSync(stamp) && readFileSync(stamp, 'utf8') === made) continue;
  rmSync(stamp, { force: true });
  try {
    const addon = build(target, options);
    mkdirSync(join(file, '..'), { recursive: true });
    cpSync(addon, file);
    writeFileSync(stamp, made);
  } catch (error) {
    rmSync(file, { force: true });
    fail(`${target}: ${error.message}`);
  }
}
