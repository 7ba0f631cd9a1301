/**
 * Which CPU of a guest reads which queue of its virtio network card, as Linux's driver arranges it.
 *
 * Promise: pure. The driver gives each of its queue pairs a group of neighbouring CPUs, all of them if it has one pair,
 * and asks that the pair's interrupts come there. Of a group the first is named: which of them the interrupt really
 * reaches is the guest's matter, and so is an administrator's (`irqbalance`).
 *
 * Source: `virtnet_set_affinity` of drivers/net/virtio_net.c (5.0 and later; before, with as many pairs as CPUs, the same).
 */

/** The place, among the guest's online CPUs in order, of the first CPU of pair `queue` of `pairs` that are in use. */
export function cpuOfQueue(queue: number, pairs: number, cpus: number): number {
  if (cpus < pairs) return queue % cpus;
  return queue * Math.floor(cpus / pairs) + Math.min(queue, cpus % pairs);
}

/** Names that QEMU (with `debug-threads=on`), Firecracker, cloud-hypervisor and crosvm give the threads of virtual CPUs. */
const VCPU = /^(?:CPU (\d+)\/|fc_vcpu (\d+)|vcpu(\d+)$)/;

/** The number of the virtual CPU that a thread of this name is; null where it is none. */
export function vcpuOfThread(name: string): number | null {
  const [, ...numbers] = VCPU.exec(name) ?? [];
  const number = numbers.find((one) => one !== undefined);
  return number === undefined ? null : Number(number);
}
