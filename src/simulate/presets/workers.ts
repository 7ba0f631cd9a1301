/**
 * One worker for a device against one for each queue: the only published table of worker scaling that was found, of
 * block requests.
 */
import type { Family, PresetScenario } from './preset.js';

const SOURCE = 'virtualization list, "vhost: multiple worker support" v9 (2023)';

const jobs = (workers: 'device' | 'queue', threads: number): Omit<PresetScenario, 'about'> => ({
  ...{ durationMs: 15, warmupMs: 5 },
  host: { cpus: { cores: 32 } },
  guests: {
    vm: {
      ...{ vcpus: 16, queues: 16, path: 'vhost-scsi', workers, cpus: '0-15', workerCpus: '16-31' },
      // A job is limited by its own work: 160 k requests a second.
      apps: [{ kind: 'block', threads, depth: 128, workNs: 3750, deviceUs: 80 }],
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
        'one worker, two jobs: published at three times one job, more than two workers do for the same jobs',
      ...jobs('device', 2),
      ...row(488_000),
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
  ],
};
