/**
 * One worker for a device against one for each queue: the only published table of worker scaling that was found, of
 * block requests.
 */
import type { Family, PresetScenario } from './preset.js';

const SOURCE = 'virtualization list, "vhost: multiple worker support" v9 (2023)';

const jobs = (workers: 'device' | 'queue', threads: number): Omit<PresetScenario, 'about'> => ({
  ...{ durationMs: 15, warmupMs: 5 },
  // What two jobs of one worker gain is what a request costs less without a kick and an interrupt of its own.
  costs: { base: 'modern', exit: 1500 },
  host: { cpus: { cores: 32 } },
  guests: {
    vm: {
      ...{ vcpus: 16, queues: 16, path: 'vhost-scsi', workers, cpus: '0-15', workerCpus: '16-31' },
      // A job is limited by its own work: 160 k requests a second.
      apps: [{ kind: 'block', threads, depth: 128, workNs: 3340, deviceUs: 80 }],
    },
  },
});

const row = (value: number, fitted = false) => ({
  published: { ...{ value, fitted, within: 0.1 }, source: SOURCE },
});

export const workers: Family = {
  name: 'workers',
  about: 'one vhost worker for a device, and one for each queue: block requests of 1, 2, 4 jobs',
  presets: {
    'device-1-job': { about: 'one worker, one job', ...jobs('device', 1), ...row(160_000, true) },
    'device-2-jobs': {
      about:
        'one worker, two jobs: it never sleeps, so that a request needs neither a kick nor an interrupt of its own',
      ...jobs('device', 2),
      ...row(488_000, true),
    },
    'device-4-jobs': {
      about: 'one worker, four jobs: no more than one worker serves',
      ...jobs('device', 4),
      ...row(488_000, true),
    },
    'queue-1-job': { about: 'a worker for each queue, one job', ...jobs('queue', 1), ...row(160_000) },
    'queue-2-jobs': { about: 'a worker for each queue, two jobs', ...jobs('queue', 2), ...row(310_000) },
    'queue-4-jobs': { about: 'a worker for each queue, four jobs', ...jobs('queue', 4), ...row(620_000) },
  },
  claims: [
    {
      text: 'workers for each queue go on growing where one worker is the limit',
      of: 'throughput.value',
      order: ['workers/queue-4-jobs', 'workers/device-4-jobs'],
      source: SOURCE,
    },
    {
      text: 'two jobs of one worker do more than two workers do for them: a busy worker is not kicked and interrupts less',
      of: 'throughput.value',
      order: ['workers/device-2-jobs', 'workers/queue-2-jobs'],
      atLeast: 1.3,
      source: SOURCE,
    },
    {
      text: 'and pays for it in kicks and interrupts',
      of: 'perPacket.exits',
      order: ['workers/queue-2-jobs', 'workers/device-2-jobs'],
      atLeast: 3,
      source: SOURCE,
    },
  ],
};
