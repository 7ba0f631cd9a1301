/**
 * Virtual machines of a test: QEMU with a Debian kernel and a RAM disk. Either with one virtio-net device on a TAP of
 * the test's namespace (`bootGuest`), or on its own, with Node and the built program in it (`runInGuest`).
 *
 * Promise: nothing of the machine's own is used but what the `…Missing` functions name; the guest ends with the lab.
 * QEMU emulates the CPU (no KVM needed): a guest boots in seconds and moves about a gigabit a second; Node starts some
 * thirty times slower than usual.
 */
import { cpSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import {
  emulatorMissing,
  GUEST_ROOT,
  GuestRoot,
  type Kernel,
  kernelsIn,
  VIRTIO_NETWORK,
} from '../../bench/lab/guest-image.js';
import { tool } from '../../bench/tools/build.mjs';
import { type Lab, onPath } from './lab.js';
import type { Process } from './processes.js';

const REPOSITORY = fileURLToPath(new URL('../../', import.meta.url));

/** What guests need and this machine lacks, with the packages that bring it, or ''. */
export function guestsMissing(): string {
  const kernel =
    kernelsIn(GUEST_ROOT, VIRTIO_NETWORK).length > 0
      ? []
      : ['linux-image-cloud-amd64 (or RXSTEER_GUEST_ROOT = where it was unpacked with dpkg-deb -x)'];
  return [...emulatorMissing(), ...kernel].join(', ');
}

/**
 * The kernels below the folders of RXSTEER_KERNELS (separated by colons; each where a package was unpacked with
 * `dpkg-deb -x`), or the reason why there are none. Throws for a folder without a kernel that has tun and veth.
 */
export function kernelsToTry(): Kernel[] | string {
  const folders = (process.env.RXSTEER_KERNELS ?? '').split(':').filter((folder) => folder !== '');
  if (folders.length === 0) return 'RXSTEER_KERNELS names no folders with unpacked kernels';
  const missing = [...emulatorMissing(), ...(onPath('ip') ? [] : ['iproute2'])];
  if (missing.length > 0) return `missing ${missing.join(', ')}`;
  return folders.flatMap((folder) => {
    const kernels = kernelsIn(folder, ['drivers/net/tun', 'drivers/net/veth']);
    if (kernels.length === 0) throw new Error(`RXSTEER_KERNELS: ${folder} has no kernel with tun and veth`);
    return kernels;
  });
}

export interface GuestOptions {
  readonly mac: string;
  /** IPv4 address with prefix length. */
  readonly address: string;
  /** What it runs once its network is up; it is powered off after it. */
  readonly script: string;
  /** The socket of a vhost-user port, in place of a TAP, and pairs of rings (one virtual CPU each). */
  readonly vhostUser?: { readonly path: string; readonly queues: number };
  /** Further options of QEMU. */
  readonly more?: readonly string[];
  /** Programs of this machine that it has beside busybox: absolute paths. */
  readonly programs?: readonly string[];
  /** It waits for another one that moves into it: resolves as soon as it is started. */
  readonly incoming?: string;
}

function emulate(lab: Lab, ns: string, kernel: Kernel, disk: string, ...options: string[]): Process {
  return lab.start(
    ns,
    ...['qemu-system-x86_64', '-accel', 'tcg', '-display', 'none', '-no-reboot'],
    ...['-kernel', kernel.image, '-initrd', disk, '-append', 'console=ttyS0 quiet panic=-1 no_timer_check'],
    ...options,
  );
}

/**
 * Boots a guest whose TAP `link` appears in the namespace (or one behind a vhost-user port); resolves with the running QEMU when it says that its network
 * is up. Its console is the process's standard output.
 */
export async function bootGuest(
  lab: Lab,
  ns: string,
  folder: string,
  link: string,
  { mac, address, script, vhostUser, more = [], programs = [], incoming }: GuestOptions,
): Promise<Process> {
  const kernel = kernelsIn(GUEST_ROOT, VIRTIO_NETWORK)[0]!;
  const up = `ip link set eth0 up; ip address add ${address} dev eth0; echo; echo guest is up`;
  const root = new GuestRoot(join(folder, link));
  for (const program of programs) root.program(program);
  const disk = root.pack(kernel, `${up}\n${script}`);
  const device = `virtio-net-pci,netdev=n,mac=${mac}`;
  const network =
    vhostUser === undefined
      ? [...['-netdev', `tap,id=n,ifname=${link},script=no,downscript=no,vhost=off`], ...['-device', device]]
      : [
          ...['-object', 'memory-backend-memfd,id=m,size=192M,share=on', '-numa', 'node,memdev=m'],
          ...['-smp', `${vhostUser.queues}`],
          ...['-chardev', `socket,id=c,path=${vhostUser.path},reconnect=1`],
          ...['-netdev', `vhost-user,id=n,chardev=c,queues=${vhostUser.queues}`],
          // QEMU 7.2 crashes here with MSI-X.
          ...['-device', `${device},vectors=0,rx_queue_size=1024,mq=${vhostUser.queues > 1 ? 'on' : 'off'}`],
        ];
  const arrival = incoming === undefined ? [] : ['-incoming', incoming];
  const guest = emulate(
    lab,
    ns,
    kernel,
    disk,
    '-m',
    '192',
    '-serial',
    'stdio',
    ...network,
    ...more,
    ...arrival,
  );
  if (incoming === undefined) await guest.line(/^guest is up/m, 60_000);
  return guest;
}

/** Where the built program is in a guest of `runInGuest`, laid out as in the repository. */
export const GUEST_REPOSITORY = '/rxsteer';

/** Inside the package they are part of the program (`src/vendor`), here they are packages. */
const VENDORED = ['zod', 'tar', '@isaacs/fs-minipass', 'chownr', 'minipass', 'minizlib', 'yallist'].map(
  (name) => `node_modules/${name}`,
);

/** Node, ip, the traffic tools, and the built program with the packages it needs. */
export function addProgram(root: GuestRoot): void {
  root.program(process.execPath, '/usr/local/bin/node');
  root.program(onPath('ip')!);
  for (const name of ['pktgen', 'pktsink']) root.program(tool(name));
  const addon = 'build/Release/rxsteer.node';
  root.program(join(REPOSITORY, addon), `${GUEST_REPOSITORY}/${addon}`);
  for (const name of ['package.json', 'test/support/xsk-send.mjs']) {
    root.file(join(REPOSITORY, name), `${GUEST_REPOSITORY}/${name}`);
  }
  const lock = readFileSync(join(REPOSITORY, 'node_modules/.package-lock.json'), 'utf8');
  const packages: Record<string, { dev?: boolean; optional?: boolean }> = JSON.parse(lock).packages;
  const needed = Object.keys(packages).filter((name) => !packages[name]!.dev && !packages[name]!.optional);
  for (const name of ['dist', ...needed, ...VENDORED]) {
    cpSync(join(REPOSITORY, name), join(root.path, GUEST_REPOSITORY, name), { recursive: true });
  }
}

/** A kernel with a virtio network card and these modules besides, in the order of their dependences; undefined = none. */
export function kernelWith(more: readonly string[]): Kernel | undefined {
  return kernelsIn(GUEST_ROOT, [...VIRTIO_NETWORK, ...more])[0];
}

/** What a guest of `runInGuest` has beside the usual. */
export interface GuestExtras {
  /** Options of QEMU in place of those for two CPUs and no network. */
  readonly options?: readonly string[];
  /** Puts files beside the program. */
  readonly prepare?: (root: GuestRoot) => void;
  /** While it runs. */
  readonly meanwhile?: () => Promise<void>;
}

/**
 * Runs a shell script in a guest without network that has Node, `ip`, `pktgen`, `pktsink` and the built program; resolves
 * with what its console showed once it is powered off. Rejects when that takes longer than `patienceMs`.
 */
export async function runInGuest(
  lab: Lab,
  ns: string,
  folder: string,
  kernel: Kernel,
  script: string,
  patienceMs: number,
  { options = ['-smp', '2', '-nic', 'none'], prepare, meanwhile }: GuestExtras = {},
): Promise<string> {
  const log = join(folder, 'console');
  const root = new GuestRoot(join(folder, kernel.version));
  addProgram(root);
  prepare?.(root);
  const guest = emulate(
    lab,
    ns,
    kernel,
    root.pack(kernel, `echo; ${script}`),
    ...['-cpu', 'max', '-m', '1500', ...options, '-serial', `file:${log}`],
  );
  const shown = () => readFileSync(log, 'utf8').replaceAll('\r', '');
  await meanwhile?.();
  await guest.finish(patienceMs).catch((error) => {
    throw new Error(`${error.message}\n${shown()}`);
  });
  return shown();
}
