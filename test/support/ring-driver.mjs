// Reads of a block device in a guest: a ring for each worker, each on a CPU of its own, tenants steered to workers by a
// policy. The kernel counts beside it: what began and was completed on which CPU (tracepoints), what the device did.
//
//     node ring-driver.mjs JSON      a list of runs, see io-uring-guest.test.ts; prints `@run JSON` for each
import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { isMainThread, parentPort, Worker } from 'node:worker_threads';

const TRACING = '/sys/kernel/tracing';
/** A request begins on the CPU of who asks; others may hand it to the device. */
const EVENTS = ['block_bio_queue', 'block_rq_complete'];

/** An instance of the tracer for each event, so that each has counters of its own. */
function startTracing() {
  for (const event of EVENTS) {
    const own = `${TRACING}/instances/${event}`;
    mkdirSync(own, { recursive: true });
    writeFileSync(`${own}/trace`, '');
    writeFileSync(`${own}/events/block/${event}/enable`, '1');
  }
}

/** Requests by CPU since the start. */
function stopTracing() {
  return EVENTS.map((event) => {
    const own = `${TRACING}/instances/${event}`;
    writeFileSync(`${own}/events/block/${event}/enable`, '0');
    return readdirSync(`${own}/per_cpu`)
      .sort()
      .map((cpu) => {
        const text = readFileSync(`${own}/per_cpu/${cpu}/stats`, 'utf8');
        const of = (name) => Number(new RegExp(`^${name}: (\\d+)`, 'm').exec(text)[1]);
        return of('entries') + of('overrun');
      });
  });
}

/** Reads that the device has completed, and its sectors. */
function deviceCounters(name) {
  const [reads, , sectors] = readFileSync(`/sys/block/${name}/stat`, 'utf8').trim().split(/\s+/).map(Number);
  return { reads, sectors };
}

async function runOne(
  { explain, threads },
  { setUp, device, policy, flows, reads, depth, ring, facts = 'true' },
) {
  const workers = threads.length;
  execFileSync('sh', ['-c', setUp], { stdio: 'inherit' });
  const own = Array.from({ length: workers }, () => []);
  flows.forEach((flow, tenant) => {
    own[explain(policy, flow, { workers }).worker].push(tenant);
  });
  const before = deviceCounters(device);
  startTracing();
  const told = await Promise.all(
    threads.map(async (thread, cpu) => {
      thread.postMessage({ path: `/dev/${device}`, cpu, tenants: own[cpu], reads, depth, ring });
      const [answer] = await once(thread, 'message');
      return answer;
    }),
  );
  const [queued, completed] = stopTracing();
  const after = deviceCounters(device);
  const queues = readdirSync(`/sys/block/${device}/mq`).map((queue) => [
    queue,
    readFileSync(`/sys/block/${device}/mq/${queue}/cpu_list`, 'utf8').trim(),
  ]);
  return {
    ...{ own, told, queued, completed, queues: Object.fromEntries(queues) },
    device: { reads: after.reads - before.reads, sectors: after.sectors - before.sectors },
    facts: execFileSync('sh', ['-c', facts], { encoding: 'utf8' }).trim(),
  };
}

/** One ring: keeps so many reads of each tenant under way until all have what they want. */
function work(openReadRing, { path, cpu, tenants, reads, depth, ring: options }) {
  const ring = openReadRing(path, { entries: Math.max(1, depth * tenants.length), ...options });
  const left = tenants.map(() => reads);
  const done = tenants.map(() => 0);
  const results = {};
  const cpus = {};
  let [begin, calls, next] = [0, 0, cpu];
  const ask = (place) => {
    if (left[place] === 0) return;
    left[place]--;
    ring.asked[begin] = place;
    // Never two neighbours one behind the other, which the block layer would make one request of.
    next += 7919;
    ring.wanted[begin] = next % ring.blocks;
    begin++;
  };
  tenants.forEach((_, place) => {
    for (let n = 0; n < depth; n++) ask(place);
  });
  while (begin > 0 || ring.underWay > 0) {
    const complete = ring.burst(begin, 1);
    calls++;
    begin = 0;
    if (complete < 0) throw new Error(`io_uring_enter: errno ${-complete}`);
    for (let i = 0; i < complete; i++) {
      done[ring.done[i]]++;
      results[ring.results[i]] = (results[ring.results[i]] ?? 0) + 1;
      cpus[ring.cpus[i]] = (cpus[ring.cpus[i]] ?? 0) + 1;
      ask(ring.done[i]);
    }
  }
  ring.close();
  // Again, and away with reads under way.
  const last = openReadRing(path, { entries: 8, ...options });
  last.burst(8, 0);
  last.close();
  return { cpu, tenants, done, results, cpus, calls };
}

if (isMainThread) {
  const [{ explain }, runs] = [await import('../../dist/policy/experiment.js'), JSON.parse(process.argv[2])];
  const threads = Array.from({ length: runs[0].workers }, () => new Worker(new URL(import.meta.url)));
  await Promise.all(threads.map((thread) => once(thread, 'message')));
  for (const run of runs) console.log(`@run ${JSON.stringify(await runOne({ explain, threads }, run))}`);
  process.exit(0);
} else {
  const { loadNative } = await import('../../dist/addon/native.js');
  const { openReadRing } = await import('../../dist/requests/read-ring.js');
  parentPort.on('message', (plan) => {
    loadNative().pinThread(plan.cpu);
    parentPort.postMessage(work(openReadRing, plan));
  });
  parentPort.postMessage('ready');
}
