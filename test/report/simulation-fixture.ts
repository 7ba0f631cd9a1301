/** A small host under two policies, for the tests of the simulator's page. */
import type { SimulationResult } from '#rxsteer/simulate/result/result.js';
import { simulate } from '#rxsteer/simulate/simulate.js';

/** With a recording, and what limits. */
export function simulationResult(): SimulationResult {
  return simulate(
    {
      ...{ name: 'two guests', durationMs: 1, warmupMs: 0.5, workers: '0-1' },
      policies: ['rps:cpus=0-1', 'mac:stage=nic,assign=follow-cpu'],
      host: { cpus: { cores: 4 } },
      nics: { eth0: { queues: 2, irqs: '0-1' } },
      guests: { vm: { count: 2, vcpus: 1, cpus: '2-3', workerCpus: '0-1', tapLock: 'shared' } },
      load: [{ kind: 'open', rate: 150_000, flows: 16 }],
    },
    { record: true },
  );
}
