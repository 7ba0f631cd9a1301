/**
 * A virtual machine that boots a whole Debian, with systemd as its first process, from a tree that debootstrap made.
 *
 * Promise: the tree is copied, never changed. QEMU emulates the CPU (no KVM needed): it boots in a minute or two.
 */
import { execFileSync, spawn } from 'node:child_process';
import { chmodSync, existsSync, mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { emulatorMissing, GuestRoot, type Kernel, kernelsIn } from '../../bench/lab/guest-image.js';
import { installed } from './lab.js';

/** In the order of their dependences. */
const MODULES = [
  'drivers/virtio/virtio_ring',
  'drivers/virtio/virtio',
  'drivers/virtio/virtio_pci_modern_dev',
  'drivers/virtio/virtio_pci_legacy_dev',
  'drivers/virtio/virtio_pci',
  'drivers/block/virtio_blk',
  'drivers/net/tun',
  'drivers/net/veth',
  'fs/ext4/ext4',
];
const KERNELS = process.env.RXSTEER_GUEST_ROOT || '/';
/** `debootstrap --variant=minbase --include=systemd,systemd-sysv,dbus,iproute2,iputils-ping,procps bookworm FOLDER` made it. */
const TREE = process.env.RXSTEER_DEBIAN_ROOT ?? '';

/** Why no Debian can be booted here, or ''. */
export function debianMissing(): string {
  if (!existsSync(join(TREE, 'lib/systemd/systemd')) || TREE === '')
    return 'RXSTEER_DEBIAN_ROOT names no tree that debootstrap made, with systemd';
  const missing = [...emulatorMissing(), installed('mke2fs') ? '' : 'e2fsprogs'].filter(
    (name) => name !== '',
  );
  if (kernelsIn(KERNELS, MODULES).length === 0)
    missing.push('linux-image-cloud-amd64 (or RXSTEER_GUEST_ROOT = where it was unpacked)');
  return missing.length === 0 ? '' : `missing ${missing.join(', ')}`;
}

/** A copy of the tree, to be changed before it is booted. */
export class DebianTree {
  readonly path: string;

  constructor(private readonly folder: string) {
    this.path = join(folder, 'tree');
    execFileSync('cp', ['-a', TREE, this.path]);
    for (const name of ['usr/share/doc', 'usr/share/locale', 'var/cache/apt', 'var/lib/apt/lists'])
      rmSync(join(this.path, name), { recursive: true, force: true });
  }

  file(path: string, text: string, mode = 0o644): void {
    const target = join(this.path, path);
    mkdirSync(join(target, '..'), { recursive: true });
    writeFileSync(target, text);
    chmodSync(target, mode);
  }

  /** Runs a command with the tree as its root. */
  inside(...command: string[]): string {
    return execFileSync('chroot', [this.path, ...command], {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'pipe'],
    });
  }

  /**
   * Boots it, runs a script by bash once systemd is up, and resolves with what the script said on the console when it has
   * ended. Rejects after `patienceMs`, with what was said until then.
   */
  async boot(script: string, patienceMs: number): Promise<string> {
    this.file(
      'drive',
      `#!/bin/bash\nexec >/dev/ttyS0 2>&1\n${script}\necho DRIVEN\nsystemctl poweroff --force --force\n`,
      0o755,
    );
    const unit = '[Unit]\nAfter=dbus.service\n[Service]\nType=exec\nExecStart=/drive\n';
    this.file('etc/systemd/system/drive.service', unit);
    const wants = join(this.path, 'etc/systemd/system/multi-user.target.wants');
    mkdirSync(wants, { recursive: true });
    symlinkSync('../drive.service', join(wants, 'drive.service'));
    // A login there would hang the script's console up.
    symlinkSync('/dev/null', join(this.path, 'etc/systemd/system/serial-getty@ttyS0.service'));
    const disk = join(this.folder, 'disk');
    execFileSync('mke2fs', ['-q', '-t', 'ext4', '-d', this.path, disk, '1500M']);
    const kernel = kernelsIn(KERNELS, MODULES)[0] as Kernel;
    const initial = new GuestRoot(join(this.folder, 'initial')).pack(
      kernel,
      [
        'mkdir -p /new; mount -t ext4 /dev/vda /new || echo no disk',
        'umount /dev /sys /proc; exec switch_root /new /lib/systemd/systemd',
      ].join('\n'),
    );
    const log = join(this.folder, 'console');
    const guest = spawn(
      'qemu-system-x86_64',
      [
        ...['-accel', 'tcg', '-cpu', 'max', '-smp', '2', '-m', '1500', '-display', 'none', '-no-reboot'],
        ...['-nic', 'none', '-serial', `file:${log}`, '-kernel', kernel.image, '-initrd', initial],
        ...['-drive', `file=${disk},format=raw,if=virtio,cache=unsafe`],
        ...['-append', 'console=ttyS0 quiet panic=-1 no_timer_check systemd.show_status=no'],
      ],
      { stdio: 'ignore' },
    );
    const timer = setTimeout(() => guest.kill('SIGKILL'), patienceMs);
    await new Promise((resolve) => guest.once('exit', resolve));
    clearTimeout(timer);
    const said = readFileSync(log, 'latin1').replaceAll('\r', '');
    if (!said.includes('DRIVEN')) throw new Error(`the guest did not come to its end:\n${said.slice(-4000)}`);
    return said;
  }
}
