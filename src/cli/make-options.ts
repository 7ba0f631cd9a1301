/**
 * The flags of `rxsteer make`, turned into options.
 *
 * Promise: every wrong value gives one UserError line that names the flag and what is permitted; flags that do not
 * go together are refused, never ignored.
 */
import { UserError } from '../errors.js';
import { type NameOf, planTraffic, type TrafficOptions, type TrafficPlan } from '../traffic/options.js';

/** What commander gives. */
export interface MakeFlags {
  readonly packets?: string;
  readonly flows?: string;
  readonly clients?: string;
  readonly guests?: string;
  readonly zipf?: string;
  readonly elephants?: string;
  readonly elephantShare?: string;
  readonly size?: string;
  readonly protocols?: string;
  readonly ipv6?: string;
  readonly vlans?: string;
  readonly qinq?: boolean;
  readonly tunnels?: string;
  readonly tunnelEnds?: string;
  readonly fragments?: string;
  readonly bothWays?: boolean;
  readonly rate?: string;
  readonly arrivals?: string;
  readonly burst?: string;
  readonly start?: string;
  readonly imbalance?: string;
  readonly hotQueue?: string;
  readonly share?: string;
  readonly hotFlows?: string;
  readonly seed?: string;
  readonly from?: string;
  readonly asFlows?: string;
  readonly asMacs?: string;
  readonly keepFlows?: boolean;
  readonly format?: string;
  readonly gzip?: boolean;
  readonly json?: boolean;
}

const SUFFIXES: Readonly<Record<string, number>> = { '': 1, k: 1e3, M: 1e6, G: 1e9 };

/** `1500`, `10k`, `1.5M`. @throws UserError */
export function parseCount(text: string, flag: string): number {
  const match = /^(\d{1,12}(?:\.\d{1,9})?)([kMG]?)$/.exec(text.trim());
  if (match === null) throw new UserError(`${flag}: "${text}" is not a number such as 1500, 10k or 2.5M`);
  return Number((Number(match[1]) * SUFFIXES[match[2]!]!).toPrecision(15));
}

/** `tcp=0.8,udp=0.2`; a bare name has weight 1. @throws UserError */
export function parseWeights(text: string, flag: string): Record<string, number> {
  const weights: Record<string, number> = {};
  for (const pair of text.split(',')) {
    const [name = '', value] = pair.trim().split('=');
    const weight = value === undefined ? 1 : /^\d{1,9}(\.\d{1,9})?$/.test(value) ? Number(value) : Number.NaN;
    if (name === '' || Number.isNaN(weight)) {
      throw new UserError(`${flag}: "${pair.trim()}": expected NAME=WEIGHT pairs such as tcp=0.8,udp=0.2`);
    }
    if (Object.hasOwn(weights, name)) throw new UserError(`${flag}: ${name} is given twice`);
    weights[name] = weight;
  }
  return weights;
}

const FLAG_NAMES: Readonly<Record<string, string>> = {
  elephantShare: '--elephant-share',
  tunnelEnds: '--tunnel-ends',
  bothWays: '--both-ways',
  'imbalance.queue': '--hot-queue',
  'imbalance.share': '--share',
  'imbalance.flows': '--hot-flows',
  'imbalance.policy': '--imbalance',
};

/** The flag of an option. */
export const flagOf: NameOf = (option) => {
  if (option.startsWith('protocols.')) return '--protocols';
  if (option.startsWith('tunnels.')) return '--tunnels';
  return FLAG_NAMES[option] ?? `--${option}`;
};

/** Flags that only mean something when traffic is made, by name. */
const MAKING = [
  'packets',
  'flows',
  'clients',
  'guests',
  'elephants',
  'elephantShare',
  'size',
  'protocols',
  'ipv6',
  'vlans',
  'qinq',
  'tunnels',
  'tunnelEnds',
  'fragments',
  'bothWays',
  'rate',
  'arrivals',
  'burst',
  'start',
  'imbalance',
  'hotQueue',
  'share',
  'hotFlows',
] as const;
/** Flags that only mean something with `--from`. */
const SPREADING = ['asFlows', 'asMacs', 'keepFlows'] as const;

