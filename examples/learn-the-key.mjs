// What does somebody learn who sees queues only? After enough flows every further bucket is predicted.   node examples/learn-the-key.mjs
import { KeyObserver, randomKey, SeededRandom, toeplitzBitwise } from 'rxsteer';

const secret = randomKey(40, 1);
const random = new SeededRandom(2);
const observer = new KeyObserver(12, 7); // IPv4 tuples; a 128-entry table shows 7 bits
let flows = 0;
while (observer.rank < observer.relevantBits && flows < 1000) {
  const input = random.bytes(12);
  observer.observe(input, toeplitzBitwise(secret, input) & 127);
  flows++;
}
console.log(`${flows} flows determine ${observer.rank} of ${observer.relevantBits} key bits that matter`);
const next = random.bytes(12);
console.log(
  `next flow: predicted bucket ${observer.predict(next)}, true ${toeplitzBitwise(secret, next) & 127}`,
);
