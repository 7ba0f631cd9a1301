// An NVMe disk on a server of two sockets: which CPU submits where, where completions go, and what queues, polling and a
// queue for each tenant bring, on virtual time.   node examples/nvme-queues.mjs [IO-QUEUES [KERNEL]]
import {
  blockBehaviour,
  blockMachine,
  completionOf,
  formatQueueCpus,
  groupCpusEvenly,
  MODERN_BLOCK,
  mapQueues,
  nvmeQueues,
  presetNamed,
  QUEUE_TYPES,
  queueCpus,
  queueFor,
  simulate,
} from 'rxsteer';

const [ioQueues = '7', kernel] = process.argv.slice(2);
const rules = kernel === undefined ? MODERN_BLOCK : blockBehaviour(kernel);
const machine = blockMachine({ sockets: 2, cores: 4, threads: 2 });

// nvme.write_queues=2 nvme.poll_queues=2
const disk = nvmeQueues(machine, { ioQueues: Number(ioQueues), writeQueues: 2, pollQueues: 2 }, rules);
console.log(QUEUE_TYPES.map((type) => `${disk.counts[type]} ${type}`).join(', '));
for (const { index, type, vector, cpus } of disk.queues) {
  console.log(
    `mq/${index}/cpu_list: ${formatQueueCpus(cpus)} (${type}, ${vector ? `vector ${vector}` : 'no interrupt'})`,
  );
}
const takes = (request) => queueFor(disk.maps, 5, request);
console.log(
  `CPU 5 writes to ${takes({})}, reads from ${takes({ read: true })}, polls ${takes({ polled: true })}`,
);

// A device without interrupts of its own, such as null_blk, before and since Linux 6.3.
for (const release of ['6.1', '6.12']) {
  const map = mapQueues(3, machine, blockBehaviour(release));
  console.log(
    `Linux ${release}, 3 queues: ${queueCpus({ default: map }, 3).map(formatQueueCpus).join(' | ')}`,
  );
}
console.log(`3 interrupts: ${groupCpusEvenly(3, machine, rules).groups.map(formatQueueCpus).join(' | ')}`);

// A request of CPU 6 whose interrupt comes to CPU 0, of another socket.
for (const affinity of [0, 1, 2]) {
  const done = { submitter: 6, found: 0, queueCpus: 16, queues: 2 };
  const { cpu, by } = completionOf(done, affinity, machine, { rules });
  console.log(`rq_affinity=${affinity}: completed on CPU ${cpu} (${by})`);
}

for (const name of [
  ...['one-queue-rq-0', 'one-queue-rq-2', 'four-queues-rq-0', 'four-queues-rq-2'],
  ...['interrupt-1', 'polled-1', 'neighbours-hctx', 'neighbours-owner'],
]) {
  const { scenario } = presetNamed(`nvme/${name}`);
  const [{ cpu, disks }] = simulate({ ...scenario, durationMs: 5 }, { limit: false }).results;
  const { requestsPerSecond, latencyUs, completions, tenants } = disks[0];
  console.log(
    `${name.padEnd(17)} ${Math.round(requestsPerSecond / 1000)}k/s, ${cpu.usPerOperation.toFixed(1)} us CPU, ` +
      `${latencyUs.mean.toFixed(0)} us; ${completions.otherNode} on another node` +
      (tenants.length > 1 ? `; quiet tenant p99 ${tenants[0].latencyUs.p99.toFixed(0)} us` : ''),
  );
}
