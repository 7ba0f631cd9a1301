/**
 * From commands of `ethtool` back to the policy that they make.
 *
 * Promise: every command is understood or refused. The size of the table is the device's, so the policy has none. Pure.
 */
import { UserError } from '../../errors.js';

const COMMAND = /^ethtool (-[LKNX]) (?:"\$DEV"|'[^']*'|\S+) (.+)$/;

interface Found {
  queues?: number;
  key?: string;
  function?: string;
  symmetric?: string;
  readonly fill: Record<string, unknown>;
  readonly types: Set<string>;
  readonly rules: string[];
  readonly contexts: Record<string, unknown>[];
  steps: number;
}

/** `equal 4 start 1`, `weight 3 1`. */
function fillOf(words: string): Record<string, unknown> | null {
  const match = /^(?:equal (\d+)|weight((?: \d+)+))(?: start (\d+))?$/.exec(words);
  if (match === null) return null;
  const [, equal, weight, start] = match;
  return {
    ...(equal === undefined ? {} : { equal: Number(equal) }),
    ...(weight === undefined ? {} : { weight: weight.trim().split(' ').map(Number) }),
    ...(start === undefined ? {} : { start: Number(start) }),
  };
}

function readX(words: string, found: Found): boolean {
  if (words === 'default') return true;
  const context = /^(.*) context new$/.exec(words);
  const fill = fillOf(context?.[1] ?? words);
  if (fill !== null) {
    if (context === null) Object.assign(found.fill, fill);
    else found.contexts.push(fill);
    return true;
  }
  const rest = words.replace(/(hkey|hfunc|xfrm) (\S+) ?/g, (_, name: string, value: string) => {
    if (name === 'hkey') found.key = value.replaceAll(':', '');
    else if (name === 'hfunc') found.function = value === 'xor' ? 'xor8' : value;
    else found.symmetric = value.replace('symmetric-', '');
    return '';
  });
  return rest === '';
}

function readN(words: string, found: Found): boolean {
  const fields = /^rx-flow-hash (tcp|udp)([46]) (sd|sdfn)$/.exec(words);
  if (fields === null) {
    if (!words.startsWith('flow-type ')) return false;
    found.rules.push(words);
    return true;
  }
  found.types.add(`ipv${fields[2]}`);
  if (fields[3] === 'sdfn') found.types.add(`${fields[1]}-ipv${fields[2]}`);
  return true;
}

function readCommand(flag: string, words: string, found: Found): boolean {
  if (flag === '-X') return readX(words, found);
  if (flag === '-N') return readN(words, found);
  if (flag === '-K') return /^(rxhash|ntuple) on$/.test(words);
  const channels = /^(?:combined|rx) (\d+)$/.exec(words);
  if (channels !== null) found.queues = Number(channels[1]);
  return channels !== null;
}

/** The policy. @throws UserError */
export function parseEthtoolCommands(commands: readonly string[]): Record<string, unknown> {
  const found: Found = { fill: {}, types: new Set(), rules: [], contexts: [], steps: 0 };
  for (const command of commands) {
    if (command.startsWith('#')) continue;
    const match = COMMAND.exec(command);
    if (match === null || !readCommand(match[1]!, match[2]!, found)) {
      throw new UserError(`ethtool: "${command}" is not understood`);
    }
    found.steps++;
  }
  return policyOf(found);
}

/** A rule for a MAC address alone. */
const OWNER = /^flow-type ether dst ([0-9a-f:]{17})(?: vlan (\d+) m 0xf000)? action (\d+) loc \d+$/;

function policyOf(found: Found): Record<string, unknown> {
  const { fill, types, rules, contexts, key, queues } = found;
  if (found.steps === 1 && fill.equal === 1) return { policy: 'single' };
  const owners = rules.map((rule) => OWNER.exec(rule));
  if (types.size === 0 && owners.every((owner) => owner !== null)) {
    return {
      policy: 'mac',
      assign: 'static',
      owners: owners.map((owner) => ({
        mac: owner![1]!,
        ...(owner![2] === undefined ? {} : { vlan: Number(owner![2]) }),
        worker: Number(owner![3]),
      })),
    };
  }
  return {
    policy: 'rss',
    ...(queues === undefined ? {} : { queues }),
    ...(key === undefined ? {} : { key }),
    ...(found.function === undefined ? {} : { function: found.function }),
    ...(found.symmetric === undefined ? {} : { symmetric: found.symmetric }),
    types: [...types],
    ...fill,
    ...(rules.length === 0 ? {} : { rules }),
    ...(contexts.length === 0 ? {} : { contexts }),
  };
}
