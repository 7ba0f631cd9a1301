// One workload, every policy: 8 guests behind one uplink, 64 flows, packets in turn.
import * as rx from 'rxsteer';

function* frames() {
  for (let n = 0; n < 6400; n++) {
    const flow = n % 64;
    const text = `tcp 198.51.100.${flow}:${1024 + flow} > 10.0.0.${flow % 8}:80`;
    yield rx.flowFrame(rx.parseFlow(text, 'flow'), { dstMac: `52:54:00:00:00:0${flow % 8}` });
  }
}
const owners = Object.fromEntries([...'01234567'].map((n) => [`52:54:00:00:00:0${n}`, n % 4]));
const roundByFlow = rx.compileUserPolicy(
  () => ({
    steer: ({ n, flow, worker }) => {
      for (let i = 0; i < n; i++) worker[i] = (flow[i] >>> 0) % 4;
    },
  }),
  { workers: 4 },
);
for (const policy of [
  'single',
  'rss',
  'rps:cpus=0-3',
  'mac-hash',
  { policy: 'mac', assign: 'static', owners },
  'round-robin',
  roundByFlow,
]) {
  const steering = rx.toSteering(policy, { workers: 4 });
  const { workers, fullestOverFair } = rx.steerFrames(steering, frames());
  const kind =
    steering instanceof rx.MacSteering
      ? ' (owner table)'
      : steering instanceof rx.RssSteering
        ? ` (table of ${steering.table.size})`
        : '';
  console.log(
    `${steering.spec.policy}${kind}: ${workers.map(({ packets }) => packets).join(' ')}, fullest ${fullestOverFair.toFixed(2)} of fair`,
  );
}
