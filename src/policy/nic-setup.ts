/**
 * Gives a NIC's model the filters, flow rules and contexts that a policy names.
 *
 * Promise: what the chip lacks is refused with a UserError that names the place. Loads no schema library: a policy
 * that needs none is compiled without it.
 */
import { isIPv4 } from 'node:net';
import { atPlaceOf, UserError } from '../errors.js';
import { parseHex } from '../hash/hex.js';
import { parseMac } from '../mac/address.js';
import type { NicModel } from '../nic/model.js';
import { parseNtuple } from '../nic/ntuple-text.js';
import { ipv4Bytes } from '../packet/build.js';
import type { NicKeys } from './nic-spec.js';

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
export function atPlace<T>(place: string, act: () => T): T {
  try {
    return act();
  } catch (error) {
    if (!(error instanceof UserError) || error.message.startsWith(place)) throw error;
    throw atPlaceOf(place, error);
  }
}
