// Queues and CPUs of a guest as its virtio network driver pairs them.
import { describe, expect, it, test } from 'vitest';
import { cpuOfQueue, vcpuOfThread } from '#rxsteer/linux/virtio-net.js';

/** `virtnet_set_affinity`, as it stands there: a cursor that goes round the online CPUs. */
function driver(pairs: number, cpus: number): number[] {
  const stride = Math.max(Math.floor(cpus / pairs), 1);
  let stragglers = cpus >= pairs ? cpus % pairs : 0;
  let cursor = 0;
  return Array.from({ length: pairs }, () => {
    const first = cursor;
    const size = stride + (stragglers-- > 0 ? 1 : 0);
    for (let k = 0; k < size; k++) cursor = (cursor + 1) % cpus;
    return first;
  });
}

it('a pair belongs to the first CPU of its group', () => {
  for (let cpus = 1; cpus <= 12; cpus++) {
    for (let pairs = 1; pairs <= 16; pairs++) {
      const ours = Array.from({ length: pairs }, (_, q) => cpuOfQueue(q, pairs, cpus));
      expect(ours, `${pairs} pairs, ${cpus} CPUs`).toEqual(driver(pairs, cpus));
    }
  }
});

describe('threads of virtual CPUs', () => {
  test.each([
    ['CPU 0/KVM', 0],
    ['CPU 17/TCG', 17],
    ['fc_vcpu 3', 3],
    ['vcpu12', 12],
    ['qemu-system-x86', null],
    ['IO mon_iothread', null],
    ['ALL CPUs/TCG', null],
    ['vcpu12x', null],
    ['CPU', null],
  ])('%s', (name, number) => {
    expect(vcpuOfThread(name)).toBe(number);
  });
});
