/**
 * Virtual machines with NVMe controllers, of any shape of CPUs, for what Linux makes of both.
 *
 * Promise: a guest boots with a RAM disk, runs a script, is powered off; its console comes back as text. Nothing of this
 * machine is touched. QEMU emulates the CPUs, so no privileges and no KVM are needed.
 */
import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { emulatorMissing, GuestRoot, type Kernel, kernelsIn } from '../../bench/lab/guest-image.js';

const run = promisify(execFile);

/** Kernels with that driver: the one of the other guests, and those of RXSTEER_KERNELS; or what is missing. */
export function kernelsWith(...modules: string[]): Kernel[] | string {
  const missing = emulatorMissing();
  if (missing.length > 0) return `missing ${missing.join(', ')}`;
  const folders = [process.env.RXSTEER_GUEST_ROOT || '/', ...(process.env.RXSTEER_KERNELS ?? '').split(':')];
  const kernels = folders.filter((folder) => folder !== '').flatMap((folder) => kernelsIn(folder, modules));
  if (kernels.length > 0) return kernels;
  return `no kernel with ${modules.join(', ')}: linux-image-cloud-amd64 (or RXSTEER_GUEST_ROOT = where it was unpacked with dpkg-deb -x)`;
}

/** A controller: QEMU's `max_ioqpairs` and `msix_qsize`. */
export interface Controller {
  readonly ioQueues: number;
  readonly vectors?: number;
}

/** Boots and returns what the console showed. Rejects when that takes longer than `patienceMs`. */
export async function runStorageGuest(
  folder: string,
  kernel: Kernel,
  {
    script,
    smp,
    options = [],
    controllers = [],
    prepare = () => {},
    memory = 512,
    append = '',
    patienceMs = 120_000,
  }: {
    readonly script: string;
    /** `-smp` of QEMU. */
    readonly smp: string;
    /** More options of QEMU, e.g. `-numa`. */
    readonly options?: readonly string[];
    readonly controllers?: readonly Controller[];
    /** Puts more files into the guest. */
    readonly prepare?: (root: GuestRoot) => void;
    /** In MiB. */
    readonly memory?: number;
    /** More of the kernel's command line. */
    readonly append?: string;
    readonly patienceMs?: number;
  },
): Promise<string> {
  const log = join(folder, 'console');
  const root = new GuestRoot(join(folder, 'root'));
  prepare(root);
  const disk = root.pack(kernel, script);
  const devices = controllers.flatMap(({ ioQueues, vectors = 65 }, n) => [
    ...['-blockdev', `null-co,node-name=d${n},size=16777216,read-zeroes=on`],
    ...['-device', `nvme,serial=s${n},drive=d${n},max_ioqpairs=${ioQueues},msix_qsize=${vectors}`],
  ]);
  const { error } = await run(
    'qemu-system-x86_64',
    [
      ...[
        '-accel',
        'tcg',
        '-cpu',
        'max',
        '-display',
        'none',
        '-no-reboot',
        '-nic',
        'none',
        '-m',
        `${memory}`,
      ],
      ...['-smp', smp, '-serial', `file:${log}`, '-kernel', kernel.image, '-initrd', disk],
      ...['-append', `console=ttyS0 panic=-1 no_timer_check loglevel=1 ${append}`],
      ...options,
      ...devices,
    ],
    { timeout: patienceMs },
  ).then(
    () => ({ error: undefined }),
    (error: unknown) => ({ error }),
  );
  const shown = readFileSync(log, 'utf8').replaceAll('\r', '');
  if (error !== undefined) throw new Error(`the guest did not end: ${String(error)}\n${shown}`);
  return shown;
}
