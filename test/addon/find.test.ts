/** Which addon is taken, and what is said where there is none. */

import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type AddonPlace, findAddon, thisPlace } from '#rxsteer/addon/find.js';

const BUILT = 'build/Release/rxsteer.node';
const PREBUILT = 'prebuilds/linux-arm64-glibc/rxsteer.node';

let root: string;
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'rxsteer-find-'));
});
afterEach(() => rmSync(root, { recursive: true }));

const put = (path: string) => {
  mkdirSync(dirname(join(root, path)), { recursive: true });
  writeFileSync(join(root, path), '');
  return join(root, path);
};

const find = (more: Partial<AddonPlace> = {}) =>
  findAddon({
    root,
    platform: 'linux',
    arch: 'arm64',
    libc: () => 'glibc',
    override: undefined,
    ...more,
  });

describe('the addon that is taken', () => {
  it('is the one named, else one built here, else the one for this platform', () => {
    const prebuilt = put(PREBUILT);
    expect(find()).toEqual({ file: prebuilt });
    expect(find({ override: '' })).toEqual({ file: prebuilt });
    const built = put(BUILT);
    expect(find()).toEqual({ file: built });
    const named = put('elsewhere/a.node');
    expect(find({ override: named })).toEqual({ file: named });
  });

  it('is no other than the one that is named', () => {
    put(BUILT);
    expect(find({ override: '/no/such.node' })).toEqual({
      problem: 'the native addon is not where RXSTEER_ADDON says: there is no file /no/such.node',
    });
  });

  it('is for this processor and this C library', () => {
    put(PREBUILT);
    for (const [place, looked, said] of [
      [{ libc: () => 'musl' }, 'linux-arm64-musl', 'linux arm64 with musl'],
      [{ arch: 'riscv64' }, 'linux-riscv64-glibc', 'linux riscv64 with glibc'],
      [{ libc: () => null }, 'linux-arm64-an unknown libc', 'linux arm64 with an unknown libc'],
    ] as const) {
      expect(find(place)).toEqual({
        problem: `there is no native addon for ${said}: neither a built one (${join(root, BUILT)}) nor a prebuilt one (${join(root, 'prebuilds', looked, 'rxsteer.node')}); run \`node ${join(root, 'scripts/build-addon.mjs')}\`, which needs cmake, make and g++, or name one in RXSTEER_ADDON`,
      });
    }
  });

  it('is built by set-up in a checkout', () => {
    mkdirSync(join(root, 'src'));
    const { problem } = find() as { problem: string };
    expect(problem).toMatch(
      /; run `npm run setup`, which needs cmake, make and g\+\+, or name one in RXSTEER_ADDON$/,
    );
  });

  it('is for Linux', () => {
    put(BUILT);
    expect(find({ platform: 'darwin' })).toEqual({ problem: 'live ports need Linux' });
  });

  it('is looked for here, and the C library is known', () => {
    const place = thisPlace();
    expect(place).toMatchObject({ platform: process.platform, arch: process.arch });
    if (process.platform === 'linux') expect(place.libc()).toMatch(/^(glibc|musl)$/);
  });
});

describe('an addon that does not load', () => {
  it('costs the live ports, and says why and what to do in one line', () => {
    const file = put('broken.node');
    const main = new URL(import.meta.resolve('#rxsteer/cli/main.js')).pathname;
    const run = (...args: string[]) =>
      spawnSync(process.execPath, [main, ...args], {
        encoding: 'utf8',
        env: { ...process.env, RXSTEER_ADDON: file },
      });
    const live = run('forward', '--port', 'a=tap:x', '--port', 'b=memory:sink');
    expect({ status: live.status, stdout: live.stdout }).toEqual({ status: 2, stdout: '' });
    expect(live.stderr).toMatch(
      /^rxsteer: live ports: the native addon does not load: .*broken\.node.*; run `npm run setup`[^\n]*\n$/,
    );
    const memory = ['--port', 'a=memory:source,packets=10', '--port', 'b=memory:sink'];
    expect(run('forward', ...memory).status).toBe(0);
  });
});
