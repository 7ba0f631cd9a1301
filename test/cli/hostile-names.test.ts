/** What users and strangers choose as names does nothing to the terminal; too few descriptors are one line. */
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { describe, expect, it } from 'vitest';
import { told } from '#rxsteer/cli/program.js';
import { ethernet, ipv4, udp } from '#rxsteer/packet/build.js';
import * as files from '../capture/files.js';
import { rxsteer } from './run.js';

const run = promisify(execFile);
const file = files.temporaryFiles();
const main = new URL('../../dist/cli/main.js', import.meta.url).pathname;
const flow = ['--flow', 'udp 10.0.0.1:1 > 10.0.0.2:2'];
// biome-ignore lint/suspicious/noControlCharactersInRegex: what must not reach a terminal.
const HARMFUL = /[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e]/;

describe('names with control characters', () => {
  it.each([
    ['explain', '--policy', 'rss\x1b[2J', ...flow],
    ['explain', '--policy', 'rss:nic=a\nb', ...flow],
    ['explain', '--policy', '@/none\x1b]0;x\x07', ...flow],
    ['explain', '--policy', 'js:/no\u202ene.mjs', ...flow],
    ['replay', '/no\x1b[31mne\nwhere', '--policy', 'single'],
    ['forward', '--port', 'a\x1b[2J=memory:source', '--port', 'b=memory:sink'],
    ['forward', '--port', 'a\nready=memory:source', '--port', 'b=memory:sink'],
    ['forward', '--port', 'a=pcap:\x1b[31m', '--port', 'b=memory:sink'],
    ['forward', '--config', '/no\x1bne'],
    ['no\x1b[31mne'],
    ['--no\x1b[31mne'],
  ])('%#: are refused or escaped, in one line', async (...args) => {
    const { code, stdout, stderr: lines } = await rxsteer(args);
    // What other programs of the machine left behind.
    const stderr = lines.replace(/^rxsteer: removed .*\n/gm, '');
    expect([code, stdout]).toEqual([2, '']);
    expect(stderr).toMatch(/^rxsteer: [^\n]+\n$/);
    expect(stderr).not.toMatch(HARMFUL);
  });

  it('a capture with an odd name is read, and shown harmlessly', async () => {
    const frame = ethernet({}, ipv4({ src: '10.0.0.1', dst: '10.0.0.2' }, udp({ sport: 1, dport: 2 })));
    const bytes = files.pcap([{ data: frame }, { data: frame }]);
    const path = file('a\x1b[31mb\nc.pcap', bytes.subarray(0, bytes.length - 3));
    const { code, stdout, stderr } = await rxsteer(['replay', path, '--policy', 'single']);
    expect(code).toBe(0);
    expect(stderr).toContain('a\\x1b[31mb\\nc.pcap: cut off after packet 1');
    expect(stdout + stderr).not.toMatch(HARMFUL);
  });
});

describe('too few descriptors', () => {
  it('are told as such where a thread could only tell by a text', () => {
    expect(told(new Error("EMFILE: too many open files, open '/x/y.js'"))).toMatch(
      /^too many open files: raise/,
    );
    expect(told(new Error('ENFILE: file table overflow'))).toMatch(/fs\.file-max/);
    expect(told('EMFILE')).toBe('EMFILE');
  });

  it('are one line that says so, wherever they run out', async () => {
    const command = `for n in 20 21 22 32; do (ulimit -n $n; "$0" "$1" explain --policy rss:nic=mlx5,table=8 ${flow.map((word) => `'${word}'`).join(' ')} 2>&1; echo "code $?"); done`;
    const { stdout } = await run('bash', ['-c', command, process.execPath, main]);
    const results = stdout.split(/(?<=code \d+\n)/).filter((text) => text !== '');
    expect(results).toHaveLength(4);
    // With too few for its own files Node has not begun to run the program: that is not ours to say.
    const begun = results.filter((text) => !/^(node:|.*\bcode 1\d\d\n)/.test(text));
    const refused = begun.filter((text) => !text.endsWith('code 0\n'));
    expect(refused.length).toBeGreaterThan(0);
    for (const text of refused) {
      expect(text).toMatch(/^rxsteer: too many open files: raise the limit[^\n]*ulimit -n 1024\ncode 1\n$/);
    }
  });
});
