// A policy of one's own from a file, beside one of the built-in ones.   node examples/own-policy.mjs
import { explain, steerFrames } from 'rxsteer';

const file = new URL('data/even-odd.mjs', import.meta.url).pathname;
const flows = Array.from(
  { length: 400 },
  (_, n) => `udp 10.0.0.1:${1024 + 2 * n + (n % 4 === 0)} > 10.1.0.1:53`,
);
for (const policy of [{ policy: 'js', file }, 'rss']) {
  const { workers, fullestOverFair } = steerFrames(policy, flows, { workers: 4 });
  console.log(
    workers.map(({ packets }) => packets).join(' '),
    `fullest ${fullestOverFair.toFixed(2)} of fair`,
  );
}
console.log(explain({ policy: 'js', file }, flows[1], { workers: 4 }).reason);
