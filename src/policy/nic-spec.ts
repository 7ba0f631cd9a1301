/**
 * What an `rss` or `pools` policy says of its NIC beside hash and table: filters, flow rules, RSS contexts.
 *
 * Promise: what passes is well-formed; what the chip lacks is refused when the model is made. Filters and contexts
 * are given in files; flow rules in policy strings too (`rules=flow-type tcp4 dst-port 80 action 2`).
 */
import { isIPv4 } from 'node:net';
import { z } from 'zod';
import { UserError } from '../errors.js';
import { parseHex } from '../hash/hex.js';
import { parseMac } from '../mac/address.js';
import type { NicModel } from '../nic/model.js';
import { parseNtuple } from '../nic/ntuple-text.js';
import { ipv4Bytes } from '../packet/build.js';
import { integer, keyText, numberList, oneOf, QUEUES_MAX, stringList } from './values.js';

const queue = integer(0, QUEUES_MAX - 1);
const port = integer(0, 65535).optional();

const filters = z.strictObject({
  /** MAC queue select (I210). */
  macs: z.array(z.strictObject({ mac: z.string({ error: 'a MAC address' }), queue })).default([]),
  ethertypes: z.array(z.strictObject({ ethertype: integer(0, 65535), queue })).default([]),
  syn: z.strictObject({ queue, priority: oneOf(['high', 'low']).default('low') }).optional(),
  /** First bytes of a frame and their mask, in hex. */
  flex: z
    .array(z.strictObject({ bytes: z.string(), mask: z.string(), priority: integer(1, 7).default(1), queue }))
    .default([]),
  tuples: z
    .array(
      z.strictObject({
        protocol: integer(0, 255).optional(),
        src: z.string({ error: 'an IPv4 address' }).optional(),
        dst: z.string({ error: 'an IPv4 address' }).optional(),
        sport: port,
        dport: port,
        tcpFlags: integer(1, 255).optional(),
        priority: integer(1, 7).default(1),
        /** Frames of this pool only. */
        pool: integer(0, 63).optional(),
        queue,
      }),
    )
    .default([]),
  /** Queue of each VLAN priority (I210). */
  vlanPriorities: z
    .record(z.string().regex(/^[0-7]$/), queue, { error: 'priority (0-7): queue' })
    .default({}),
});

/** What fills an indirection table, in the words of ethtool. */
export const tableKeys = {
  equal: integer(1, QUEUES_MAX).optional(),
  weight: numberList(65536, 'weights').optional(),
  start: integer(0, QUEUES_MAX - 1).optional(),
  entries: numberList(QUEUES_MAX - 1, 'queues').optional(),
};

const context = z.strictObject({ ...tableKeys, key: keyText().optional() });

/** Keys of policies whose NIC has filters and flow rules. */
export const filterKeys = {
  filters: filters.optional(),
  /** Flow rules in ethtool's words. */
  rules: stringList().optional(),
};

/** Keys of the rss policy. */
export const nicKeys = {
  ...filterKeys,
  /** RSS contexts 1, 2, … */
  contexts: z.array(context, { error: 'a list of { equal, weight, start, entries, key }' }).optional(),
};

export interface NicKeys {
  readonly filters?: z.infer<typeof filters> | undefined;
  readonly rules?: string[] | undefined;
  readonly contexts?: z.infer<typeof context>[] | undefined;
}

/** True where a policy needs the whole receive path. */
export function hasNicKeys(spec: NicKeys): boolean {
  return spec.filters !== undefined || spec.rules !== undefined || spec.contexts !== undefined;
}

/**
 * Configures a model.
 * @param place what errors begin with, e.g. `policy rss`
 * @param keyOf key bytes of a context's `key`
 * @throws UserError that names the place
 */
export function configureNic(
  model: NicModel,
  spec: NicKeys,
  place: string,
  keyOf: (text: string, place: string) => Uint8Array,
) {
  atPlace(place, () => fillFilters(model, spec));
  spec.contexts?.forEach((change, index) => {
    const where = `contexts[${index}]`;
    atPlace(`${place}: ${where}`, () => {
      const { key, ...table } = change;
      const given = Object.fromEntries(Object.entries(table).filter(([, value]) => value !== undefined));
      model.contexts.create(
        key === undefined ? given : { ...given, key: keyOf(key, `${place}: ${where}.key`) },
      );
    });
  });
  spec.rules?.forEach((text, index) => {
    const where = `${place}: rules[${index}]`;
    const rule = parseNtuple(text, where);
    atPlace(where, () => model.rules.add(rule));
  });
}

function fillFilters(model: NicModel, spec: NicKeys): void {
  const given = spec.filters;
  if (given === undefined) return;
  const nic = model.filters;
  for (const { mac, queue: to } of given.macs)
    nic.addMacQueue({ ...parseMac(mac, 'filters.macs'), queue: to });
  for (const filter of given.ethertypes) nic.addEthertype(filter);
  if (given.syn !== undefined) nic.setSyn(given.syn);
  for (const { bytes, mask, ...rest } of given.flex) {
    nic.addFlex({ ...rest, bytes: parseHex(bytes, 'filters.flex'), mask: parseHex(mask, 'filters.flex') });
  }
  given.tuples.forEach(({ src, dst, protocol, sport, dport, tcpFlags, pool, ...rest }, index) => {
    const where = `filters.tuples[${index}]`;
    const pools = model.options.pools?.layout.pools ?? 0;
    if (pool !== undefined && pool >= pools) {
      const why = pools === 0 ? 'this policy has no pools' : `there are pools 0 to ${pools - 1}`;
      throw new UserError(`${where}: pool ${pool}: ${why}`);
    }
    nic.addTuple({
      ...rest,
      ...(pool === undefined ? {} : { pool }),
      ...(protocol === undefined ? {} : { protocol }),
      ...(sport === undefined ? {} : { sport }),
      ...(dport === undefined ? {} : { dport }),
      ...(tcpFlags === undefined ? {} : { tcpFlags }),
      ...(src === undefined ? {} : { src: parseIpv4(src, `${where}.src`) }),
      ...(dst === undefined ? {} : { dst: parseIpv4(dst, `${where}.dst`) }),
    });
  });
  for (const [priority, to] of Object.entries(given.vlanPriorities))
    nic.setVlanPriority(Number(priority), to);
}

/** An IPv4 address as a signed word. */
function parseIpv4(text: string, place: string): number {
  if (!isIPv4(text)) throw new UserError(`${place}: "${text}" is not an IPv4 address`);
  return new DataView(ipv4Bytes(text).buffer).getInt32(0);
}

/** Names the place in what a model refuses. */
export function atPlace(place: string, act: () => void): void {
  try {
    act();
  } catch (error) {
    if (!(error instanceof UserError) || error.message.startsWith(place)) throw error;
    throw new UserError(`${place}: ${error.message}`);
  }
}
