/**
 * A virtual machine of a test: QEMU with a Debian kernel, an initial RAM disk of busybox and a script, and one
 * virtio-net device on a TAP of the test's namespace.
 *
 * Promise: nothing of the machine's own is used but what `missing()` names; the guest ends with the lab. QEMU emulates
 * the CPU (no KVM needed): a guest boots in seconds and moves about a gigabit a second.
 */
import { execFileSync, spawnSync } from 'node:child_process';
import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { installed, type Lab } from './lab.js';
import type { Process } from './processes.js';

/** Where a package with a kernel was unpacked; empty = installed. */
const ROOT = process.env.RXSTEER_GUEST_ROOT ?? '';
const BUSYBOX = '/bin/busybox';
/** In the order of their dependences. */
const MODULES = [
  'drivers/virtio/virtio_ring',
  'drivers/virtio/virtio',
  'drivers/virtio/virtio_pci_modern_dev',
  'drivers/virtio/virtio_pci_legacy_dev',
  'drivers/virtio/virtio_pci',
  'net/core/failover',
  'drivers/net/net_failover',
  'drivers/net/virtio_net',
].map((name) => `${name}.ko`);

/** Version of a kernel with virtio as modules, or undefined. */
function kernel(): string | undefined {
  const folder = `${ROOT}/lib/modules`;
  const versions = existsSync(folder) ? readdirSync(folder) : [];
  return versions.find(
    (version) =>
      existsSync(`${ROOT}/boot/vmlinuz-${version}`) &&
      MODULES.every((name) => existsSync(`${folder}/${version}/kernel/${name}`)),
  );
}

/** What guests need and this machine lacks, with the packages that bring it, or ''. */
export function guestsMissing(): string {
  const lacks = [
    installed('qemu-system-x86_64') ? '' : 'qemu-system-x86',
    existsSync(BUSYBOX) && !spawnSync('ldd', [BUSYBOX], { encoding: 'utf8' }).stdout.includes('=>')
      ? ''
      : 'busybox-static',
    kernel() === undefined
      ? 'linux-image-cloud-amd64 (or RXSTEER_GUEST_ROOT = where it was unpacked with dpkg-deb -x)'
      : '',
  ].filter((name) => name !== '');
  return lacks.join(', ');
}

export interface GuestOptions {
  readonly mac: string;
  /** IPv4 address with prefix length. */
  readonly address: string;
  /** What it runs once its network is up; it is powered off after it. */
  readonly script: string;
}

/**
 * Boots a guest whose TAP `link` appears in the namespace; resolves with the running QEMU when it says that its network
 * is up. Its console is the process's standard output.
 */
export async function bootGuest(
  lab: Lab,
  ns: string,
  folder: string,
  link: string,
  options: GuestOptions,
): Promise<Process> {
  const version = kernel()!;
  const disk = ramDisk(join(folder, link), version, options);
  const guest = lab.start(
    ns,
    ...['qemu-system-x86_64', '-accel', 'tcg', '-m', '192', '-nographic', '-no-reboot'],
    ...['-kernel', `${ROOT}/boot/vmlinuz-${version}`, '-initrd', disk, '-append', 'console=ttyS0 quiet'],
    ...['-netdev', `tap,id=n,ifname=${link},script=no,downscript=no,vhost=off`],
    ...['-device', `virtio-net-pci,netdev=n,mac=${options.mac}`],
  );
  await guest.line(/^guest is up/m, 60_000);
  return guest;
}

function ramDisk(root: string, version: string, { address, script }: GuestOptions): string {
  for (const name of ['bin', 'proc', 'sys', 'dev', 'modules', 'tmp']) {
    mkdirSync(join(root, name), { recursive: true });
  }
  copyFileSync(BUSYBOX, join(root, 'bin/busybox'));
  symlinkSync('busybox', join(root, 'bin/sh'));
  const modules = MODULES.map((name, n) => {
    const file = `modules/${n}.ko`;
    copyFileSync(`${ROOT}/lib/modules/${version}/kernel/${name}`, join(root, file));
    return `insmod /${file}`;
  });
  const init = [
    '#!/bin/sh',
    '/bin/busybox --install -s /bin',
    'mount -t proc proc /proc; mount -t sysfs sysfs /sys; mount -t devtmpfs dev /dev',
    ...modules,
    'echo 1 > /proc/sys/net/ipv6/conf/all/disable_ipv6',
    'ip link set lo up; ip link set eth0 up',
    `ip address add ${address} dev eth0`,
    'echo; echo guest is up',
    script,
    'poweroff -f',
  ];
  writeFileSync(join(root, 'init'), `${init.join('\n')}\n`);
  chmodSync(join(root, 'init'), 0o755);
  const names = spawnSync('find', ['.'], { cwd: root, encoding: 'utf8' }).stdout;
  const archive = execFileSync(BUSYBOX, ['cpio', '-o', '-H', 'newc'], {
    cwd: root,
    input: names,
    maxBuffer: 256 << 20,
    stdio: ['pipe', 'pipe', 'ignore'],
  });
  const disk = `${root}.gz`;
  writeFileSync(disk, gzipSync(archive, { level: 1 }));
  return disk;
}
