/** The short way of reading policy strings gives what the schemas give, or nothing. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parsePolicy } from '#rxsteer/policy/parse.js';
import { parsePlain } from '#rxsteer/policy/plain.js';

/** The schemas' answer as one text with the order of the keys; null for an error. */
function bySchema(text: string): string | null {
  try {
    return JSON.stringify(parsePolicy(text));
  } catch {
    return null;
  }
}

describe('plain policies', () => {
  it.each([
    'single',
    'single:seed=7',
    ' round-robin ',
    'rss',
    'rss:queues=8',
    'rss:nic=ixgbe-82599,queues=8,key=microsoft,types=ipv4+tcp-ipv4',
    'rss: queues = 8 , symmetric=sort,seed=4294967295',
    'rps:cpus=0-3+5,hash=toeplitz,key=random',
    'rps:cpus=1023',
  ])('%s is read', (text) => {
    expect(parsePlain(text)).toEqual(parsePolicy(text));
  });

  it.each([
    'rss:',
    'rss:queues=0',
    'rss:queues=4097',
    'rss:queues=8,queues=8',
    'rss:policy=rss',
    'rss:constructor=1',
    'rss:nic=nonesuch',
    'rss:table=128',
    'rps',
    'rps:cpus=',
    'rps:cpus=1024',
    'rps:cpus=1+1',
    'rps:cpus=3-1',
    'constructor',
    'mac',
    '@file',
    '',
  ])('%s is left to the schemas', (text) => {
    expect(parsePlain(text)).toBeNull();
  });

  it('whatever is read is what the schemas make of it', () => {
    const values = [
      ...['0', '1', '8', '08', '4096', '4097', '1e3', '-1', '+1', '4294967296', '99999999999', ''],
      ...['0-3', '0-3+5', '3-0', '1+1', '0 - 3', '0-1024', 'generic', 'ixgbe-82599', 'none', 'sort', 'xor'],
      ...['linux', 'toeplitz', 'ipv4', 'ipv4+tcp-ipv4', 'ipv4+', 'microsoft', 'ff', 'x=y', ' '],
    ];
    const keys = [
      'seed',
      'nic',
      'queues',
      'key',
      'types',
      'symmetric',
      'cpus',
      'hash',
      'order',
      'policy',
      '',
    ];
    const pair = fc
      .tuple(fc.constantFrom(...keys), fc.constantFrom(...values), fc.constantFrom('=', ' = ', ''))
      .map(([key, value, equals]) => `${key}${equals}${value}`);
    const text = fc
      .tuple(
        fc.constantFrom('single', 'round-robin', 'rss', 'rps', 'rfs'),
        fc.array(pair, { maxLength: 4 }),
        fc.boolean(),
      )
      .map(([name, pairs, colon]) => `${name}${pairs.length > 0 || colon ? ':' : ''}${pairs.join(',')}`);
    let read = 0;
    fc.assert(
      fc.property(text, (given) => {
        const plain = parsePlain(given);
        if (plain === null) return;
        read++;
        const full = bySchema(given);
        expect(full).not.toBeNull();
        expect(JSON.parse(JSON.stringify(plain))).toEqual(JSON.parse(full!));
      }),
      { numRuns: 4000, seed: 6 },
    );
    expect(read).toBeGreaterThan(200);
  });
});
