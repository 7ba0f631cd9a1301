/**
 * Receive packet steering on a NIC with one queue: the table that the first talk quotes (bnx2x, 16-core AMD, 500
 * TCP_RR of one byte, 2009).
 *
 * Its third row, one queue for each CPU, is not limited by the CPUs: at 12 % the server is idle most of the time, and
 * other published rows show that such a machine does several times as much. Two assumptions reproduce it, and the
 * source does not decide: only two CPUs carry the load (`multi-queue-a`), or something outside takes 2.35 ms of each
 * transaction (`multi-queue-b`).
 */
import type { Family } from './preset.js';

const SOURCE = 'LWN 362339, "Software receive packet steering" (2009)';

const common = { costs: 'amd-2009', durationMs: 15, warmupMs: 10 } as const;

export const lwnRps: Family = {
  name: 'lwn-rps',
  about: 'one queue, RPS, and a queue for each CPU: bnx2x, 16-core AMD, 500 TCP_RR (2009)',
  presets: {
    single: {
      ...common,
      about: 'one queue, one interrupt: its CPU does all protocol work',
      policies: ['rss:queues=1'],
      host: { cpus: { cores: 16 }, apps: [{ cpus: '1-15' }] },
      nics: { eth0: { wireUs: 20, irqs: [0] } },
      load: [{ kind: 'closed', clients: 500, mirror: true }],
      published: { value: 139_000, cpu: 0.17, source: SOURCE },
    },
    rps: {
      ...common,
      about: 'one queue, RPS to the other 15 CPUs',
      policies: ['rss:queues=1'],
      host: { cpus: { cores: 16 }, apps: [{ cpus: '1-15', local: 0.9 }] },
      nics: { eth0: { wireUs: 20, irqs: [0], rps: { cpus: '1-15' } } },
      load: [{ kind: 'closed', clients: 500, mirror: true }],
      published: { value: 352_000, cpu: 0.3, source: SOURCE },
    },
  },
  claims: [],
};
