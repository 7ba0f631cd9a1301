/**
 * What the addon asks of the machine that it is loaded on, read from its ELF file by readelf: that of this checkout, and
 * those that the package brings where they have been built (`npm run prebuild`).
 */
import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const PREBUILDS = join(ROOT, 'prebuilds');
const targets = existsSync(PREBUILDS) ? readdirSync(PREBUILDS) : [];
const built = join(ROOT, 'build/Release/rxsteer.node');
const files: readonly (readonly [string, string])[] = [
  ...(existsSync(built) ? [[`linux-${process.arch}`, built] as const] : []),
  ...targets.map((target) => [target, join(PREBUILDS, target, 'rxsteer.node')] as const),
];
const hasReadelf = spawnSync('readelf', ['--version']).status === 0;
if (files.length === 0 || !hasReadelf) {
  process.stderr.write('tests of what the addon asks for are skipped: need the addon and readelf\n');
}
/** What Node 20, 22, 24 and 26 are themselves linked with. */
const NODES_OWN = /^(libc|libm|libpthread|libdl|libgcc_s|ld-linux-x86-64|ld-linux-aarch64)\.so\.[126]$/;
const MACHINES: Readonly<Record<string, string>> = { x64: 'X86-64', arm64: 'AArch64' };

const readelf = (flag: string, file: string) =>
  execFileSync('readelf', ['-W', flag, file], { encoding: 'utf8', maxBuffer: 1 << 26 });

describe.skipIf(files.length === 0 || !hasReadelf).each(files)('the addon for %s', (target, file) => {
  it('is of that machine', () => {
    const [, machine] = /Machine:\s+(?:Advanced Micro Devices )?(\S+)/.exec(readelf('-h', file))!;
    expect(machine).toBe(MACHINES[target.split('-')[1]!]);
  });

  it('needs no library that Node does not bring along, and no symbol newer than glibc 2.28', () => {
    const needed = [...readelf('-d', file).matchAll(/\(NEEDED\).*\[(.+)\]/g)].map(([, name]) => name!);
    expect(needed).toContain('libc.so.6');
    expect(needed.filter((name) => !NODES_OWN.test(name))).toEqual([]);
    // Every symbol from outside that has a version: "memcpy@GLIBC_2.14 (5)".
    const outside = [...readelf('--dyn-syms', file).matchAll(/ UND (\S+)@(\w+)_([\d.]+)/g)];
    expect(outside.length).toBeGreaterThan(50);
    const tooNew = outside.filter(([, , library, version]) => {
      const [major, minor] = version!.split('.').map(Number);
      if (library === 'GLIBC') return major! > 2 || minor! > 28;
      // The unwinder of GCC 4.2, and nothing of the C++ library.
      return library !== 'GCC' || major! > 4;
    });
    expect(tooNew.map(([symbol]) => symbol)).toEqual([]);
  });

  it('takes everything else from Node-API 8, and gives Node its two entries only', () => {
    // Value, size, type, bind, visibility, section, name.
    const table = / (\w+) +(GLOBAL|WEAK) +\w+ +(UND|\d+) (\S+)/g;
    const symbols = [...readelf('--dyn-syms', file).matchAll(table)];
    const given = symbols.filter(([, , , section]) => section !== 'UND').map(([, , , , name]) => name);
    expect(given.toSorted()).toEqual(['napi_register_module_v1', 'node_api_module_get_api_version_v1']);
    const header = 'node_modules/node-api-headers/symbols.js';
    const { v8 } = (
      Function('module', `${readFileSync(join(ROOT, header), 'utf8')}; return module.exports`) as (
        module: object,
      ) => { v8: Record<string, string[]> }
    )({});
    const known = new Set(Object.values(v8).flat());
    const asked = symbols.filter(([, , , section]) => section === 'UND');
    const napi = asked.map(([, , , , name]) => name!).filter((name) => /^(napi|node_api)_/.test(name));
    expect(napi.length).toBeGreaterThan(20);
    expect(napi.filter((name) => !known.has(name))).toEqual([]);
    // What is weak need not be there: hooks of the C and C++ runtime.
    const others = asked.filter(([, , bind, , name]) => bind === 'GLOBAL' && !name!.includes('@'));
    expect(others.map(([, , , , name]) => name!).filter((name) => !napi.includes(name))).toEqual([]);
  });
});

describe('names of errors', () => {
  const preprocess = () =>
    spawnSync('g++', ['-E', '-dM', '-x', 'c++', '-'], { input: '#include <cerrno>\n', encoding: 'utf8' });

  it.skipIf(preprocess().status !== 0)('are known for every number that the C library defines', () => {
    const defined = [...preprocess().stdout.matchAll(/^#define (E[A-Z0-9]+) (\w+)$/gm)];
    expect(defined.length).toBeGreaterThan(120);
    const source = readFileSync(join(ROOT, 'native/util/errors.cc'), 'utf8');
    const named = new Set([...source.matchAll(/\bN\((E[A-Z0-9]+)\)/g)].map(([, name]) => name));
    // Those that are another name for a number are not asked for: EWOULDBLOCK, EDEADLOCK, ENOTSUP.
    const missing = defined.filter(([, name, value]) => /^\d+$/.test(value!) && !named.has(name));
    expect(missing.map(([, name]) => name)).toEqual([]);
  });
});
