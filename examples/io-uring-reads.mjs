// Real reads: 4 KiB blocks of a file or block device through io_uring, a ring for each worker, tenants steered to workers by
// a policy; a system call for a burst.   node examples/io-uring-reads.mjs [PATH [POLICY [WORKERS [READS]]]]
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads';
import {
  Burst,
  compilePolicy,
  dissectBurst,
  flowFrame,
  openReadRing,
  parseFlow,
  parsePolicy,
  UserError,
} from 'rxsteer';

const DEPTH = 16;
const TENANTS = 4;

if (isMainThread) {
  const [path, policy = 'rss:queues=2', workers = '2', reads = '4000'] = process.argv.slice(2);
  const folder = mkdtempSync(join(tmpdir(), 'rxsteer-reads-'));
  const file = path ?? join(folder, 'disk');
  if (path === undefined) writeFileSync(file, new Uint8Array(4 << 20));
  try {
    await readAll(file, policy, Number(workers), Number(reads));
  } finally {
    rmSync(folder, { recursive: true });
  }
} else work();

/** Asks the policy where each tenant's requests belong, and lets the workers read. */
async function readAll(file, policy, workers, reads) {
  const steering = compilePolicy(parsePolicy(policy), { workers });
  const tenantsOf = Array.from({ length: workers }, () => []);
  for (let tenant = 0; tenant < TENANTS; tenant++) {
    // A tenant is a flow to the policy.
    const frame = flowFrame(parseFlow(`tcp 192.0.2.${tenant + 1}:1 > 198.51.100.1:1`, 'tenant'));
    const burst = new Burst(frame, false);
    burst.add(0, frame.length, 0);
    dissectBurst(burst);
    steering.steer(burst);
    tenantsOf[burst.worker[0]].push(tenant);
  }
  const busy = tenantsOf.filter((tenants) => tenants.length > 0);
  const told = await Promise.all(
    busy.map(
      (tenants) =>
        new Promise((resolve, reject) => {
          const worker = new Worker(new URL(import.meta.url), {
            workerData: { file, tenants, reads: Math.ceil(reads / TENANTS) },
          });
          worker.on('message', resolve);
          worker.on('error', reject);
        }),
    ),
  );
  for (const { refused, tenants, done, failed, calls, cpus } of told) {
    if (refused) console.log(refused);
    else {
      const at = Object.entries(cpus).map(([cpu, count]) => `CPU ${cpu}: ${count}`);
      console.log(
        `tenants ${tenants}: ${done} reads, ${failed} failed, ${(done / calls).toFixed(1)} a system call; ${at.join(', ')}`,
      );
    }
  }
}

/** One ring: keeps so many reads of each tenant under way until all have what they want. */
function work() {
  const { file, tenants, reads } = workerData;
  let ring;
  try {
    ring = openReadRing(file, { entries: DEPTH * tenants.length });
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    parentPort.postMessage({ refused: error.message });
    return;
  }
  const left = tenants.map(() => reads);
  const cpus = {};
  let [begin, done, failed, calls, next] = [0, 0, 0, 0, 0];
  const ask = (place) => {
    if (left[place] === 0) return;
    left[place]--;
    ring.asked[begin] = place;
    next += 7919;
    ring.wanted[begin] = next % ring.blocks;
    begin++;
  };
  tenants.forEach((_, place) => {
    for (let n = 0; n < DEPTH; n++) ask(place);
  });
  while (begin > 0 || ring.underWay > 0) {
    const complete = ring.burst(begin, 1);
    calls++;
    begin = 0;
    if (complete < 0) throw new Error(`io_uring_enter: errno ${-complete}`);
    for (let i = 0; i < complete; i++) {
      done++;
      if (ring.results[i] !== 4096) failed++;
      cpus[ring.cpus[i]] = (cpus[ring.cpus[i]] ?? 0) + 1;
      ask(ring.done[i]);
    }
  }
  ring.close();
  parentPort.postMessage({ tenants, done, failed, calls, cpus });
}
