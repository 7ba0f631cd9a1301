/**
 * An `rss` policy in the words of `ethtool`.
 *
 * Promise: what the command line of ethtool has no words for (single entries of the table, hash types beside TCP and UDP,
 * filters of the chip) is said; the rest is set whole, whatever was set before. Pure.
 *
 * Source: ethtool(8); net/ethtool/ioctl.c and rss.c (a table that names a queue which would go refuses `-L`).
 */
import { toHex } from '../../hash/hex.js';
import { known } from '../../host/fact.js';
import type { Device } from '../../host/host.js';
import { hashTypeList } from '../../nic/hash-types.js';
import { IndirectionTable } from '../../nic/indirection-table.js';
import { keyBytesForTypes } from '../../nic/rss-hash.js';
import { type RssSteering, rssKey } from '../../policy/rss.js';
import type { RssSpec } from '../../policy/spec.js';
import { type Cannot, Inexpressible, type Request } from '../back-end.js';
import type { Steps } from './plan.js';
import { keyWords, tableWords } from './table-words.js';

const TARGET = 'ethtool';

/** Adds the steps. @throws Inexpressible */
export function emitRss(request: Request, steps: Steps, cannot: Cannot[]): void {
  const { now } = request;
  const steering = request.steering as RssSteering;
  const { spec } = steering;
  if (spec.tcs !== undefined) {
    throw new Inexpressible(TARGET, spec, 'traffic classes are set by DCB (lldptool, dcb), not by ethtool');
  }
  if (spec.inner !== undefined) {
    cannot.push({
      what: `inner=${spec.inner.join('+')}`,
      why: 'whether a NIC looks into tunnels is its driver’s choice',
    });
  }
  if (spec.filters !== undefined) {
    cannot.push({ what: 'filters', why: 'registers of the chip; give flow rules (rules=flow-type …)' });
  }
  channelSteps(steering.table.queues, request, steps, cannot);
  featureSteps(now, 'rxhash', 'receive-hashing', steps);
  if (spec.rules !== undefined) featureSteps(now, 'ntuple', 'ntuple-filters', steps);
  fieldSteps(steering, now, steps, cannot);
  keySteps(steering, now, steps, cannot);
  tableSteps(steering, now, steps, cannot);
  contextSteps(spec, steering, steps, cannot);
  for (const rule of spec.rules ?? []) ruleStep(rule, steps, cannot);
  if (steering.workers !== steering.queues) {
    cannot.push({
      what: `${steering.workers} workers`,
      why: `which CPU takes a queue is the affinity of its interrupt: /proc/irq/N/smp_affinity_list`,
    });
  }
}

/** The number of channels; a table that names a queue which would go is reset first. */
export function channelSteps(queues: number, request: Request, steps: Steps, cannot: Cannot[]): void {
  const { now, spec } = request;
  const channels = now === null || !known(now.channels) ? null : now.channels;
  const most = channels === null ? null : Math.max(channels.maxCombined, channels.maxRx);
  if (most !== null && most > 0 && queues > most) {
    throw new Inexpressible(TARGET, spec, `${queues} queues: ${now!.name} has ${most} at most`);
  }
  if (now !== null && known(now.rss) && Math.max(...now.rss.entries) >= queues) {
    // The undo of the table itself comes later in the list, and so earlier in the reverse.
    steps.add('-X', 'default', '');
  }
  if (channels === null && now !== null) {
    cannot.push({ what: `${queues} queues`, why: `${now.name}: the number of channels could not be read` });
  }
  const isRx = channels !== null && channels.maxCombined === 0;
  const word = isRx ? 'rx' : 'combined';
  const was = channels === null ? null : `${word} ${isRx ? channels.rx : channels.combined}`;
  steps.add('-L', `${word} ${queues}`, was === `${word} ${queues}` ? '' : was);
}

/** Switches a feature on. */
export function featureSteps(
  now: Device | null,
  word: string,
  name: 'receive-hashing' | 'ntuple-filters',
  steps: Steps,
): void {
  const feature = now === null || !known(now.features) ? undefined : now.features[name];
  steps.add('-K', `${word} on`, feature === undefined ? null : feature.on ? '' : `${word} off`);
}

function fieldSteps(steering: RssSteering, now: Device | null, steps: Steps, cannot: Cannot[]): void {
  const types = hashTypeList(steering.rssHash.options.types);
  for (const type of types) {
    if (/ex$|^mac$|^frag/.test(type)) {
      cannot.push({ what: `types: ${type}`, why: 'ethtool has no word for it; the driver decides' });
    }
  }
  for (const version of [4, 6] as const) {
    const hasIp = types.includes(`ipv${version}`);
    if (!hasIp) {
      cannot.push({
        what: `IPv${version} addresses alone are not hashed`,
        why: 'a NIC that hashes hashes the addresses of every IP packet: ethtool switches ports on and off, no more',
      });
    }
    for (const transport of ['tcp', 'udp'] as const) {
      const flow = `${transport}${version}` as const;
      const letters = types.includes(`${transport}-ipv${version}`) ? 'sdfn' : 'sd';
      const was = now === null || !known(now.fields) ? undefined : now.fields[flow];
      const undo = was === undefined ? null : was === letters ? '' : `rx-flow-hash ${flow} ${was}`;
      steps.add('-N', `rx-flow-hash ${flow} ${letters}`, undo);
    }
  }
}

