/** How little an installed rxsteer brings, and that it brings what it uses. */
import { readdirSync, readFileSync } from 'node:fs';
import { builtinModules } from 'node:module';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { lockedPackages, ROOT, runtimeFolders } from './lock.js';

const manifest = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as Record<string, never>;
const PACKAGES_MOST = 40;

describe('an installed rxsteer', () => {
  it.each(['x64', 'arm64'])(
    'brings few packages on %s, none of which runs anything when it is installed',
    (arch) => {
      const folders = runtimeFolders(arch);
      expect(folders.length).toBeGreaterThan(10);
      expect(folders.length).toBeLessThanOrEqual(PACKAGES_MOST);
      const locked = lockedPackages();
      expect(folders.filter((folder) => locked[folder]!.hasInstallScript === true)).toEqual([]);
    },
  );

  it('runs nothing itself when it is installed, and needs nothing of who installs it', () => {
    expect(Object.keys(manifest.scripts)).not.toContain('install');
    for (const name of ['preinstall', 'install', 'postinstall', 'prepare', 'prepublish']) {
      expect(manifest.scripts, name).not.toHaveProperty(name);
    }
    // npm heeds it in the outermost package only.
    expect(manifest).not.toHaveProperty('overrides');
    // A script of this name would run by itself before one called build.
    expect(manifest.scripts).not.toHaveProperty('build');
  });

  it('has packages that run with the oldest Node that it runs with itself', () => {
    const floor = (range: string) => {
      const lowest = range
        .split('||')
        .map((part) => /(?:>=|\^|~)?\s*v?(\d+)(?:\.(\d+))?/.exec(part.trim()))
        .map((match) => (match === null ? 0 : Number(match[1]) * 1000 + Number(match[2] ?? 0)));
      return Math.min(...lowest);
    };
    expect(floor((manifest.engines as { node: string }).node)).toBe(20_019);
    const locked = lockedPackages();
    const tooNew = runtimeFolders().filter((folder) => floor(locked[folder]!.engines?.node ?? '*') > 20_019);
    expect(tooNew).toEqual([]);
  });

  it('uses no package that it does not bring', () => {
    // Optional packages are loaded when they are asked for, and missed in one line.
    const optional = Object.keys(manifest.peerDependencies);
    const meta = manifest.peerDependenciesMeta as Record<string, { optional?: boolean }>;
    expect(optional.filter((name) => meta[name]?.optional !== true)).toEqual([]);
    const own = [...Object.keys(manifest.dependencies), ...optional];
    const brought = new Set([...own, ...builtinModules, 'rxsteer']);
    const used = new Map<string, string>();
    const files = readdirSync(join(ROOT, 'dist'), { recursive: true, encoding: 'utf8' });
    // The benchmarks say what they lack when they run; what `vendor` names is bundled, see `package.test.ts`.
    for (const file of files.filter((name) => /\.js$/.test(name) && !/^(bench|vendor)\b/.test(name))) {
      // Comments show what a user's program imports.
      const text = readFileSync(join(ROOT, 'dist', file), 'utf8').replace(/^\s*\*.*$/gm, '');
      const imports =
        /(?:\bfrom|\bimport|\bimport\(|\brequire\(|createRequire\(import\.meta\.url\)\()\s*['"]([@\w][\w@/.:-]*)['"]/g;
      for (const [, name] of text.matchAll(imports)) {
        if (/^[.#]|^node:/.test(name!)) continue;
        const parts = name!.split('/');
        used.set(name!.startsWith('@') ? parts.slice(0, 2).join('/') : parts[0]!, file);
      }
    }
    expect([...used].filter(([name]) => !brought.has(name))).toEqual([]);
    // And brings none that it does not use. uPlot is read as text.
    const idle = Object.keys(manifest.dependencies).filter((name) => !used.has(name) && name !== 'uplot');
    expect(idle).toEqual([]);
  });
});
