// An rxsteer that is ready to run: the packed file, unpacked, with the packages that it depends on. For everything that
// is not npm: the Debian package, the tarball.
import { execFileSync } from 'node:child_process';
import { chmodSync, cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';

export const ROOT = join(dirname(fileURLToPath(import.meta.url)), '..', '..');
export const { version: VERSION } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8'));
/** Processors, as Node calls them. */
export const ARCHITECTURES = ['x64', 'arm64'];

/** Runs a program; what it prints. A failure is thrown with what it printed on standard error. */
export function run(command, args, options = {}) {
  return execFileSync(command, args, {
    cwd: ROOT,
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'pipe'],
    ...options,
  });
}

/** The processor that the command line asks for, or this one. */
export function architecture([arch = process.arch] = process.argv.slice(2)) {
  if (!ARCHITECTURES.includes(arch))
    throw new Error(`no such processor: ${arch}; there are ${ARCHITECTURES.join(', ')}`);
  return arch;
}

/** Packages that have machine code, and for which processor; what they do is done without them elsewhere. */
const isForeign = (path, arch) => /@napi-rs\/nice-/.test(path) && !path.includes(`-linux-${arch}-gnu`);

/** Makes `folder` with everything that rxsteer is on a machine of this processor with glibc. */
export function assemble(folder, arch) {
  const spare = mkdtempSync(join(tmpdir(), 'rxsteer-assemble-'));
  try {
    // Builds what is stale (`prepack`).
    run('npm', ['pack', '--pack-destination', spare], { stdio: ['ignore', 'pipe', 'inherit'] });
    const [file] = readdirSync(spare);
    rmSync(folder, { recursive: true, force: true });
    mkdirSync(folder, { recursive: true });
    run('tar', ['-xzf', join(spare, file), '-C', folder, '--strip-components=1', '--no-same-owner']);
  } finally {
    rmSync(spare, { recursive: true, force: true });
  }
  // As npm does where it makes the command.
  chmodSync(join(folder, 'dist', 'cli', 'main.js'), 0o755);
  for (const name of readdirSync(join(folder, 'prebuilds'))) {
    if (!name.startsWith(`linux-${arch}-`)) rmSync(join(folder, 'prebuilds', name), { recursive: true });
  }
  const paths = run('npm', ['ls', '--omit=dev', '--all', '--parseable']).trim().split('\n').slice(1);
  for (const path of paths.map((one) => relative(ROOT, one))) {
    if (!isForeign(path, arch)) cpSync(join(ROOT, path), join(folder, path), { recursive: true });
  }
}
