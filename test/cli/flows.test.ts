/** `rxsteer flows`: what it prints can be given to `explain`, and wrong calls say what is right. */
import { describe, expect, it } from 'vitest';
import { rxsteer } from './run.js';

const P16 = 'rss:nic=ixgbe-82599,queues=16,key=microsoft';

describe('rxsteer flows', () => {
  it('prints flows, one a line, that explain sends there', async () => {
    const { code, stdout, stderr } = await rxsteer([
      'flows',
      '--policy',
      P16,
      '--queue',
      '11',
      '--count',
      '5',
    ]);
    expect([code, stderr]).toEqual([0, 'rxsteer: 4,032 of 64,512 source ports lead to queue 11\n']);
    const flows = stdout.trimEnd().split('\n');
    expect(flows).toHaveLength(5);
    for (const flow of flows) {
      const explained = await rxsteer(['explain', '--policy', P16, '--flow', flow, '--json']);
      expect(JSON.parse(explained.stdout)).toMatchObject({ queue: 11 });
    }
  });

  it('prints JSON with the fields of explain', async () => {
    const args = [
      'flows',
      '--policy',
      'rps:cpus=0-3',
      '--worker',
      '2',
      '--count',
      '2',
      '--vlan',
      '7',
      '--json',
    ];
    const { stdout, stderr } = await rxsteer(args);
    expect(stderr).toBe('');
    const document = JSON.parse(stdout);
    expect(document).toMatchObject({ policy: 'rps:cpus=0-3', queue: null, worker: 2, method: 'search' });
    expect(document.flows).toHaveLength(2);
    for (const { flow, ...rest } of document.flows) {
      const explained = await rxsteer([
        'explain',
        '--policy',
        'rps:cpus=0-3',
        '--flow',
        flow,
        '--vlan',
        '7',
        '--json',
      ]);
      const { packet, hash, bucket, queue, worker } = JSON.parse(explained.stdout);
      expect(rest).toMatchObject({ src: packet.src, sport: packet.sport, bucket, queue, worker: 2 });
      expect([rest.hash, worker]).toEqual([hash.value, 2]);
    }
  });

  it('prints MAC addresses where they decide', async () => {
    const args = ['flows', '--policy', 'mac-hash:queues=4', '--queue', '3', '--count', '2'];
    const { stdout } = await rxsteer(args);
    for (const text of stdout.trimEnd().split('\n')) {
      const [, flow, mac] = /^--flow "(.*)" --dst-mac (\S+)$/.exec(text)!;
      const explained = await rxsteer([
        ...['explain', '--policy', 'mac-hash:queues=4', '--flow', flow!, '--dst-mac', mac!, '--json'],
      ]);
      expect(JSON.parse(explained.stdout).queue).toBe(3);
    }
  });

  it('says when there are fewer', async () => {
    const args = ['flows', '--policy', P16, '--queue', '1', '--vary', 'sport', '--count', '5000'];
    const { stdout, stderr } = await rxsteer(args);
    expect(stdout.trimEnd().split('\n')).toHaveLength(4032);
    expect(stderr).toMatch(/; there are no more than these 4032\n$/);
  });

  it.each([
    [['--policy', P16], 'no place given: one of --queue, --worker is needed'],
    [
      ['--policy', P16, '--queue', '1', '--worker', '1'],
      '--queue and --worker given: one of --queue, --worker is needed',
    ],
    [['--policy', P16, '--queue', '16'], '--queue 16: the queues are 0 to 15'],
    [['--policy', 'rps:cpus=0-3', '--worker', '4'], '--worker 4: the workers are 0 to 3'],
    [['--policy', 'rps:cpus=0-3', '--queue', '1'], '--queue: policy rps has workers only: --worker'],
    [['--policy', 'round-robin', '--worker', '0'], 'policy round-robin: it steers packets, not flows'],
    [
      ['--policy', 'mac', '--worker', '0'],
      'policy mac: it assigns guests by their MAC addresses, whatever the flow',
    ],
    [
      ['--policy', P16, '--queue', '1', '--count', '0'],
      '--count: "0" is not a whole number from 1 to 100000',
    ],
    [
      ['--policy', P16, '--queue', '1', '--vary', 'port'],
      '--vary: "port": expected some of sport+dport+src+dst+src-mac+dst-mac',
    ],
    [
      ['--policy', P16, '--queue', '1', '--like', 'icmp 10.0.0.1 > 10.0.0.2', '--vary', 'sport'],
      '--vary: sport: such a flow has no ports',
    ],
  ])('refuses %j', async (args, message) => {
    expect(await rxsteer(['flows', ...args])).toEqual({
      code: 2,
      stdout: '',
      stderr: `rxsteer: ${message}\n`,
    });
  });
});
