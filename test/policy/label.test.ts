/** Labels before policies: never taken for a part of one. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { splitLabel } from '#rxsteer/policy/label.js';
import { POLICY_NAMES } from '#rxsteer/policy/spec.js';

describe('splitLabel', () => {
  it.each([
    ['mine=rss:queues=8', 'mine', 'rss:queues=8'],
    ['10G card = rss:nic=mlx5', '10G card', 'rss:nic=mlx5'],
    ['größte=single', 'größte', 'single'],
    ['file=@a=b.yaml', 'file', '@a=b.yaml'],
    ['x=js:/tmp/a=b.mjs', 'x', 'js:/tmp/a=b.mjs'],
  ])('%s', (given, label, policy) => {
    expect(splitLabel(given)).toEqual({ label, policy });
  });

  it.each(['single', 'rss:queues=8', '@a=b.yaml', ' @a=b', 'js:a=b.mjs,x=1', 'js:/a/b=c', '=rss'])(
    '%s has none',
    (policy) => {
      expect(splitLabel(policy)).toEqual({ label: null, policy });
    },
  );

  it('leaves every policy string as it is, and takes every label off it', () => {
    const policy = fc
      .tuple(
        fc.constantFrom(...POLICY_NAMES),
        fc.array(fc.tuple(fc.stringMatching(/^[a-z]{1,8}$/), fc.stringMatching(/^[\w=+:@./-]{1,8}$/))),
      )
      .map(([name, pairs]) =>
        pairs.length === 0 ? name : `${name}:${pairs.map((pair) => pair.join('=')).join(',')}`,
      );
    fc.assert(
      fc.property(policy, fc.stringMatching(/^[A-Za-z0-9][\w .-]{0,20}$/), (text, label) => {
        expect(splitLabel(text)).toEqual({ label: null, policy: text });
        expect(splitLabel(`${label}=${text}`)).toEqual({ label: label.trimEnd(), policy: text });
      }),
    );
  });

  it('leaves objects alone', () => {
    const policy = { policy: 'rss' };
    expect(splitLabel(policy)).toEqual({ label: null, policy });
  });
});
