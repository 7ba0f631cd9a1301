/**
 * Files that policies name: `@FILE` with the policy itself, a module of the user's (`js:FILE`), what ethtool printed
 * (`rss:ethtool=FILE`).
 *
 * Promise: what a policy is, is told by what these hold, never by where they lie. Files are read when asked, regular ones
 * only: what is compared between machines is read more than once.
 */
import { readTextFile } from '../text-file.js';
import { parseYaml } from '../yaml-text.js';
import { parsePolicy } from './parse.js';
import type { PolicySpec } from './spec.js';

/** A policy as it is given. */
export type GivenPolicy = string | object;

/** What `@FILE` holds, checked; any other policy as it is. @throws UserError */
export function unfoldPolicy<P extends GivenPolicy>(given: P): P | GivenPolicy {
  if (typeof given !== 'string' || !given.trim().startsWith('@')) return given;
  const path = given.trim().slice(1);
  const place = `policy file ${path}`;
  const content = parseYaml(readTextFile(path, place, 'regular'), place);
  // Says what is wrong with it, if anything is.
  parsePolicy(given, { files: 'regular' });
  return typeof content === 'string' ? content.trim() : (content as object);
}

/** Where the path is in a policy string. */
const IN_TEXT = { js: /^(js:)([^,]*)/, ethtool: /([:,]\s*ethtool\s*=\s*)([^,]*)/ } as const;

/** As the policies' reader sees it. */
const plain = (text: string) => text.trim().replace(/\s+/g, ' ');

/** The file that a policy names beside `@FILE`: a program, or what ethtool printed; null where it names none. */
export function policyFile(given: GivenPolicy): { path: string; isCode: boolean } | null {
  if (typeof given === 'object') {
    const { policy, name, file, ethtool } = given as Record<string, string | undefined>;
    if ((policy ?? name) === 'js' && file !== undefined) return { path: file, isCode: true };
    return ethtool === undefined ? null : { path: ethtool, isCode: false };
  }
  const text = plain(given);
  const isCode = IN_TEXT.js.test(text);
  const path = (isCode ? IN_TEXT.js : IN_TEXT.ethtool).exec(text)?.[2];
  return path === undefined || path === '' ? null : { path: isCode ? path : path.trim(), isCode };
}

/** A policy with another path for that file. */
export function withPolicyFile<P extends GivenPolicy>(given: P, path: string): P {
  const before = policyFile(given);
  if (before === null) return given;
  if (typeof given === 'string') {
    const place = before.isCode ? IN_TEXT.js : IN_TEXT.ethtool;
    return plain(given).replace(place, (_, start: string) => start + path) as P;
  }
  return { ...(given as object), [before.isCode ? 'file' : 'ethtool']: path } as P;
}

/** What a validated policy depends on: its values without paths, and the content of its module or ''. @throws UserError */
export function policyIdentity(spec: PolicySpec): readonly [values: object, content: string] {
  if (spec.policy === 'js') {
    const { text: _, file, ...values } = spec;
    return [values, readTextFile(file, `policy js: ${file}`, 'regular')];
  }
  // What ethtool printed is among the values.
  const { text: _, ethtool: __, ...values } = { ethtool: undefined, ...spec };
  return [values, ''];
}

/** A policy as names of results have it: itself, or what is in the files that it names. @throws UserError */
export function portablePolicy(given: GivenPolicy): unknown {
  const isFile = typeof given === 'string' && given.trim().startsWith('@');
  if (!isFile && policyFile(given) === null) return given;
  return policyIdentity(parsePolicy(given, { files: 'regular' }));
}
