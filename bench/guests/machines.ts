/**
 * Virtual machines of the benchmark: four behind each path, of the same kernel, with one virtual CPU each.
 *
 * Promise: they are started once and stay for all rounds; those that are not measured sleep. A machine takes streams at
 * ports 5001 and 5002, gives one to whoever connects to port 5003, and runs what is written to its console. Everything
 * ends with the process.
 */
import { join } from 'node:path';
import { vcpuOfThread } from '#rxsteer/linux/virtio-net.js';
import {
  emulatorMissing,
  GUEST_ROOT,
  GuestRoot,
  type Kernel,
  kernelsIn,
  VIRTIO_NETWORK,
} from '../lab/guest-image.js';
import { Child } from '../lab/process.js';
import { GUEST_PATHS, type GuestPath } from './paths.js';

export const MACHINES = 4;
export const SINK_PORTS = [5001, 5002];
export const SOURCE_PORT = 5003;

/** Emulated machines that boot side by side take long. */
const BOOT_MS = 240_000;

export const macOf = (n: number) => `52:54:00:00:00:0${n}`;
export const addressOf = (n: number) => `10.9.0.${n}`;

/** What is missing for any machine at all, in one line; null where nothing is. */
export function machinesMissing(): string | null {
  const missing = emulatorMissing();
  if (kernelsIn(GUEST_ROOT, VIRTIO_NETWORK).length === 0)
    missing.push('linux-image-amd64 (or RXSTEER_GUEST_ROOT = where it was unpacked with dpkg-deb -x)');
  return missing.length === 0 ? null : `guests: virtual machines left out: missing ${missing.join(', ')}`;
}

/** The newest kernel that has what most paths need; those that it cannot serve are named. */
export function chooseKernel(): { kernel: Kernel; paths: GuestPath[]; without: string[] } {
  const every = GUEST_PATHS.flatMap(({ modules }) => modules);
  const whole = kernelsIn(GUEST_ROOT, [...VIRTIO_NETWORK, ...every]).at(-1);
  if (whole !== undefined) return { kernel: whole, paths: [...GUEST_PATHS], without: [] };
  const kernel = kernelsIn(GUEST_ROOT, VIRTIO_NETWORK).at(-1)!;
  return {
    kernel,
    paths: GUEST_PATHS.filter(({ modules }) => modules.length === 0),
    without: GUEST_PATHS.filter(({ modules }) => modules.length > 0).map(
      ({ name }) =>
        `guests: ${name} left out: kernel ${kernel.version} has no such driver (linux-image-amd64 has, the cloud kernel has not)`,
    ),
  };
}

export class Machine {
  private constructor(private readonly child: Child) {}

  /** @param folder for its RAM disk and socket */
  static start(folder: string, namespace: string, kernel: Kernel, path: GuestPath, n: number): Machine {
    const name = `${path.name}-${n}`;
    const at = path.at(folder, n);
    const script = [
      `ip link set eth0 up; ip address add ${addressOf(n)}/24 dev eth0`,
      // A standard input without end: at its end nc tells the other one, which then ends too.
      'mkfifo /tmp/open; exec 9<>/tmp/open',
      ...SINK_PORTS.map((port) => `(while :; do nc -l -p ${port} <&9 >/dev/null; done) &`),
      `(while :; do nc -l -p ${SOURCE_PORT} </dev/zero 2>/dev/null; done) &`,
      'echo; echo guest is up',
      'while read -r line; do eval "$line"; done',
    ].join('\n');
    const disk = new GuestRoot(join(folder, name)).pack(kernel, script);
    const child = new Child(
      name,
      [
        ...['qemu-system-x86_64', '-accel', 'tcg', '-display', 'none', '-no-reboot', '-nodefaults'],
        ...['-name', `${name},debug-threads=on`, '-m', '192', '-serial', 'stdio'],
        ...['-object', 'memory-backend-memfd,id=m,size=192M,share=on', '-numa', 'node,memdev=m'],
        ...['-kernel', kernel.image, '-initrd', disk],
        ...['-append', 'console=ttyS0 quiet panic=-1 no_timer_check'],
        ...path.card(at, macOf(n)),
      ],
      { namespace },
    );
    return new Machine(child);
  }

  /** Resolves when it has its address. */
  async isUp(): Promise<void> {
    await this.child.until(/^guest is up/m, BOOT_MS);
  }

  get pid(): number {
    return this.child.pid;
  }

  /** Runs a line of shell in it. */
  run(line: string): void {
    this.child.write(`${line}\n`);
  }

  kill(): void {
    this.child.kill();
  }
}

/** True for a thread that runs a guest's own code. */
export const isVirtualCpu = (name: string) => vcpuOfThread(name) !== null;
