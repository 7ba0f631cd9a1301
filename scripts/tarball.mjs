// Builds a tarball that has Node inside, for machines that have none, or an old one:
//
//     npm run tarball [-- x64|arm64 [NODE]]
//
// Writes build/rxsteer-VERSION-linux-ARCH.tar.gz. NODE is a Node for that processor (default: the one that runs this),
// linked with nothing but the C and C++ libraries, with its LICENSE in the folder above `bin`. Unpack it anywhere;
// bin/rxsteer may be linked to.
import {
  chmodSync,
  cpSync,
  existsSync,
  mkdirSync,
  realpathSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { architecture, assemble, ROOT, run, VERSION } from './package/assemble.mjs';

/** What every Linux with glibc has. */
const LIBRARIES =
  /^(libc|libm|libdl|libpthread|librt|libatomic|libgcc_s|libstdc\+\+|ld-linux[\w-]*)\.so\.\d+$/;
const MACHINES = { x64: 'X86-64', arm64: 'AArch64' };

const LAUNCHER = `#!/bin/sh
here=$(dirname "$(readlink -f "$0")")
exec "$here/../lib/node" "$here/../lib/rxsteer/dist/cli/main.js" "$@"
`;

/** Why a Node cannot be taken elsewhere, or null. */
function problemOf(node, arch) {
  if (!run('readelf', ['-h', node]).includes(MACHINES[arch])) return `is not for ${arch}`;
  const needed = [...run('readelf', ['-W', '-d', node]).matchAll(/\(NEEDED\).*\[(.+)\]/g)].map(
    ([, name]) => name,
  );
  const odd = needed.find((name) => !LIBRARIES.test(name));
  return odd === undefined ? null : `needs ${odd}, which is not everywhere: take one from nodejs.org`;
}

function licenceOf(node) {
  const places = [
    join(dirname(node), '..', 'LICENSE'),
    '/usr/share/doc/nodejs/LICENSE',
    '/usr/share/doc/nodejs/copyright',
  ];
  return places.find((path) => existsSync(path));
}

try {
  const arch = architecture();
  const node = realpathSync(resolve(process.argv[3] ?? process.execPath));
  const problem = problemOf(node, arch);
  if (problem !== null) throw new Error(`${node} ${problem}`);
  const licence = licenceOf(node);
  if (licence === undefined) throw new Error(`${node}: its LICENSE is not in the folder above`);

  const name = `rxsteer-${VERSION}-linux-${arch}`;
  const folder = join(ROOT, 'build', 'tarball', name);
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(join(folder, 'bin'), { recursive: true });
  mkdirSync(join(folder, 'share', 'man'), { recursive: true });
  assemble(join(folder, 'lib', 'rxsteer'), arch);
  renameSync(join(folder, 'lib', 'rxsteer', 'man'), join(folder, 'share', 'man', 'man1'));
  cpSync(node, join(folder, 'lib', 'node'));
  chmodSync(join(folder, 'lib', 'node'), 0o755);
  cpSync(licence, join(folder, 'lib', 'node.LICENSE'));
  writeFileSync(join(folder, 'bin', 'rxsteer'), LAUNCHER, { mode: 0o755 });
  const file = join('build', `${name}.tar.gz`);
  const owner = ['--owner=root:0', '--group=root:0', '--sort=name'];
  run('tar', ['-czf', file, ...owner, '-C', dirname(folder), name]);
  process.stdout.write(`${file}\n`);
} catch (error) {
  process.stderr.write(`tarball: ${error.message.split('\n')[0]}\n`);
  process.exitCode = 1;
}
