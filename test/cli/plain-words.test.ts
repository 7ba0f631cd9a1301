/** The reader of plain command lines against the library for command lines. */
import { Command } from 'commander';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { plainWords } from '#rxsteer/cli/plain-words.js';

const OPTIONS = { values: ['top', 'speed'], lists: ['policy'], switches: ['json', 'advice'] };

/** What commander makes of it, or null for a mistake. */
function whole(words: readonly string[]) {
  let result: object | null = null;
  const command = new Command('replay')
    .exitOverride()
    .configureOutput({ outputError: () => {}, writeErr: () => {}, writeOut: () => {} })
    .argument('<file...>')
    .requiredOption('--policy <policy>', '', (text: string, list: string[] = []) => [...list, text])
    .option('--top <n>')
    .option('--speed <x>')
    .option('--json')
    .option('--advice')
    .action((files, flags) => {
      result = { files, flags };
    });
  try {
    command.parse([...words], { from: 'user' });
  } catch {
    return null;
  }
  return result;
}

describe('plainWords', () => {
  it.each([
    [['in.pcap', '--policy', 'single']],
    [['--json', '--policy', 'rss:queues=8', 'a', '-', '--policy', 'rps:cpus=0-3', 'b', '--top', '3']],
  ])('reads %j', (words) => {
    expect(plainWords(words, OPTIONS)).toEqual(whole(words));
    expect(plainWords(words, OPTIONS)).not.toBeNull();
  });

  it.each([
    [['in.pcap']],
    [['--policy', 'single']],
    [['in.pcap', '--policy=single']],
    [['in.pcap', '--policy']],
    [['in.pcap', '--policy', '--json']],
    [['in.pcap', '--policy', 'single', '--', '--json']],
    [['in.pcap', '--policy', 'single', '-h']],
    [['in.pcap', '--policy', 'single', '--other', 'x']],
    [['in.pcap', '--policy', 'single', '--top', '1', '--top', '2']],
  ])('leaves %j to the library', (words) => {
    expect(plainWords(words, OPTIONS)).toBeNull();
  });

  it('never reads anything else than the library does', () => {
    const word = fc.constantFrom(
      ...[
        '--policy',
        '--top',
        '--speed',
        '--json',
        '--advice',
        '--help',
        '--',
        '-',
        '-x',
        '--top=3',
        '',
        'a',
        'b',
        '-1',
      ],
    );
    fc.assert(
      fc.property(fc.array(word, { maxLength: 8 }), (words) => {
        const plain = plainWords(words, OPTIONS);
        if (plain !== null) expect(plain).toEqual(whole(words));
      }),
      { numRuns: 500 },
    );
  });
});
