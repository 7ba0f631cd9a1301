/**
 * What an `rss` or `pools` policy says of its NIC beside hash and table: filters, flow rules, RSS contexts.
 *
 * Promise: what passes is well-formed; what the chip lacks is refused when the model is made. Filters and contexts
 * are given in files; flow rules in policy strings too (`rules=flow-type tcp4 dst-port 80 action 2`).
 */
import { z } from '../vendor/zod.js';
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
  weight: numberList(65536, 'weights', '3+1').optional(),
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