function kebab(name: string): string {
  return `--${name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`;
}

function imbalanceOf(flags: MakeFlags): object {
  const parts = ['hotQueue', 'share', 'hotFlows'] as const;
  if (flags.imbalance === undefined) {
    const stray = parts.find((name) => flags[name] !== undefined);
    if (stray !== undefined) throw new UserError(`${kebab(stray)}: goes with --imbalance POLICY only`);
    return {};
  }
  for (const name of ['hotQueue', 'share'] as const) {
    if (flags[name] === undefined) throw new UserError(`--imbalance: ${kebab(name)} is needed too`);
  }
  return {
    imbalance: {
      policy: flags.imbalance,
      queue: flags.hotQueue,
      share: flags.share,
      ...(flags.hotFlows === undefined ? {} : { flows: parseCount(flags.hotFlows, '--hot-flows') }),
    },
  };
}

/** The plan of the flags. @throws UserError */
export function makePlan(flags: MakeFlags): TrafficPlan {
  const stray = SPREADING.find((name) => flags[name] !== undefined);
  if (stray !== undefined) throw new UserError(`${kebab(stray)}: goes with --from CAPTURE only`);
  const options: Record<string, unknown> = imbalanceOf(flags) as Record<string, unknown>;
  for (const name of ['packets', 'flows', 'clients', 'guests', 'elephants', 'rate', 'burst'] as const) {
    if (flags[name] !== undefined) options[name] = parseCount(flags[name], kebab(name));
  }
  const plain = [
    'zipf',
    'elephantShare',
    'size',
    'ipv6',
    'vlans',
    'qinq',
    'tunnelEnds',
    'fragments',
  ] as const;
  for (const name of [...plain, 'bothWays', 'arrivals', 'start', 'seed'] as const) {
    if (flags[name] !== undefined) options[name] = flags[name];
  }
  for (const name of ['protocols', 'tunnels'] as const) {
    if (flags[name] !== undefined) options[name] = parseWeights(flags[name], kebab(name));
  }
  return planTraffic(options as TrafficOptions, flagOf);
}

/** How to spread a capture; 0: not over flows, not over guests. */
export interface SpreadPlan {
  readonly flows: number;
  readonly guests: number;
  readonly keepFlows: boolean;
  readonly zipf: number;
  readonly seed: number;
}

/** @throws UserError */
export function spreadPlan(flags: MakeFlags): SpreadPlan {
  const stray = MAKING.find((name) => flags[name] !== undefined);
  if (stray !== undefined) {
    throw new UserError(`${kebab(stray)}: does not go with --from, whose packets are what they are`);
  }
  if (flags.asFlows === undefined && flags.asMacs === undefined) {
    throw new UserError('--from: --as-flows N or --as-macs N is needed');
  }
  if (flags.from === '-' && flags.asFlows !== undefined) {
    throw new UserError('--as-flows: reads the capture twice, so --from must be a file');
  }
  // The limits of `flows` and `guests` are those of made traffic.
  const { flows, guests, zipf, seed } = planTraffic(
    {
      ...(flags.asFlows === undefined ? {} : { flows: parseCount(flags.asFlows, '--as-flows') }),
      ...(flags.asMacs === undefined ? {} : { guests: parseCount(flags.asMacs, '--as-macs') }),
      ...(flags.zipf === undefined ? {} : { zipf: flags.zipf as unknown as number }),
      ...(flags.seed === undefined ? {} : { seed: flags.seed as unknown as number }),
    },
    (option) => ({ flows: '--as-flows', guests: '--as-macs' })[option] ?? flagOf(option),
  );
  return {
    flows: flags.asFlows === undefined ? 0 : flows,
    guests: flags.asMacs === undefined ? 0 : guests,
    keepFlows: flags.keepFlows === true,
    zipf,
    seed,
  };
}
