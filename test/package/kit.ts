/**
 * An installed rxsteer without npm's help: the packed file, unpacked, with copies of the packages that it depends on
 * beside it, and nothing else. What npm itself makes of the packed file is tried by the soak.
 */
import { execFileSync, spawnSync } from 'node:child_process';
import {
  chmodSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  symlinkSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { ROOT, runtimeFolders } from './lock.js';

export interface Packed {
  readonly file: string;
  /** Paths of what is in it. */
  readonly paths: readonly string[];
  readonly unpackedBytes: number;
}

/** Packs the checkout as it is, without building anything. */
export function pack(folder: string): Packed {
  const args = ['pack', '--ignore-scripts', '--json', '--pack-destination', folder];
  const text = execFileSync('npm', args, { cwd: ROOT, encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] });
  const [packed] = JSON.parse(text) as [
    { filename: string; unpackedSize: number; files: { path: string }[] },
  ];
  return {
    file: join(folder, packed.filename),
    paths: packed.files.map(({ path }) => path),
    unpackedBytes: packed.unpackedSize,
  };
}

export interface Run {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs a program where there is no compiler, no checkout and no variable that rxsteer knows. */
export function runBare(command: string, args: readonly string[], cwd: string, input = ''): Run {
  const { status, stdout, stderr, error } = spawnSync(command, args, {
    cwd,
    input,
    encoding: 'utf8',
    env: { PATH: dirname(process.execPath), HOME: cwd },
    timeout: 180_000,
  });
  return { status, stdout, stderr: `${stderr}${error?.message ?? ''}` };
}

export interface Installed {
  /** A folder with nothing but `node_modules`. */
  readonly folder: string;
  /** The package. */
  readonly root: string;
  readonly packed: Packed;
  /** Runs its command. */
  run(args: readonly string[], input?: string): Run;
  remove(): void;
}

/** Packages of the checkout, copied with what they depend on themselves; `where` = a folder `node_modules`. */
export function copyPackages(names: readonly string[], where: string): void {
  for (const name of names) {
    cpSync(join(ROOT, 'node_modules', name), join(where, name), { recursive: true, dereference: true });
  }
}

export function install(): Installed {
  const folder = mkdtempSync(join(tmpdir(), 'rxsteer-package-'));
  const packed = pack(folder);
  const modules = join(folder, 'node_modules');
  mkdirSync(modules);
  execFileSync('tar', ['-xzf', packed.file, '-C', modules]);
  const root = join(modules, 'rxsteer');
  cpSync(join(modules, 'package'), root, { recursive: true });
  rmSync(join(modules, 'package'), { recursive: true });
  // Instead of what it is bundled from, and of all declarations.
  execFileSync(process.execPath, ['scripts/bundle.mjs', root], { cwd: ROOT, stdio: 'pipe' });
  // That of this checkout, which is what `npm run prebuild` makes but for its symbols.
  const built = join(ROOT, 'build/Release/rxsteer.node');
  if (existsSync(built)) {
    const prebuilt = join(root, `prebuilds/linux-${process.arch}-glibc/rxsteer.node`);
    mkdirSync(dirname(prebuilt), { recursive: true });
    cpSync(built, prebuilt);
  }
  for (const path of runtimeFolders()) {
    cpSync(join(ROOT, path), join(folder, path), { recursive: true, dereference: true });
  }
  mkdirSync(join(folder, 'bin'));
  const command = join(folder, 'bin', 'rxsteer');
  symlinkSync('../node_modules/rxsteer/dist/cli/main.js', command);
  // As npm does.
  chmodSync(command, 0o755);
  return {
    folder,
    root,
    packed,
    run: (args, input) => runBare(command, args, join(folder, 'bin'), input),
    remove: () => rmSync(folder, { recursive: true }),
  };
}

/** Bytes of all files below a folder. */
export function bytesBelow(folder: string, size: (path: string) => number): number {
  return readdirSync(folder, { recursive: true, encoding: 'utf8' }).reduce(
    (sum, path) => sum + size(join(folder, path)),
    0,
  );
}
