/** `rxsteer compile` as it is called. */
import { describe, expect, it } from 'vitest';
import { rxsteer } from './run.js';

async function json(...args: readonly string[]) {
  const { stdout, stderr, code } = await rxsteer(['compile', ...args, '--json']);
  process.exitCode = 0;
  return { code, stderr, document: JSON.parse(stdout) };
}

describe('rxsteer compile', () => {
  it('has the fields of the contract', async () => {
    const { code, document } = await json('--policy', 'rps:cpus=0-1', '--to', 'sysfs');
    expect(code).toBe(0);
    expect(document).toEqual({
      target: 'sysfs',
      commands: expect.arrayContaining([expect.stringMatching(/echo 3 > \$q\/rps_cpus/)]),
      undo: [expect.stringMatching(/^# /)],
      cannot: [{ what: expect.any(String), why: expect.any(String) }],
      check: null,
    });
  });

  it('exits with 1 and the reason where the target has no words', async () => {
    const { code, document, stderr } = await json('--policy', 'mac', '--to', 'sysfs');
    expect(code).toBe(1);
    expect(document).toEqual({
      error: expect.stringContaining('sysfs cannot express it'),
      code: 'RXS_INEXPRESSIBLE',
    });
    expect(stderr.trim().split('\n')).toHaveLength(1);
  });

  it.each([
    [['--to', 'sysfz'], 'RXS_UNKNOWN_NAME'],
    [['--to', 'sysfs', '--dev', 'there-is-none'], 'RXS_NO_INTERFACE'],
    [['--to', 'sysfs', '--apply'], 'RXS_USAGE'],
    [['--to', 'sysfs', '--apply', '--dev', 'lo'], 'RXS_USAGE'],
    [['--to', 'sysfs', '--yes'], 'RXS_USAGE'],
    [['--to', 'sysfs', '--workers', '0'], 'RXS_USAGE'],
    [['--to', 'sysfs', '--check', 'x'], 'RXS_USAGE'],
    [[], 'RXS_OPTION'],
  ])('refuses %j', async (args, error) => {
    const { code, document } = await json('--policy', 'rps:cpus=0', ...args);
    expect([code, document.code]).toEqual([2, error]);
  });

  it('prints commands alone on their lines', async () => {
    const { stdout } = await rxsteer(['compile', '--policy', 'rss:queues=2', '--to', 'ethtool']);
    expect(stdout).toContain('\nethtool -L "$DEV" combined 2\n');
    expect(stdout).toContain('\n\nundo\n# what is set now was not read');
  });
});
