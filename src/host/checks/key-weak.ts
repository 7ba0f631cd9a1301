/**
 * A key whose hashes differ in few bits, or that everybody knows. Bits that the key cannot tell apart are computed, not
 * looked up: 6d5a repeated has 16, zero none.
 */
import { parseHex } from '../../hash/hex.js';
import { bitRange, effectiveBits } from '../../hash/key-tools.js';
import { keyNameOf } from '../../hash/keys.js';
import { type Check, found } from '../check.js';
import { known } from '../fact.js';
import { advice, all, ethtool, NO_REMEDY } from '../remedy.js';
import { nics, rxQueueCount } from '../view.js';

/** Of 32; fewer cannot fill a large table with few flows. */
const WEAK = 16;
/** The IPv4 tuple. */
const INPUT_BITS = 96;

const colons = (hex: string) => (hex.match(/../g) ?? []).join(':');

export const keyWeak: Check = {
  id: 'key-weak',
  severity: 'W',
  title: 'a hash key with few effective bits, or one that everybody knows',
  *run(host) {
    for (const device of nics(host)) {
      const { rss } = device;
      if (
        rxQueueCount(device) < 2 ||
        !known(rss) ||
        rss.key === null ||
        (rss.function ?? 'toeplitz') !== 'toeplitz'
      )
        continue;
      const bytes = parseHex(rss.key, 'key');
      if (bytes.length < 16) continue;
      const bits = effectiveBits(bytes, bitRange(0, INPUT_BITS));
      const name = keyNameOf(bytes);
      const isWeak = bits <= WEAK;
      // A default of the driver that is published lets anybody aim at a queue.
      if (!isWeak && name === null) continue;
      const isMeant = host.role === 'sniffer' && bits > 0;
      const length = bytes.length;
      yield found(
        device.name,
        isWeak
          ? `the key has ${bits} effective bits of 32${bits === 0 ? ': every packet gets the same hash' : `: many pairs of flows get the same hash${isMeant ? '; symmetry is better had by xor of the fields' : ''}`}`
          : `the key is the published one of ${name}: the same on all such hosts, and anybody can compute which queue a flow hits`,
        { effectiveBits: bits, keyBytes: length, known: name },
        all(
          ...(isMeant ? [ethtool('-X', device.name, 'xfrm symmetric-xor', 'xfrm none')] : []),
          {
            ...NO_REMEDY,
            ...ethtool('-X', device.name, `hkey ${colons(newKey(rss.key))}`, `hkey ${colons(rss.key)}`),
            persistent: [],
          },
          advice('any random key will do: openssl rand -hex LENGTH; the one above is made from the old one'),
        ),
        { severity: isWeak && !isMeant ? 'W' : 'I' },
      );
    }
  },
};

/** A key of the same length without structure; the same for the same host, so that a report repeats. */
function newKey(old: string): string {
  let state = 0x9e3779b9;
  for (const char of old) state = Math.imul(state ^ char.charCodeAt(0), 0x85ebca6b) >>> 0;
  let key = '';
  while (key.length < old.length) {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    key += (state >>> 0).toString(16).padStart(8, '0');
  }
  return key.slice(0, old.length);
}
