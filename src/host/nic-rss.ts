/**
 * The RSS of a device, as it was read, as a policy.
 *
 * Promise: an object for `parsePolicy`; what could not be read is an `Unknown` with the reason, never a guess. Pure.
 */
import type { HashTypeName } from '../nic/hash-types.js';
import { nicOfDriver } from '../nic/profiles.js';
import type { RssTable } from './ask/ethtool-facts.js';
import { type Fact, known, unknown } from './fact.js';
import type { Device } from './host.js';

const VERSIONS = [4, 6] as const;

/** Hash functions by ethtool's names. */
function functionOf({ function: name }: RssTable): Fact<string> {
  if (name === null || name === 'toeplitz') return 'toeplitz';
  if (name === 'xor') return 'xor8';
  if (name === 'crc32') return 'crc32';
  return unknown(`hashes with ${name}, which is not known`);
}

/** Types by the letters of each flow type; addresses are hashed always. */
function typesOf(device: Device): Fact<HashTypeName[]> {
  const { fields, name } = device;
  if (!known(fields)) return fields;
  const types: HashTypeName[] = ['ipv4', 'ipv6'];
  for (const version of VERSIONS) {
    for (const transport of ['tcp', 'udp'] as const) {
      const letters = fields[`${transport}${version}`];
      if (letters === undefined)
        return unknown(`${name}: the fields of ${transport}${version} were not told`);
      if (letters === 'sdfn') types.push(`${transport}-ipv${version}`);
      else if (letters !== 'sd') {
        return unknown(
          `${name}: ${transport}${version} is hashed by the fields "${letters}", of which no model is known`,
        );
      }
    }
  }
  return types;
}

/** An `rss` policy with the table, key, fields and function of a device. */
export function nicRss(device: Device): Fact<Record<string, unknown>> {
  const { rss, name } = device;
  if (!known(rss)) return rss;
  const hash = functionOf(rss);
  if (!known(hash)) return unknown(`${name}: ${hash.unknown}`);
  const types = typesOf(device);
  if (!known(types)) return types;
  const hasKey = hash === 'toeplitz';
  if (hasKey && rss.key === null) return unknown(`${name}: the key was not told`, 'denied');
  const nic = device.driver === null ? undefined : nicOfDriver(device.driver, rss.entries.length);
  const queues = Math.max(device.rx.length, ...rss.entries.map((queue) => queue + 1));
  return {
    policy: 'rss',
    ...(nic === undefined ? {} : { nic }),
    queues,
    entries: [...rss.entries],
    types,
    ...(hasKey ? { key: rss.key } : { function: hash }),
    ...(rss.symmetric === 'none' ? {} : { symmetric: rss.symmetric }),
  };
}
