/** The grid: which cells there are, what they are called, what is left out. */
import { appendFileSync, writeFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { planSweep } from '#rxsteer/sweep/grid.js';
import { withFolder } from '../traffic/support.js';
import { grid } from './support.js';

/** A file; a grid does not look into captures. */
function touch(path: string, text = 'capture'): string {
  writeFileSync(path, text);
  return path;
}

const texts = (plan: ReturnType<typeof planSweep>) => plan.cells.map(({ text }) => text);

describe('planSweep', () => {
  it('is the product of the axes that a policy has', async () => {
    await withFolder((path) => {
      const captures = [touch(path('a'), 'a'), touch(path('b'), 'b')];
      const policies = [
        'single',
        'rss:types=ipv4+tcp-ipv4',
        'rps',
        'mac',
        { policy: 'mac-hash', fields: 'src' },
      ];
      const axes = {
        nics: ['generic', 'mlx5'],
        queues: [2, 4],
        keys: ['microsoft', 'random'],
        seeds: [1, 2],
      };
      const plan = planSweep(grid(captures, policies, axes));
      const of = (name: string) =>
        plan.cells.filter(({ text }) => text.includes(name) && !text.includes(`${name}-`));
      expect(of('single')).toHaveLength(2);
      // 2 NICs x 2 counts x (one fixed key, and one drawn for each of 2 seeds), for both captures.
      expect(of('rss')).toHaveLength(2 * 2 * 2 * 3);
      expect(
        of('rps')
          .map(({ text }) => text)
          .slice(0, 4),
      ).toEqual(['rps:cpus=0-1,seed=1', 'rps:cpus=0-1,seed=2', 'rps:cpus=0-3,seed=1', 'rps:cpus=0-3,seed=2']);
      expect(
        of('mac')
          .slice(0, 4)
          .map(({ text, workers }) => [text, workers]),
      ).toEqual([
        ['mac', 2],
        ['mac', 4],
        ['mac', 2],
        ['mac', 4],
      ]);
      // As rss: of the two keys one is drawn from the seeds.
      expect(plan.cells.filter(({ text }) => text.includes('"mac-hash"'))).toHaveLength(2 * 2 * 3);
      expect(new Set(plan.cells.map(({ key }) => key)).size).toBe(plan.cells.length);
    });
  });

  it('names cells by content: the same for a copy, another for another capture, policy or clock', async () => {
    await withFolder((path) => {
      const a = touch(path('a'));
      const key = (file: string, policy = 'rss:queues=4', axes = {}) =>
        planSweep(grid([file], [policy], axes)).cells[0]!.key;
      expect(key(touch(path('copy')))).toBe(key(a));
      expect(key(a, 'rss', { queues: [4] })).toBe(key(a));
      const others = [
        key(touch(path('b'), 'capturf')),
        key(a, 'rss:queues=5'),
        key(a, 'rss:queues=4', { speed: 2 }),
        key(a, 'rss:queues=4', { gapUs: 2 }),
        key(a, 'rss:queues=4', { workers: 2 }),
        key(a, 'rss:queues=4', { model: 'packet=5' }),
      ];
      expect(new Set([key(a), ...others]).size).toBe(7);
      const before = key(a);
      appendFileSync(a, '.');
      expect(key(a)).not.toBe(before);
    });
  });

  it('knows a policy by the content of its file', async () => {
    await withFolder((path) => {
      const a = touch(path('a'));
      const file = touch(path('p.yaml'), 'policy: rss\ntypes: [ipv4]\n');
      const first = planSweep(grid([a], [`@${file}`], { queues: [2, 3] }));
      expect(first.cells).toHaveLength(2);
      touch(file, 'policy: rss\ntypes: [ipv4, tcp-ipv4]\n');
      const second = planSweep(grid([a], [`@${file}`], { queues: [2, 3] }));
      expect(second.cells[0]!.key).not.toBe(first.cells[0]!.key);
    });
  });

  it('knows what a policy names by its content, wherever that lies', async () => {
    await withFolder((path) => {
      const a = touch(path('a'));
      const key = (policy: string | object) => planSweep(grid([a], [policy])).cells[0]!.key;
      const module = 'export default () => ({ steer() {} });';
      const [one, copy] = [touch(path('one.mjs'), module), touch(path('copy.mjs'), module)];
      expect(key(`js:${copy}`)).toBe(key(`js:${one}`));
      expect(key(`js:${copy},x=1`)).not.toBe(key(`js:${one}`));
      expect(key(`js:${touch(path('other.mjs'), `${module};`)}`)).not.toBe(key(`js:${one}`));
      const shown = (table: string) =>
        `RX flow hash indirection table for eth0 with 2 RX ring(s):\n    0:      ${table}\nRSS hash key:\n${'6d:5a:'.repeat(20).slice(0, -1)}\n`;
      const [x, y] = [touch(path('x'), shown('0 1')), touch(path('y'), shown('0 1'))];
      expect(key(`rss:ethtool=${y}`)).toBe(key({ policy: 'rss', ethtool: x }));
      expect(key(`rss:ethtool=${touch(path('z'), shown('1 0'))}`)).not.toBe(key(`rss:ethtool=${x}`));
    });
  });

  it('leaves out what a NIC cannot have, and says why', async () => {
    await withFolder((path) => {
      const plan = planSweep(
        grid([touch(path('a'))], ['rss'], { nics: ['ixgbe-82599', 'ice-e810'], queues: [16, 32] }),
      );
      expect(texts(plan)).toEqual(
        ['rss:nic=ixgbe-82599,queues=16', 'rss:nic=ice-e810,queues=16', 'rss:nic=ice-e810,queues=32'].map(
          (text) => expect.stringContaining(text),
        ),
      );
      expect(plan.skipped).toEqual(['policy rss: queues=32: RSS of ixgbe-82599 reaches 16 at most']);
    });
  });

  it.each([
    [['rss:queues=4'], { queues: [2] }, 'sets queues, and so does the sweep'],
    [['rsss'], {}, 'unknown policy "rsss": did you mean rss'],
    [['rss'], { nics: ['ixgbe-82599'], queues: [32] }, 'RSS of ixgbe-82599 reaches 16 at most'],
    [['rss'], { nics: ['e1000'] }, 'unknown NIC "e1000"'],
    [[], {}, 'no policy'],
    // What is wrong in itself is no combination that a NIC lacks, whatever else is swept.
    [['single', 'rss:quues=4'], {}, 'unknown key of policy rss "quues": did you mean queues'],
    [['rss', { policy: 'rss', kye: 'random' }], { queues: [2, 4] }, 'unknown key of policy rss "kye"'],
    [['rss', 'rps:cpus=0-x'], {}, 'cpus'],
    [['rss', 'rss:weight=1+2+0+4+5'], { queues: [2, 8] }, 'weight'],
    [['rss'], { vary: { tabel: ['128'] } }, 'unknown key of vary "tabel": did you mean table'],
    [['rss'], { vary: { queues: ['2'] } }, 'vary: queues has an axis'],
    [['rss'], { vary: { types: ['ipv5'] } }, 'types'],
  ])('refuses %j with %j', async (policies, axes, message) => {
    await withFolder((path) => {
      expect(() => planSweep(grid([touch(path('a'))], policies, axes))).toThrow(message);
    });
  });

  it('varies any option of the policies that have it, and leaves out what a NIC has not', async () => {
    await withFolder((path) => {
      const plan = planSweep(
        grid([touch(path('a'))], ['rps:cpus=0-3', 'rss:queues=4', 'mine=single'], {
          vary: { hash: ['linux', 'toeplitz'], symmetric: ['none', 'xor'] },
          seeds: [1, 2],
        }),
      );
      expect(texts(plan)).toEqual([
        'rps:cpus=0-3,hash=linux,seed=1',
        'rps:cpus=0-3,hash=linux,seed=2',
        'rps:cpus=0-3,hash=toeplitz',
        'rss:queues=4,symmetric=none',
        'rss:queues=4,symmetric=xor',
        'single',
      ]);
      expect(plan.cells.map(({ base, options }) => [base, options])).toEqual([
        ['rps:cpus=0-3', { hash: 'linux' }],
        ['rps:cpus=0-3', { hash: 'linux' }],
        ['rps:cpus=0-3', { hash: 'toeplitz' }],
        ['rss:queues=4', { symmetric: 'none' }],
        ['rss:queues=4', { symmetric: 'xor' }],
        ['mine', {}],
      ]);
      const tables = planSweep(
        grid([touch(path('a'))], ['rss:nic=ixgbe-82599,queues=4'], { vary: { table: ['128', '512'] } }),
      );
      expect(texts(tables)).toEqual(['rss:nic=ixgbe-82599,queues=4,table=128']);
      expect(tables.skipped).toEqual([expect.stringMatching(/table=512: ixgbe-82599 has tables of 128/)]);
    });
  });

  it('multiplies by seeds what draws from them, and nothing else', async () => {
    await withFolder((path) => {
      const cells = (policy: string) =>
        planSweep(grid([touch(path('a'))], [policy], { seeds: [1, 2, 3] })).cells.length;
      const drawn = [
        'rss:key=random',
        'rps:cpus=0-1',
        'rfs:cpus=0-1',
        'mac-hash:key=random',
        'pools:nic=igb-82576,key=random',
      ];
      for (const policy of drawn) expect([policy, cells(policy)]).toEqual([policy, 3]);
      const fixed = [
        'single',
        'round-robin',
        'mac',
        'mac-hash',
        'rss',
        'rss:key=symmetric',
        'rps:cpus=0-1,hash=toeplitz',
        'pools:nic=igb-82576,key=microsoft',
      ];
      for (const policy of fixed) expect([policy, cells(policy)]).toEqual([policy, 1]);
    });
  });

  it('refuses a grid beyond all use', async () => {
    await withFolder((path) => {
      const seeds = Array.from({ length: 100_001 }, (_, i) => i);
      const huge = grid([touch(path('a'))], ['rps:cpus=0-3'], { seeds });
      expect(() => planSweep(huge)).toThrow('the grid has 100001 cells; 100000 are permitted');
    });
  });

  it('refuses captures that it cannot read again', () => {
    expect(() => planSweep(grid(['-'], ['rss']))).toThrow('standard input (-) will not do');
    expect(() => planSweep(grid(['/nowhere/a'], ['rss']))).toThrow('/nowhere/a: no such file');
    expect(() => planSweep(grid(['/tmp'], ['rss']))).toThrow('/tmp: is a directory');
    expect(() => planSweep(grid([], ['rss']))).toThrow('no capture');
  });
});
