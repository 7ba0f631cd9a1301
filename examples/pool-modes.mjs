// How a NIC is switched to pools, and which queues each pool then has.   node examples/pool-modes.mjs
import * as rx from 'rxsteer';

// 40 virtual functions under Linux, 20 under DPDK.
for (const [functions, driver] of [
  [40, 'linux'],
  [20, 'dpdk'],
]) {
  const { pools, queuesPerPool, defaultPool } = rx.layoutForFunctions('ixgbe-82599', functions, driver);
  const mrqc = rx.mrqcFor('ixgbe-82599', { pools, rss: queuesPerPool, classes: 0 });
  console.log(
    `${functions} functions, ${driver}: ${pools}x${queuesPerPool}, default pool ${defaultPool}, MRQC ${mrqc}`,
  );
}
console.log('MRQC 13:', rx.poolMode('ixgbe-82599', 13), 'MRQC 6:', rx.poolMode('ixgbe-82599', 6));

for (const layout of rx.nicProfile('ixgbe-82599').pools) {
  const queues = new rx.PoolQueues({ layout, isInterleaved: false });
  const first = queues.queueOf(5, 0);
  const last = queues.queueOf(5, layout.inside === 'none' ? 0 : layout.queuesPerPool - 1);
  console.log(`${rx.layoutName(layout)}: pool 5 uses queues ${first} to ${last}`);
}

const steering = rx.toSteering({ policy: 'pools', types: ['ipv4', 'udp-ipv4'] });
console.log(rx.policyWarnings(steering).join('\n'));
