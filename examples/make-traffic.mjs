// Traffic that is uneven on purpose, and what another key makes of it.   node examples/make-traffic.mjs
import { ARRIVALS, makeFrames, makeTraffic, steerFrames, TRAFFIC_PROTOCOLS, TRAFFIC_TUNNELS } from 'rxsteer';

const nic = 'rss:nic=ixgbe-82599,queues=8';
const traffic = {
  packets: 20_000,
  flows: 500,
  protocols: { tcp: 0.8, udp: 0.2 },
  // 70 % of the packets on queue 3: source ports are chosen by linear algebra.
  imbalance: { policy: nic, queue: 3, share: 0.7 },
};
for (const policy of [nic, `${nic},key=mlx5`]) {
  const { queues } = steerFrames(policy, makeFrames(traffic));
  console.log(policy, ...queues.map(({ packets }) => packets));
}

// Packet by packet: guests, elephants, fragments, times.
const guests = new Map();
let fragments = 0;
let last = 0;
const options = { packets: 1000, flows: 60, guests: 4, elephants: 1, elephantShare: 0.5, fragments: 0.1 };
for (const { frame, fragment, time } of makeTraffic({ ...options, arrivals: 'poisson', rate: 1e5 })) {
  const mac = Buffer.from(frame.subarray(0, 6)).toString('hex');
  guests.set(mac, (guests.get(mac) ?? 0) + 1);
  if (fragment) fragments++;
  last = time;
}
console.log(`${guests.size} guests:`, ...guests.values());
console.log(`${fragments} fragments in ${(last / 1e6).toFixed(1)} ms`);

// Everything at once: equal parts of all protocols, in all tunnels; outside, only the tunnels' ends are seen.
const even = (names) => Object.fromEntries(names.map((name) => [name, 1 / names.length]));
const mixed = { flows: 300, protocols: even(TRAFFIC_PROTOCOLS), tunnels: even(TRAFFIC_TUNNELS) };
for (const arrivals of ARRIVALS) {
  const { hashTypes } = steerFrames(
    'rss:nic=ice-e810,queues=4',
    makeFrames({ ...mixed, packets: 3000, arrivals }),
  );
  console.log(arrivals, JSON.stringify(hashTypes));
}
