/**
 * What each check reads, beside what it asks for itself.
 *
 * Promise: where one of these could not be read of a subject, and the check found nothing there, the diagnosis lists it as
 * unknown. test/host/blind.test.ts takes each of them away from each check's own case.
 */
import type { Reading } from '../unread.js';

const DEVICE: readonly Reading[] = ['devices'];
const IRQS: readonly Reading[] = ['devices', 'interrupts', 'affinities'];
const RPS: readonly Reading[] = ['devices', 'queues', 'rps'];
const RFS: readonly Reading[] = ['devices', 'queues', 'flows', 'sysctls'];

/** By the check's id; the others read nothing that they do not name themselves. */
export const NEEDS: Readonly<Record<string, readonly Reading[]>> = {
  'rps-on-rss': [...RPS, ...IRQS],
  'rps-wanted': [...RPS, ...IRQS],
  'rps-offline': RPS,
  'rps-self': [...RPS, ...IRQS],
  'rps-hot-irq-cpu': [...RPS, ...IRQS],
  'rps-remote': [...RPS, ...IRQS, 'nodes'],
  'rps-sibling': [...RPS, ...IRQS],
  'rps-isolated': RPS,
  'rps-uneven-queues': RPS,
  'rps-stacked': RPS,
  'rfs-half': RFS,
  'rfs-sizes': RFS,
  'rfs-forwarder': RFS,
  'arfs-idle': [...RFS, 'features'],
  'channels-low': [...IRQS, 'channels'],
  'channels-high': [...DEVICE, 'channels'],
  'rss-cap': [...DEVICE, 'channels'],
  'reta-uneven': [...DEVICE, 'rss'],
  'reta-hole': [...DEVICE, 'rss'],
  'reta-small': [...DEVICE, 'rss'],
  'udp-addresses-only': [...DEVICE, 'fields'],
  'key-weak': [...DEVICE, 'rss'],
  'sniffer-asymmetric': [...DEVICE, 'rss', 'processes'],
  'rxhash-off': [...RPS, 'features'],
  'queue-skew': [...DEVICE, 'counters'],
  'tunnel-outer': [...DEVICE, 'counters'],
  'vlan-dsa-hides-ip': [...DEVICE, 'counters'],
  'ntuple-dead': [...DEVICE, 'rules'],
  'irq-pileup': IRQS,
  'irq-remote': [...IRQS, 'nodes'],
  'irq-mask-is-no-spread': IRQS,
  'irq-hint-unused': IRQS,
  'irqbalance-fights': [...IRQS, 'processes'],
  'irqbalance-absent': [...IRQS, 'processes'],
  'irq-isolated': IRQS,
  'rx-tx-split': IRQS,
  'irq-legacy-shared': IRQS,
  'napi-threaded': DEVICE,
  'xps-none': [...DEVICE, 'queues', 'xps'],
  'xps-hole': [...DEVICE, 'queues', 'xps'],
  'xps-remote': [...IRQS, 'queues', 'xps', 'nodes'],
  'vm-flow-steering': IRQS,
  'mq-without-queues': ['processes'],
  'guest-queues-idle': [...DEVICE, 'channels'],
  'vhost-off': ['processes'],
  'emulated-nic': ['processes'],
  'cpu-mismatch': [...IRQS, 'processes'],
  'vcpu-on-irq-cpu': ['processes'],
  'vhost-unpinned': ['processes'],
  'bridge-nf': [...DEVICE, 'sysctls'],
  'ring-drops': [...DEVICE, 'counters'],
  'cloud-limits': [...DEVICE, 'counters'],
  'irq-storm': IRQS,
  gro: [...DEVICE, 'features'],
  'defer-half': DEVICE,
  'numa-balancing': ['processes', 'sysctls', 'nodes'],
  cpufreq: IRQS,
  'queues-ghost': [...DEVICE, 'queues', 'channels', 'kernel'],
};
