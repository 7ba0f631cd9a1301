/**
 * The decisions of a NIC model in words, for people.
 *
 * Promise: one line that names what decided and the numbers behind it; reads the model's last decision and changes
 * nothing. Not for hot paths.
 */
import { hex32 } from '../hash/hex.js';
import type { Burst } from '../packet/burst.js';
import type { NicDecision } from './decision.js';
import { DROP_QUEUE } from './flow-director.js';
import { explainHashType } from './hash-types.js';
import { formatNtuple } from './ntuple-text.js';
import { PoolReason } from './pools.js';
import { MAIN_CONTEXT } from './rss-contexts.js';
import { classWords } from './traffic-classes.js';

const STAGE_WORDS = {
  mac: 'the MAC filter selects',
  ethertype: 'an ethertype filter matches',
  syn: 'the SYN filter matches',
  flex: 'a flex filter matches',
  tuple: 'a tuple filter matches',
  'vlan-priority': 'the VLAN priority selects',
} as const;

/** The last decision of a model, about frame `i`. */
export function verdictWords(model: NicDecision, burst: Burst, i: number): string {
  if (model.stage === 'dropped') {
    return `${poolWords(model.options.pools!.select.reason)}: the NIC drops the frame`;
  }
  return `${model.pool < 0 ? '' : `pool ${model.pool}; `}${choiceWords(model, burst, i)}`;
}

/** What chose the queue, or the index inside the pool that the frame goes to. */
export function choiceWords(model: NicDecision, burst: Burst, i: number): string {
  const { stage, poolQueues, classes, location } = model;
  const to = poolQueues === null && classes === null ? 'queue' : 'index';
  const inClass = classes === null ? '' : `; ${classes.words(burst.vlan[i]!, model.index)}`;
  switch (stage) {
    case 'rule-drop':
      return `flow rule at loc ${location} (${ruleWords(model)}): dropped (queue ${DROP_QUEUE})`;
    case 'atr':
      return `ATR: a signature filter has the flow, written when the host transmitted on ring ${model.queue}`;
    case 'mac':
    case 'ethertype':
    case 'syn':
    case 'flex':
    case 'tuple':
    case 'vlan-priority':
      return `${STAGE_WORDS[stage]} -> ${to} ${model.index}`;
    case 'class':
      return `${classWords(burst.vlan[i]!, model.index)}, index ${model.index}`;
    default:
      break;
  }
  const rule = location < 0 ? '' : `flow rule at loc ${location} (${ruleWords(model)})`;
  if (stage === 'flow-rule' && model.context === MAIN_CONTEXT) {
    return `${rule} -> ${classes === null ? to : 'queue'} ${model.index}`;
  }
  if (poolQueues !== null && !poolQueues.hasRss(model.pool)) return 'no RSS in this pool, index 0';
  const type = `${rule === '' ? '' : `${rule}; `}${explainHashType(burst.kind[i]!, burst.hashType[i]!, model.types, model.fragmentRule)}`;
  if (model.bucket < 0) return to === 'queue' ? `${type} -> default queue 0` : `${type}, index 0${inClass}`;
  const table = model.table();
  const pick = table.mask !== 0 || table.size === 1 ? `& ${table.mask}` : `mod ${table.size}`;
  const context = model.context === MAIN_CONTEXT ? '' : ` of context ${model.context}`;
  const entry = table.entries[model.bucket]!;
  const limited = stage === 'rss' && poolQueues !== null && poolQueues.limited(model.pool, entry) !== entry;
  return (
    `${type}; ${hex32(burst.hash[i]!)} ${pick} = bucket ${model.bucket}${context} -> ${to} ` +
    (limited ? `${entry}, of which the pool takes ${model.index}` : `${model.index}`) +
    inClass
  );
}

function ruleWords(model: NicDecision): string {
  return formatNtuple(model.rules.rule(model.location));
}

function poolWords(reason: number): string {
  if (reason === PoolReason.vlanDropped) return 'its VLAN is not in the VLAN table';
  return reason === PoolReason.tooLong ? 'too long for every pool' : 'no pool wants it';
}
