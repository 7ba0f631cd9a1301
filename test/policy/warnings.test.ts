import { rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { policyWarnings } from '#rxsteer/policy/warnings.js';
import { rxsteer } from '../cli/run.js';
import { policy } from './support.js';

const warnings = (text: string) => policyWarnings(policy(text));

describe('warnings', () => {
  it.each([
    'rss:queues=4',
    'rss:nic=ixgbe-82599,queues=16',
    'rss:queues=4,types=ipv4+tcp-ipv4',
    'rss:queues=4,function=xor8',
    'rps:cpus=0-3',
    'pools',
    'single',
  ])('%s needs none', (text) => {
    expect(warnings(text)).toEqual([]);
  });

  it.each([
    [
      'rss:queues=4,types=ipv4+udp-ipv4',
      'policy rss: types: udp-ipv4 hashes ports, which fragments do not have',
    ],
    ['rss:queues=4,types=ipv6+udp-ipv6', 'types: udp-ipv6 hashes ports'],
    ['pools:types=ipv4+udp-ipv4', 'policy pools: types: udp-ipv4 hashes ports'],
    ['rss:queues=4,key=symmetric', 'key: IPv4 flows have only 2^16 different hashes'],
    ['rss:queues=4,key=mtcp05', "key: it reaches only 64 of the table's 128 buckets"],
  ])('%s', (text, message) => {
    expect(warnings(text)).toHaveLength(1);
    expect(warnings(text)[0]).toContain(message);
  });

  it('what ethtool says of a NIC needs none', () => {
    const file = join(tmpdir(), `rxsteer-warnings-${process.pid}.txt`);
    const key =
      'RSS hash key:\n6d:5a:56:da:25:5b:0e:c2:41:67:25:3d:43:a3:8f:b0:d0:ca:2b:cb:ae:7b:30:b4:77:cb:2d:a3:80:30:f2:0c:6a:42:b7:3b:be:ac:01:fa';
    const table =
      'RX flow hash indirection table for eth0 with 2 RX ring(s):\n    0:      0     1     0     1';
    try {
      writeFileSync(file, `${table}\n${key}\n`);
      const steering = policy(`rss:ethtool=${file}`);
      expect(steering.spec).toMatchObject({ types: expect.arrayContaining(['udp-ipv4']) });
      expect(policyWarnings(steering)).toEqual([]);
    } finally {
      rmSync(file, { force: true });
    }
  });

  it('explain prints them on standard error, and its JSON alone on standard output', async () => {
    const text = 'rss:queues=4,types=ipv4+udp-ipv4';
    const flow = 'udp 10.0.0.1:9 > 10.0.0.2:1';
    const { code, stdout, stderr } = await rxsteer(['explain', '--policy', text, '--flow', flow, '--json']);
    expect([code, JSON.parse(stdout).hash.type]).toEqual([0, 'udp-ipv4']);
    expect(stderr).toMatch(/^rxsteer: warning: policy rss: types: [^\n]+\n$/);
  });

  it('forward prints them too, before it is ready', async () => {
    const ports = ['--port', 'a=memory:source,packets=10', '--port', 'b=memory:sink'];
    const text = 'rss:queues=2,types=ipv4+udp-ipv4';
    const { code, stderr } = await rxsteer(['forward', ...ports, '--policy', text]);
    expect([code, stderr]).toEqual([
      0,
      expect.stringMatching(/^rxsteer: warning: policy rss: types: [^\n]+\nready\n$/),
    ]);
  });
});
