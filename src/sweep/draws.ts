/**
 * Whether a policy draws anything from its seed.
 *
 * Promise: false means that every seed gives the same policy. A user's module is told the seed, so it may.
 */
import { NicLimit } from '../errors.js';
import { toHex } from '../hash/hex.js';
import { nicProfile } from '../nic/profiles.js';
import { compileRssHash } from '../policy/rss.js';
import type { PolicySpec, RssSpec } from '../policy/spec.js';

const RANDOM = 'random';

/** Whether two seeds give two keys. */
function drawsKey(spec: RssSpec): boolean {
  try {
    const [one, other] = [1, 2].map((seed) => toHex(compileRssHash({ ...spec, seed }).options.key));
    return one !== other;
  } catch (error) {
    // What the NIC cannot have is left out once, with the reason.
    if (error instanceof NicLimit) return false;
    throw error;
  }
}

export function drawsAnything(spec: PolicySpec): boolean {
  switch (spec.policy) {
    case 'single':
    case 'round-robin':
    case 'mac':
      return false;
    case 'mac-hash':
      return spec.key === RANDOM;
    case 'rps':
    case 'rfs':
      // The kernel draws the key of its flow hash at boot.
      return spec.key === undefined ? spec.hash === 'linux' : spec.key === RANDOM;
    case 'rss':
      return spec.contexts !== undefined || drawsKey(spec);
    case 'pools': {
      const { key } = nicProfile(spec.nic);
      return [spec.key ?? key, ...Object.values(spec.poolKeys)].includes(RANDOM);
    }
    case 'js':
      return true;
  }
}
