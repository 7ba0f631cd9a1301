import { resolve } from 'node:path';
import { describe, expect, it } from 'vitest';
import { absolutePolicy, absolutePort, checkPolicyPaths, checkPortPath } from '#rxsteer/control/paths.js';

describe('files in requests', () => {
  it.each([
    ['js:a/b.mjs,limit=3', `js:${resolve('a/b.mjs')},limit=3`],
    ['js:/x/y.mjs', 'js:/x/y.mjs'],
    ['rss:ethtool=x.txt', `rss:ethtool=${resolve('x.txt')}`],
    ['rss:queues=4,ethtool=../x.txt,seed=2', `rss:queues=4,ethtool=${resolve('../x.txt')},seed=2`],
    ['rss:ethtool=-', 'rss:ethtool=-'],
    ['rss:queues=4', 'rss:queues=4'],
    ['mac', 'mac'],
  ])('%s is named from the root by who asks', (given, wanted) => {
    expect(absolutePolicy(given)).toBe(wanted);
  });

  it('in objects too', () => {
    expect(absolutePolicy({ policy: 'js', file: 'a.mjs' })).toEqual({ policy: 'js', file: resolve('a.mjs') });
    expect(absolutePolicy({ name: 'rss', ethtool: 'e' })).toEqual({ name: 'rss', ethtool: resolve('e') });
    expect(absolutePolicy({ policy: 'mac', file: 'a' })).toEqual({ policy: 'mac', file: 'a' });
  });

  it('and captures of ports', () => {
    expect(absolutePort('c=pcap:out.pcap,mode=write')).toBe(`c=pcap:${resolve('out.pcap')},mode=write`);
    expect(absolutePort('c=pcap:-')).toBe('c=pcap:-');
    expect(absolutePort('t=tap:t0')).toBe('t=tap:t0');
    expect(absolutePort('nonsense')).toBe('nonsense');
  });

  it.each(['js:a.mjs', 'rss:ethtool=x', 'rss:queues=2, ethtool = x', { policy: 'js', file: 'a.mjs' }])(
    'relative in a request, %j is refused',
    (policy) => {
      expect(() => checkPolicyPaths(policy)).toThrow('a running forwarder takes absolute paths only');
    },
  );

  it('absolute ones, and what names no file, are not', () => {
    for (const policy of ['js:/a.mjs', 'rss:ethtool=/x', 'rss', { policy: 'mac', file: 'x' }])
      checkPolicyPaths(policy);
    for (const port of ['a=pcap:/x', 'a=memory:sink', 'a=tap:t0']) checkPortPath(port);
    expect(() => checkPortPath('a=pcap:x')).toThrow(
      '--port a: x: a running forwarder takes absolute paths only',
    );
    expect(() => checkPolicyPaths('@/x.yaml')).toThrow('@FILE is read by who asks');
  });
});
