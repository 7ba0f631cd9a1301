// Is a key symmetric, how many bits is it worth, and which inputs collide?   node examples/key-quality.mjs [KEY|HEX]
import {
  bitRange,
  collidingDifferences,
  effectiveBits,
  KEY_NAMES,
  keySymmetry,
  parseKey,
  toHex,
} from 'rxsteer';

const tuple = bitRange(0, 96); // IPv4 addresses and ports
for (const name of process.argv[2] ? [process.argv[2]] : KEY_NAMES) {
  const key = parseKey(name, 'key');
  const { addresses, ports, both } = keySymmetry(key);
  const collisions = collidingDifferences(key, tuple, 12);
  console.log(
    `${name}: symmetric ${both ? 'yes' : 'no'} (addresses ${addresses}, ports ${ports}), ` +
      `${effectiveBits(key, tuple)} effective bits, ${effectiveBits(key, tuple, 7)} of a 128-entry table, ` +
      `2^${collisions.length} colliding inputs, for example xor ${toHex(collisions[0])}`,
  );
}
