/**
 * The whole receive path of an `rss` policy's NIC: filters, flow rules, contexts and traffic classes beside hash and table.
 *
 * Promise: a module of its own, since most policies do not need the model and are compiled without loading it.
 */
import { UserError } from '../errors.js';
import { hashTypeMask } from '../nic/hash-types.js';
import type { IndirectionTable } from '../nic/indirection-table.js';
import { NicModel } from '../nic/model.js';
import type { NicProfile } from '../nic/profiles.js';
import { MAIN_CONTEXT } from '../nic/rss-contexts.js';
import { resolveKey } from './key.js';
import { atPlace, configureNic } from './nic-setup.js';
import { rssKey } from './rss.js';
import type { RssSpec } from './spec.js';

/** More than any NIC has. */
const RULE_LOCATIONS = 2 ** 31;

/** The receive path that the policy describes. @throws UserError for what the NIC does not have. */
export function buildNicModel(spec: RssSpec, profile: NicProfile, table: IndirectionTable): NicModel {
  const { tcs, classes } = spec;
  if (tcs !== undefined && spec.filters !== undefined) {
    throw new UserError('policy rss: filters: what they choose with traffic classes is not known');
  }
  const what = tcs === undefined ? 'filters, rules or contexts' : 'traffic classes';
  if (spec.inner !== undefined) throw new UserError(`policy rss: inner: does not go with ${what}`);
  if (spec.implementation === 'native') {
    throw new UserError(`policy rss: implementation: native: does not go with ${what}`);
  }
  const types = hashTypeMask(spec.types ?? profile.types);
  const key = rssKey(spec, profile, types);
  const options = {
    profile,
    queues: table.queues,
    key,
    tableSize: table.size,
    ...(spec.types === undefined ? {} : { types: spec.types }),
    ...(spec.symmetric === undefined ? {} : { symmetric: spec.symmetric }),
    ...(spec.function === undefined ? {} : { function: spec.function }),
    // Rules that were read stand where the real NIC has them.
    ...(spec.ethtool === undefined ? {} : { ruleLocations: RULE_LOCATIONS }),
    ...(tcs === undefined ? {} : { classes: { count: tcs, priorities: classes } }),
  };
  const model =
    tcs === undefined ? new NicModel(options) : atPlace('policy rss: tcs', () => new NicModel(options));
  if (table.configured) model.contexts.modify(MAIN_CONTEXT, { entries: Array.from(table.entries) });
  configureNic(model, spec, 'policy rss', (text, place) =>
    resolveKey(text, place, spec.seed, key.length, { least: key.length, most: key.length }),
  );
  return model;
}
