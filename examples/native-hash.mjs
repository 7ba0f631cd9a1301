// The same policy hashed by tables and by the addon, where it is built: the same decisions.
import * as rx from 'rxsteer';

const kernels = rx.nativeHashKernels();
console.log(
  typeof kernels === 'string' ? `tables only: ${kernels}` : 'bursts of 8 and more are hashed natively',
);

function* frames() {
  for (let n = 0; n < 6400; n++) {
    yield rx.flowFrame(rx.parseFlow(`tcp 198.51.100.${n % 64}:${1024 + (n % 64)} > 10.0.0.1:80`, 'flow'));
  }
}
const byTables = rx.compilePolicy(rx.parsePolicy('rss:queues=4'), { workers: 4 });
const natively = rx.compilePolicy(rx.parsePolicy('rss:queues=4'), { workers: 4, kernels });
for (const steering of [byTables, natively]) {
  const { workers } = rx.steerFrames(steering, frames());
  console.log(workers.map(({ packets }) => packets).join(' '));
}
