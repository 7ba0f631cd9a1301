/** What the program tells about itself, and about wrong calls. */
import { describe, expect, it } from 'vitest';
import { helpBelow } from '#rxsteer/cli/help.js';
import { POLICY_LINES } from '#rxsteer/cli/policy-list.js';
import { parsePort } from '#rxsteer/dataplane/ports/port-spec.js';
import { NIC_NAMES } from '#rxsteer/nic/profiles.js';
import { parsePolicy } from '#rxsteer/policy/parse.js';
import { POLICY_NAMES, schemas } from '#rxsteer/policy/spec.js';
import { rxsteer } from './run.js';

const COMMANDS = [
  'demo',
  'forward',
  'replay',
  'explain',
  'flows',
  'hash',
  'make',
  'sweep',
  'simulate',
  'ctl',
  'doctor',
  'compile',
  'bench',
  'policies',
  'nics',
  'schema',
  'completion',
];

describe('help', () => {
  it.each(['', ...COMMANDS])('of "%s" fits into 80 columns', async (command) => {
    const { code, stdout } = await rxsteer([...(command === '' ? [] : [command]), '--help']);
    expect(code).toBe(0);
    const wide = stdout.split('\n').filter((line) => [...line].length > 80);
    expect(wide).toEqual([]);
  });

  it('names every policy where one is taken, every kind of port, and examples', async () => {
    for (const command of ['forward', 'replay', 'explain', 'flows', 'sweep']) {
      const { stdout } = await rxsteer([command, '--help']);
      for (const name of POLICY_NAMES) expect(stdout).toMatch(new RegExp(`^  ${name} `, 'm'));
      expect(stdout).toMatch(/^Examples:$/m);
    }
    const { stdout } = await rxsteer(['forward', '--help']);
    for (const kind of ['af_packet:', 'tap:', 'pcap:', 'memory:source', 'memory:sink'])
      expect(stdout).toContain(`\n  ${kind}`);
  });

  it('is a command too', async () => {
    expect(await rxsteer(['help'])).toEqual(await rxsteer(['--help']));
    expect(await rxsteer(['help', 'ctl', 'plan'])).toEqual(await rxsteer(['ctl', 'plan', '--help']));
    expect((await rxsteer(['help', 'forwrd'])).stderr).toMatch(/did you mean forward\?/);
  });

  it('of a command that there is not names those that there are', async () => {
    const { code, stdout, stderr } = await rxsteer(['forwrd', '--help']);
    expect([code, stdout]).toEqual([2, '']);
    expect(stderr).toMatch(/^rxsteer: unknown command "forwrd": did you mean forward\? commands: .*\n$/);
  });

  it('has examples that work', async () => {
    for (const { example } of Object.values(POLICY_LINES)) {
      if (!example.startsWith('js:')) expect(() => parsePolicy(example)).not.toThrow();
    }
    const texts = (await Promise.all(COMMANDS.map(helpBelow))).join('\n').replace(/ \\\n +/g, ' ');
    for (const [, policy] of texts.matchAll(/--policy (\S+)/g)) {
      if (!['rss', 'rps'].includes(policy!)) expect(() => parsePolicy(policy!), policy).not.toThrow();
    }
    for (const [, port] of texts.matchAll(/--port (\S+)/g)) expect(() => parsePort(port!)).not.toThrow();
  });
});

describe('rxsteer policies and nics', () => {
  it('list what there is, and all about one', async () => {
    const all = (await rxsteer(['policies'])).stdout;
    for (const name of POLICY_NAMES) expect(all).toMatch(new RegExp(`^${name} `, 'm'));
    for (const name of POLICY_NAMES) {
      const { keys } = JSON.parse((await rxsteer(['policies', name, '--json'])).stdout);
      const shape = Object.keys(schemas[name].shape).filter((key) => key !== 'policy');
      expect(keys.map(({ key }: { key: string }) => key)).toEqual(shape);
    }
    expect((await rxsteer(['policies', 'rps'])).stdout).toMatch(/^hash +linux +one of linux, toeplitz$/m);
    const nics = (await rxsteer(['nics'])).stdout;
    for (const name of NIC_NAMES) expect(nics).toMatch(new RegExp(`^${name} `, 'm'));
    expect(JSON.parse((await rxsteer(['nics', 'mlx5', '--json'])).stdout)).toMatchObject({
      id: 'mlx5',
      keyBytes: 40,
    });
    expect((await rxsteer(['nics', 'ixgbe-82599'])).stdout).toMatch(/^queues +RSS reaches 16$/m);
  });

  it('suggest the nearest name', async () => {
    expect(await rxsteer(['policies', 'rsss'])).toMatchObject({
      code: 2,
      stderr: expect.stringMatching(/^rxsteer: unknown policy "rsss": did you mean rss/),
    });
    expect(await rxsteer(['nics', 'ixgb-82599'])).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('did you mean ixgbe-82599'),
    });
  });
});

describe('a wrong call', () => {
  it.each([
    [['replay', 'f', '--polcy', 'rss'], "unknown option '--polcy' (Did you mean --policy?)"],
    [['explain', '--polcy', 'rss'], "unknown option '--polcy' (Did you mean --policy?)"],
    [['ctl', 'apply', '--polcy', 'rss'], "unknown option '--polcy' (Did you mean --policy?)"],
    [['replay', '/dev/null'], "required option '--policy <policy>' not specified"],
    [['explain', '--flow', 'x'], "required option '--policy <policy>' not specified"],
    [
      ['forward', '--config', '/nowhere/nope.yaml'],
      '--config /nowhere/nope.yaml: ENOENT: no such file or directory',
    ],
    [['forward', '--config', '/'], '--config /: a directory, not a regular file'],
    [
      ['explain', '--policy', 'rps:cpus=0,1,2', '--flow', 'x'],
      'policy rps: "cpus=0,1,2": a comma ends a value; lists use +, ranges -: cpus=0+1+2',
    ],
    [
      ['explain', '--policy', 'rss:queues=2,types=ipv4, tcp-ipv4,seed=3', '--flow', 'x'],
      'policy rss: "types=ipv4,tcp-ipv4": a comma ends a value; lists use +, ranges -: types=ipv4+tcp-ipv4',
    ],
  ])('%j is told in one line', async (args, message) => {
    expect(await rxsteer(args)).toEqual({ code: 2, stdout: '', stderr: `rxsteer: ${message}\n` });
  });
});
