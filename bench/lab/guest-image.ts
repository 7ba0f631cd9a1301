/**
 * What a virtual machine of a test or a benchmark boots: a kernel of the machine's own or of an unpacked package, and an initial RAM
 * disk of busybox, modules, a script and whatever files are put beside them.
 *
 * Promise: reads the machine's files, writes below the given folder only. Modules may be compressed (.xz, .zst, .gz), as
 * distributions have them, or built into the kernel.
 */
import { execFileSync, spawnSync } from 'node:child_process';
import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { gunzipSync, gzipSync } from 'node:zlib';
import { hasProgram } from './programs.js';

const BUSYBOX = '/bin/busybox';

export interface Kernel {
  readonly version: string;
  readonly image: string;
  /** Files of the modules that are not built in, in the order of loading. */
  readonly modules: readonly string[];
}

/** What a guest with a virtio network card loads, in the order of their dependences. */
export const VIRTIO_NETWORK = [
  'drivers/virtio/virtio_ring',
  'drivers/virtio/virtio',
  'drivers/virtio/virtio_pci_modern_dev',
  'drivers/virtio/virtio_pci_legacy_dev',
  'drivers/virtio/virtio_pci',
  'net/core/failover',
  'drivers/net/net_failover',
  'drivers/net/virtio_net',
];

/** Where a package with a kernel was unpacked (`dpkg-deb -x`); else that of this machine. */
export const GUEST_ROOT = process.env.RXSTEER_GUEST_ROOT || '/';

/** How modules are read, by the ending of their names. */
const UNPACK: Record<string, (file: string) => Buffer> = {
  '': readFileSync,
  '.gz': (file) => gunzipSync(readFileSync(file)),
  '.xz': (file) => execFileSync('xz', ['-dc', file], { maxBuffer: 64 << 20 }),
  '.zst': (file) => execFileSync('zstd', ['-dcq', file], { maxBuffer: 64 << 20 }),
};

/** Files of the modules (`drivers/net/tun`), or undefined where one is neither there nor built in. */
function modulesOf(folder: string, names: readonly string[]): string[] | undefined {
  const list = join(folder, 'modules.builtin');
  const builtIn = existsSync(list) ? readFileSync(list, 'utf8') : '';
  const files: string[] = [];
  for (const name of names) {
    const file = join(folder, 'kernel', `${name}.ko`);
    const ending = Object.keys(UNPACK).find((end) => existsSync(file + end));
    if (ending !== undefined) files.push(file + ending);
    else if (!builtIn.includes(`kernel/${name}.ko`)) return undefined;
  }
  return files;
}

/** The kernels below a folder (`/`, or where packages were unpacked) that have these modules. */
export function kernelsIn(root: string, names: readonly string[]): Kernel[] {
  const folder = join(root, 'lib/modules');
  const versions = existsSync(folder) ? readdirSync(folder).sort() : [];
  return versions.flatMap((version) => {
    const image = join(root, `boot/vmlinuz-${version}`);
    const modules = modulesOf(join(folder, version), names);
    return existsSync(image) && modules !== undefined ? [{ version, image, modules }] : [];
  });
}

/** What emulating needs and this machine lacks: names of packages. */
export function emulatorMissing(): string[] {
  const static_ =
    existsSync(BUSYBOX) && !spawnSync('ldd', [BUSYBOX], { encoding: 'utf8' }).stdout.includes('=>');
  return [hasProgram('qemu-system-x86_64') ? '' : 'qemu-system-x86', static_ ? '' : 'busybox-static'].filter(
    (name) => name !== '',
  );
}

/** A folder that becomes the root of a guest: busybox in /bin, other programs in /usr/local/bin. */
export class GuestRoot {
  constructor(readonly path: string) {
    for (const name of ['bin', 'proc', 'sys', 'dev', 'modules', 'tmp']) {
      mkdirSync(join(path, name), { recursive: true });
    }
    copyFileSync(BUSYBOX, join(path, 'bin/busybox'));
    symlinkSync('busybox', join(path, 'bin/sh'));
  }

  /** A copy of a file of this machine, at the same or another path of the guest. */
  file(from: string, to = from): void {
    const target = join(this.path, to);
    mkdirSync(dirname(target), { recursive: true });
    copyFileSync(from, target);
  }

  /** A program, or a shared library, with the libraries it needs. */
  program(from: string, to = `/usr/local/bin/${basename(from)}`): void {
    this.file(from, to);
    const libraries = spawnSync('ldd', [from], { encoding: 'utf8' }).stdout;
    for (const [, library] of libraries.matchAll(/(?:^|\s)(\/\S+) \(0x/g)) this.file(library!);
  }

  /**
   * Packs it, with the kernel's modules and a script that runs once they are loaded and after which the guest is
   * powered off; returns the path of the RAM disk.
   */
  pack(kernel: Kernel, script: string): string {
    const loads = kernel.modules.map((file, n) => {
      const ending = Object.keys(UNPACK).find((end) => end !== '' && file.endsWith(end)) ?? '';
      writeFileSync(join(this.path, `modules/${n}.ko`), UNPACK[ending]!(file));
      return `insmod /modules/${n}.ko`;
    });
    const init = [
      '#!/bin/sh',
      '/bin/busybox --install -s /bin',
      'export PATH=/usr/local/bin:/bin',
      'mount -t proc proc /proc; mount -t sysfs sysfs /sys; mount -t devtmpfs dev /dev',
      ...loads,
      'echo 1 > /proc/sys/net/ipv6/conf/all/disable_ipv6',
      'echo 1 > /proc/sys/net/ipv6/conf/default/disable_ipv6',
      'ip link set lo up',
      script,
      'poweroff -f',
    ];
    writeFileSync(join(this.path, 'init'), `${init.join('\n')}\n`);
    chmodSync(join(this.path, 'init'), 0o755);
    const names = spawnSync('find', ['.'], { cwd: this.path, encoding: 'utf8', maxBuffer: 64 << 20 }).stdout;
    const archive = execFileSync(BUSYBOX, ['cpio', '-o', '-H', 'newc'], {
      cwd: this.path,
      input: names,
      maxBuffer: 1 << 30,
      stdio: ['pipe', 'pipe', 'ignore'],
    });
    const disk = `${this.path}.gz`;
    writeFileSync(disk, gzipSync(archive, { level: 1 }));
    return disk;
  }
}