/** The key as long as the device has it: bytes behind the longest input have no influence. */
function fittedKey(steering: RssSteering, now: Device | null, cannot: Cannot[]): string {
  const { types } = steering.rssHash.options;
  const key = toHex(rssKey(steering.spec, steering.profile, types));
  if (now === null || !known(now.rss) || now.rss.key === null) return key;
  const length = now.rss.key.length;
  if (key.length === length) return key;
  if (length < 2 * keyBytesForTypes(types)) {
    cannot.push({
      what: 'key',
      why: `the key of ${now.name} has ${length / 2} bytes, too few for the types`,
    });
  }
  return key.slice(0, length).padEnd(length, '0');
}

function keySteps(steering: RssSteering, now: Device | null, steps: Steps, cannot: Cannot[]): void {
  const { function: name = 'toeplitz' } = steering.rssHash.options;
  const { symmetric } = steering.rssHash.options;
  const rss = now === null || !known(now.rss) ? null : now.rss;
  if (name === 'crc32c') {
    cannot.push({ what: 'function=crc32c', why: 'ethtool knows toeplitz, xor and crc32' });
    return;
  }
  const word = name === 'xor8' ? 'xor' : name;
  const words = name === 'toeplitz' ? [`hkey ${keyWords(fittedKey(steering, now, cannot))}`] : [];
  if (name !== 'toeplitz' || (rss?.function ?? 'toeplitz') !== 'toeplitz') words.push(`hfunc ${word}`);
  if (symmetric === 'sort') {
    cannot.push({ what: 'symmetric=sort', why: 'ethtool knows symmetric-xor and symmetric-or-xor' });
  } else if (symmetric !== 'none') words.push(`xfrm symmetric-${symmetric}`);
  else if (rss !== null && rss.symmetric !== 'none') words.push('xfrm none');
  if (words.length > 0) steps.add('-X', words.join(' '), rss === null ? null : keyUndo(rss, words));
}

/** Takes back what the words have set. */
function keyUndo(
  rss: { key: string | null; function: string | null; symmetric: string },
  words: readonly string[],
): string {
  const back = words.flatMap((word) => {
    if (word.startsWith('hkey')) return rss.key === null ? [] : [`hkey ${keyWords(rss.key)}`];
    if (word.startsWith('hfunc')) return [`hfunc ${rss.function ?? 'toeplitz'}`];
    return [`xfrm ${rss.symmetric === 'none' ? 'none' : `symmetric-${rss.symmetric}`}`];
  });
  return back.join(' ');
}

/** Words that fill a table as it was; null where there are none. */
export function tableUndo(now: Device | null): string | null {
  if (now === null || !known(now.rss)) return null;
  const { entries } = now.rss;
  const queues = now.rx.length;
  return entries.every((queue, i) => queue === i % queues) ? 'default' : tableWords(entries);
}

function tableSteps(steering: RssSteering, now: Device | null, steps: Steps, cannot: Cannot[]): void {
  const { table } = steering;
  const size = now === null || !known(now.rss) ? table.size : now.rss.entries.length;
  let entries: ArrayLike<number> = table.entries;
  if (size !== table.size) {
    const fitted = new IndirectionTable(size, table.queues);
    // A fill by turns or blocks has a sense in any size.
    const isTurns = tableWords(table.entries)?.startsWith('equal') === true;
    cannot.push({
      what: `table of ${table.size} entries`,
      why: `${now!.name} has ${size}: ${isTurns ? 'filled in turns too, so other flows meet where the number of queues is no power of two' : 'give a policy with so many'}`,
    });
    entries = isTurns ? fitted.entries : table.resized(table.size).entries;
  }
  const words = tableWords(entries);
  if (words === null) {
    cannot.push({
      what: 'single entries of the table',
      why: 'ethtool’s command line fills by turns (equal) and blocks (weight); single entries go by netlink (RSS_SET)',
    });
    const counts = [...table.counts()];
    steps.say(`nearest that ethtool can: weight ${counts.join(' ')}`);
    return;
  }
  steps.add('-X', words, tableUndo(now));
}

function contextSteps(spec: RssSpec, steering: RssSteering, steps: Steps, cannot: Cannot[]): void {
  (spec.contexts ?? []).forEach((context, index) => {
    const table = new IndirectionTable(steering.table.size, steering.table.queues);
    table.fill(context);
    const words = tableWords(table.entries);
    if (words === null || context.key !== undefined) {
      const what = words === null ? 'single entries of its table' : 'a key of its own';
      cannot.push({ what: `contexts[${index}]: ${what}`, why: 'ethtool’s command line has no words for it' });
    }
    if (words !== null) steps.add('-X', `${words} context new`, `context ${index + 1} delete`);
  });
}

/** Only words and numbers reach a shell. */
function ruleStep(rule: string, steps: Steps, cannot: Cannot[]): void {
  if (!/^[\w:./ -]+$/.test(rule)) {
    cannot.push({ what: `rule "${rule}"`, why: 'it has characters that a shell reads otherwise' });
    return;
  }
  const location = / loc (\d+)/.exec(rule)?.[1];
  steps.add('-N', rule, location === undefined ? null : `delete ${location}`);
}
