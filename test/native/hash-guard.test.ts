// Kernels over a pool between pages that cannot be read; for arm64 too, where a cross compiler and QEMU are installed
// (apt-get install g++-aarch64-linux-gnu qemu-user).
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, describe, expect, it } from 'vitest';
import { nativeKernelNames } from '#rxsteer/addon/hash-kernels.js';
import { ELSEWHERE, WHOLE } from '../support/matrix.js';

const root = fileURLToPath(new URL('../..', import.meta.url));
const directory = mkdtempSync(join(tmpdir(), 'rxsteer-hash-'));
afterAll(() => rmSync(directory, { recursive: true, force: true }));

const has = (program: string) => spawnSync(program, ['--version']).status === 0;

function build(compiler: string, options: string[]): string {
  const program = join(directory, compiler);
  const kernels = readdirSync(join(root, 'native/hash')).filter((file) => /^kernel_.*\.cc$/.test(file));
  const sources = ['plan.cc', 'burst_hash.cc', ...kernels].map((file) => `native/hash/${file}`);
  execFileSync(
    compiler,
    [
      ...['-std=c++20', '-O1', '-D_GNU_SOURCE', '-Wall', '-Wextra', '-Werror', '-Inative', ...options],
      ...['-o', program, 'test/native/fixtures/hash_guard.cc', ...sources],
    ],
    { cwd: root, stdio: 'pipe' },
  );
  return program;
}

/** Names of the kernels that passed. */
function kernelsOf(command: string, args: string[] = []): string[] {
  const { status, signal, stdout, stderr } = spawnSync(command, args, { encoding: 'utf8' });
  expect([status, signal, stderr]).toEqual([0, null, '']);
  return stdout.trim().split('\n');
}

describe('the hash kernels read nothing beyond the pool', { timeout: 120_000 }, () => {
  it.runIf(WHOLE && has('c++'))(`on this processor${ELSEWHERE}`, () => {
    const passed = kernelsOf(build('c++', []));
    expect(passed.at(-1)).toBe('table');
    if (nativeKernelNames().length > 0) expect(passed).toEqual(nativeKernelNames());
  });

  it.skipIf(!WHOLE || !has('aarch64-linux-gnu-g++') || !has('qemu-aarch64'))(
    `on arm64 (QEMU)${ELSEWHERE}`,
    () => {
      const program = build('aarch64-linux-gnu-g++', ['-static']);
      expect(kernelsOf('qemu-aarch64', [program])).toEqual(['pmull', 'table']);
    },
  );
});
