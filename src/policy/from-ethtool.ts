/**
 * Fills an `rss` policy with what the output of ethtool says of a NIC.
 *
 * Promise: what the user gave beside the file wins, also over what in it cannot be read; what neither says is taken
 * from the NIC's profile and noted as assumed (`assumed`), or refused where that would be a guess about every packet.
 */
import { UserError } from '../errors.js';
import { type EthtoolRss, type GivenBeside, parseEthtool } from '../nic/ethtool.js';
import type { HashTypeName } from '../nic/hash-types.js';
import { type NicProfile, nicOfDriver, nicProfile } from '../nic/profiles.js';
import type { RssFunction } from '../nic/rss-hash.js';
import { type FilesAllowed, readTextFile } from '../text-file.js';
import type { Assumption, RssSpec } from './spec.js';

/** As it came through its schema; order and stage only where the user said so. */
type Given = Omit<RssSpec, 'order' | 'stage' | 'nic'> &
  Partial<Pick<RssSpec, 'order' | 'stage'>> & { readonly nic?: string | undefined };
type Filled = Given & { readonly nic: string };

const FILLS = ['table', 'weight', 'equal', 'entries'] as const;
const BESIDE = ['queues', 'key', 'symmetric', 'function', 'types', 'rules'] as const;

function defined<T extends object>(value: T): T {
  return Object.fromEntries(Object.entries(value).filter(([, given]) => given !== undefined)) as T;
}

/** @throws UserError */
export function withEthtool(spec: Given, files: FilesAllowed): Filled {
  if (spec.ethtool === undefined) return { ...spec, nic: spec.nic ?? 'generic' };
  const place = `policy rss: ethtool=${spec.ethtool}`;
  const beside = new Set<GivenBeside>(BESIDE.filter((key) => spec[key] !== undefined));
  const isFilled = FILLS.some((fill) => spec[fill] !== undefined);
  if (isFilled) beside.add('entries');
  const text = readTextFile(spec.ethtool === '-' ? 0 : spec.ethtool, place, files);
  const found = parseEthtool(text, place, beside);
  const { entries, key } = found;
  const nic = nicOf(spec, found);
  const profile = nicProfile(nic);
  const name = spec.function ?? functionOf(found, profile, spec.nic !== undefined, place);
  const hasKey = name === undefined || name === 'toeplitz';
  const isRssThere = entries !== undefined || key !== undefined || found.queues !== undefined;
  if (hasKey && spec.key === undefined && key === undefined) {
    throw new UserError(
      isRssThere
        ? `${place}: it has no key: give key=HEX too`
        : `${place}: the output of ethtool -x DEV is missing (key and table); this is only what -n prints`,
    );
  }
  if (spec.contexts === undefined && found.rules?.some((rule) => / context \d/.test(rule)) === true) {
    throw new UserError(
      `${place}: a flow rule uses an RSS context: give contexts in a policy file, or rules of your own`,
    );
  }
  const filled = {
    ...(found.queues === undefined ? {} : { queues: found.queues }),
    ...(key === undefined || !hasKey ? {} : { key }),
    ...(found.symmetric === undefined || (!hasKey && found.symmetric === 'none')
      ? {}
      : { symmetric: found.symmetric }),
    ...(name === undefined || name === 'toeplitz' ? {} : { function: name }),
    ...(found.rules === undefined ? {} : { rules: found.rules }),
    ...(isFilled || entries === undefined ? {} : { entries }),
    types: typesOf(found, profile),
    ...defined(spec),
    nic,
  };
  const assumed = assumptions(spec, found, profile, isFilled);
  return (assumed.length === 0 ? filled : { ...filled, assumed }) as Filled;
}

function nicOf(spec: Given, { driver, entries }: EthtoolRss): string {
  if (spec.nic !== undefined) return spec.nic;
  return (driver === undefined ? undefined : nicOfDriver(driver, entries?.length)) ?? 'generic';
}

/** Which function the names of ethtool mean depends on the NIC. */
function functionOf(
  found: EthtoolRss,
  profile: NicProfile,
  isNamed: boolean,
  place: string,
): RssFunction | undefined {
  if (found.function === undefined) return undefined;
  const name = found.function === 'xor' ? 'xor8' : 'crc32';
  const isKnown = isNamed || found.driver !== undefined;
  if (isKnown && profile.id !== 'generic' && profile.functions.includes(name)) return name;
  const which = profile.id === 'generic' ? 'which one depends on the NIC' : `not known of ${profile.id}`;
  throw new UserError(
    `${place}: the NIC hashes with ${found.function}, ${which}: give nic=NAME of a NIC that has it, or function=${name}`,
  );
}

/** The profile's types, with and without those whose ports the output tells of. */
function typesOf({ ports }: EthtoolRss, profile: NicProfile): HashTypeName[] {
  const types = profile.types.filter((type) => ports[type] !== false);
  for (const [type, on] of Object.entries(ports)) {
    if (on && !types.includes(type as HashTypeName)) types.push(type as HashTypeName);
  }
  return types;
}

function assumptions(
  spec: Given,
  found: EthtoolRss,
  profile: NicProfile,
  isFilled: boolean,
): readonly Assumption[] {
  const assumed: Assumption[] = [];
  const whose = `the default of nic=${profile.id}`;
  for (const transport of ['udp', 'tcp'] as const) {
    if (spec.types !== undefined) break;
    for (const isHashed of [true, false]) {
      const versions = (['4', '6'] as const).filter((version) => {
        const type = `${transport}-ipv${version}` as const;
        return found.ports[type] === undefined && profile.types.includes(type) === isHashed;
      });
      if (versions.length === 0) continue;
      const commands = versions.map((version) => `ethtool -n DEV rx-flow-hash ${transport}${version}`);
      const what = `${transport.toUpperCase()} over ${versions.map((version) => `IPv${version}`).join(' and ')}`;
      const by = isHashed ? 'by addresses and ports' : 'by addresses only';
      assumed.push({
        types: versions.map((version) => `${transport}-ipv${version}` as const),
        text: `assumed that the NIC hashes ${what} ${by} (${whose}): ${commands.join(' and ')} would tell`,
      });
    }
  }
  if (found.entries === undefined && !isFilled) {
    assumed.push({ types: [], text: `assumed that the table has the default fill of ${profile.id}` });
  }
  if (spec.nic === undefined && found.driver !== undefined && nicOfDriver(found.driver) === undefined) {
    const text = `assumed that a NIC of the driver ${found.driver}, which is not known, behaves as ${profile.id}`;
    assumed.push({ types: [], text });
  }
  for (const note of found.notes ?? [])
    assumed.push({ types: ['ipv4', 'ipv6'], text: `not modelled: ${note}` });
  return assumed;
}
