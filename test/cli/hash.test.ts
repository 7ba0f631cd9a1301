import { describe, expect, it } from 'vitest';
import { rxsteer, spawnProgram } from './run.js';

const tuple = '420995bba18e64500aea06e6';

describe('rxsteer hash', () => {
  it.each([
    [['--input', tuple], '0x51ccc178'],
    [['--input', tuple, '--implementation', 'bitwise'], '0x51ccc178'],
    [['--input', tuple.toUpperCase(), '--key', 'mlx5'], '0x85d36feb'],
    [['--input', tuple, '--key', '6d5a56da255b0ec24167253d43a38fb0'], '0x51ccc178'],
    [['--input', tuple, '--init', 'ffffffff'], '0xae333e87'],
    [['--input', ''], '0x00000000'],
    [['--input', tuple, '--implementation', 'native'], '0x51ccc178'],
    [['--input', '', '--implementation', 'native', '--init', '7'], '0x00000007'],
    [['--input', '313233343536373839', '--function', 'crc32c'], '0xe3069283'],
    [['--input', '313233343536373839', '--function', 'crc32', '--implementation', 'bitwise'], '0xcbf43926'],
    [['--input', '010203041020', '--function', 'xor'], '0x11220304'],
  ])('%j', async (args, value) => {
    expect(await rxsteer(['hash', ...args])).toEqual({ code: 0, stdout: `${value}\n`, stderr: '' });
  });

  it('prints one JSON document', async () => {
    const { code, stdout, stderr } = await rxsteer(['hash', '--input', tuple, '--json']);
    expect([code, stderr]).toEqual([0, '']);
    expect(JSON.parse(stdout)).toEqual({ value: '0x51ccc178', implementation: 'table' });
  });

  it.each([
    [[], '--input is missing'],
    [['--input', '123'], '--input: odd number of hex digits'],
    [['--input', '12xy'], '--input: not hexadecimal: unexpected "x"'],
    [
      ['--input', tuple, '--key', '00'],
      'key of 1 bytes is too short for 12 bytes of input: at least 16 bytes',
    ],
    [['--input', tuple, '--key', 'microsft'], 'did you mean microsoft?'],
    [['--input', tuple, '--function', 'md5'], '--function: "md5" is not one of toeplitz, crc32c, crc32, xor'],
    [['--input', tuple, '--function', 'crc32c', '--implementation', 'native'], 'there is no native crc32c'],
    [['--input', tuple, '--key', '00', '--implementation', 'native'], 'key of 1 bytes is too short for 12'],
    [['--input', tuple, '--function', 'xor', '--key', 'mlx5'], '--key: xor has no key'],
    [['--input', tuple, '--init', '123456789'], '--init: "123456789" is not a start value'],
    [['--inputt', tuple], "unknown option '--inputt' (Did you mean --input?)"],
    [['extra'], "too many arguments for 'hash'"],
    [['--batch', '/does/not/exist'], '--batch /does/not/exist: ENOENT'],
    [['--batch', '-', '--input', '00'], '--input does not go with --batch'],
  ])('%j is refused', async (args, message) => {
    const { code, stdout, stderr } = await rxsteer(['hash', ...args]);
    expect([code, stdout]).toEqual([2, '']);
    expect(stderr).toMatch(/^rxsteer: [^\n]+\n$/);
    expect(stderr).toContain(message);
  });

  it('a batch answers line by line and goes on after a bad one', () => {
    const lines = [
      { input: tuple },
      { input: tuple, key: 'mlx5' },
      { input: '313233343536373839', function: 'crc32' },
      { input: tuple, key: '00' },
      { input: 12 },
      { input: tuple, implementation: 'native' },
      { input: tuple, init: 'ffffffff', implementation: 'bitwise' },
    ].map((line) => JSON.stringify(line));
    const { code, stdout, stderr } = spawnProgram(
      ['hash', '--batch', '-'],
      [...lines, 'no JSON', '[]', ''].join('\n'),
    );
    expect([code, stderr]).toEqual([0, '']);
    const answers = stdout
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line) as Record<string, string>);
    expect(answers.map((answer) => answer.value ?? Object.keys(answer).join())).toEqual([
      '0x51ccc178',
      '0x85d36feb',
      '0xcbf43926',
      'error',
      'error',
      '0x51ccc178',
      '0xae333e87',
      'error',
      'error',
    ]);
    expect(answers[7]!.error).toBe('line 8: not JSON');
  });
});

describe('the program', () => {
  it('prints its version and its help', async () => {
    expect(spawnProgram(['--version']).stdout).toMatch(/^\d+\.\d+\.\d+\n$/);
    const help = await rxsteer(['--help']);
    expect(help.code).toBe(0);
    expect(help.stdout).toMatch(/explain .*which worker/);
    expect((await rxsteer(['hash', '--help'])).stdout).toContain('--batch');
  });

  it('an unknown command is refused with the nearest', () => {
    const { code, stdout, stderr } = spawnProgram(['hsh']);
    expect([code, stdout]).toEqual([2, '']);
    expect(stderr).toMatch(/^rxsteer: unknown command "hsh": did you mean hash\? commands: .*explain/);
  });

  it('shows a stack trace with --debug only', async () => {
    expect((await rxsteer(['hash', '--debug', '--input', '1'])).stderr).toMatch(/UserError.*\n\s+at /s);
    expect((await rxsteer(['hash', '--input', '1'])).stderr).not.toContain(' at ');
  });
});
