/**
 * The well-known Toeplitz keys, by name.
 *
 * Promise: `parseKey` accepts a name, `random`, or hex, and nothing else. The values are public defaults: whoever
 * knows the key chooses the queue, see the weaknesses of fixed keys in the documentation of the key tools.
 */
import { nearestNames, UserError } from '../errors.js';
import { parseHex, shorten } from './hex.js';
import { SeededRandom } from './random.js';

const microsoft = '6d5a56da255b0ec24167253d43a38fb0d0ca2bcbae7b30b477cb2da38030f20c6a42b73bbeac01fa';
const i40e =
  '4439796bb54c5023b675ea5b124f9f30b8a2c03ddfdc4d02a08c9b334af64a4c05c6fa343958d8557d99583ae138c92e81150366';
const symmetric = '6d5a'.repeat(20);
const cnxk = 'feed0bad'.repeat(12);

/** Name to hex. */
const hexKeys = {
  /** Microsoft's verification key; the fixed default of Linux igb and netvsc and of several DPDK drivers. */
  microsoft,
  /** 6d5a repeated (Woo and Park): a flow and its reverse get one hash, of 16 effective bits. */
  symmetric,
  symmetric6d5a: symmetric,
  /** DPDK mlx5 and netvsc. */
  mlx5: '2cc681d15bdbf4f7fca28319db1a3e946b9e38d92c9c03d1ad9944a7d9563d59063c25f3fc1fdc2a',
  /** DPDK i40e and its 52-byte relatives. */
  i40e,
  i40e52: i40e,
  /** mTCP: 05 repeated, six effective bits. */
  mtcp05: '05'.repeat(40),
  /** DPDK cnxk. */
  cnxk,
  /** First ENA generations: the words of Microsoft's key in reverse order. */
  enaFixed: 'beac01fa6a42b73b8030f20c77cb2da3ae7b30b4d0ca2bcb43a38fb04167253d255b0ec26d5a56da',
  caladan: '8219fa80a43106593e3f9aac3daed6d9f5fc0c6394bf8fded2c5e204b1cfb1b1a10d6d86ba6178eb',
} as const;

/** Name of a well-known key. */
export type KeyName = keyof typeof hexKeys;

/** All names that `namedKey` and `parseKey` know. */
export const KEY_NAMES = Object.keys(hexKeys) as KeyName[];

/** A copy of a well-known key. */
export function namedKey(name: KeyName): Uint8Array {
  return parseHex(hexKeys[name], name);
}

/** Name of a well-known key with these bytes, or null. */
export function keyNameOf(key: Uint8Array): KeyName | null {
  const hex = Buffer.from(key).toString('hex');
  return KEY_NAMES.find((name) => hexKeys[name] === hex) ?? null;
}

/** The key that a seed stands for: what a driver's "random per boot" becomes here. */
export function randomKey(length: number, seed: number): Uint8Array {
  return new SeededRandom(seed).bytes(length);
}

/** True for what `parseKey` takes as a name. */
export function isKeyName(text: string): text is KeyName {
  return Object.hasOwn(hexKeys, text);
}

/**
 * Bytes of a key given as a name or as hex; `what` names the place in errors.
 * @throws UserError for an unknown name (with the nearest ones) or bad hex.
 */
export function parseKey(text: string, what: string): Uint8Array {
  if (isKeyName(text)) return namedKey(text);
  if (text === '') throw new UserError(`${what}: empty; give hex digits or one of ${KEY_NAMES.join(', ')}`);
  if (/^(0x)?[0-9a-f:]+$/i.test(text)) return parseHex(text, what);
  const near = nearestNames(text, KEY_NAMES);
  const hint = near.length > 0 ? `did you mean ${near.join(' or ')}? ` : '';
  throw new UserError(
    `${what}: "${shorten(text)}" is neither hex nor a key name: ${hint}known: ${KEY_NAMES.join(', ')}`,
  );
}
