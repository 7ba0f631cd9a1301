/** Files that are read whole, and YAML: what is no such thing is one line, at once, and costs no memory. */
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { UserError } from '#rxsteer/errors.js';
import { parsePolicy } from '#rxsteer/policy/parse.js';
import { checkTextFile, readTextFile, TEXT_BYTES_MAX } from '#rxsteer/text-file.js';
import { parseYaml } from '#rxsteer/yaml-text.js';

const directory = mkdtempSync(join(tmpdir(), `rxsteer-text-${process.pid}-`));
afterAll(() => rmSync(directory, { recursive: true, force: true }));
const path = (name: string) => join(directory, name);
writeFileSync(path('small'), 'rss\n');
writeFileSync(path('large'), Buffer.alloc(TEXT_BYTES_MAX + 1, 32));
writeFileSync(path('limit'), Buffer.alloc(TEXT_BYTES_MAX, 32));
execFileSync('mkfifo', [path('fifo')]);

describe('a file that is read whole', () => {
  it('is read where it is regular, up to its limit, also from /proc', () => {
    expect(readTextFile(path('small'), 'x')).toBe('rss\n');
    expect(readTextFile(path('limit'), 'x')).toHaveLength(TEXT_BYTES_MAX);
    expect(readTextFile('/proc/self/status', 'x', 'regular')).toContain('VmRSS');
  });

  it.each([
    ['/dev/zero', 'x: a device, not a regular file'],
    ['/dev/tty0', /^x: (a device, not a regular file|E[A-Z]+: .*)$/],
    ['large', `x: larger than ${TEXT_BYTES_MAX} bytes`],
    ['.', 'x: a directory, not a regular file'],
    ['fifo', 'x: a pipe that nobody writes to'],
    ['absent', 'x: ENOENT: no such file or directory'],
    ['small/more', 'x: ENOTDIR: part of the path is not a directory'],
    ['n'.repeat(300), 'x: ENAMETOOLONG: the name is too long'],
  ])('%s is refused, at once', (name, message) => {
    const file = name.startsWith('/') ? name : path(name);
    const act = () => readTextFile(file, 'x');
    expect(act).toThrow(UserError);
    expect(act).toThrow(message);
    if (name !== 'fifo') expect(() => checkTextFile(file, 'x')).toThrow(message);
  });

  it('a running forwarder reads neither pipes nor standard input', () => {
    expect(() => readTextFile(path('fifo'), 'x', 'regular')).toThrow('x: a pipe, not a regular file');
    expect(() => readTextFile(0, 'x', 'regular')).toThrow('reads no standard input');
    for (const policy of [
      `@${path('fifo')}`,
      `rss:ethtool=${path('fifo')}`,
      `js:${path('fifo')}`,
      'rss:ethtool=-',
    ]) {
      expect(() => {
        const spec = parsePolicy(policy, { files: 'regular' });
        // A module is loaded when the policy is compiled.
        if (spec.policy === 'js') checkTextFile(spec.file, 'policy js');
      }, policy).toThrow(/not a regular file|reads no standard input/);
    }
  });

  it('a pipe is waited for on the command line, until its writer has gone or written too much', () => {
    const read = (command: string) =>
      execFileSync('bash', [
        '-c',
        `exec "$0" --input-type=module -e '
          const { readTextFile } = await import(process.argv[1]);
          try { console.log(readTextFile(process.argv[2], "x").length); } catch (e) { console.log(e.message); }
        ' "$1" <(${command})`,
        process.execPath,
        new URL('../dist/text-file.js', import.meta.url).href,
      ]).toString();
    expect(read('echo one; read -t 0.05 < /dev/zero; echo two')).toBe('8\n');
    expect(read('cat /dev/zero')).toBe(`x: larger than ${TEXT_BYTES_MAX} bytes\n`);
  });
});

describe('YAML', () => {
  it.each([
    ['? ? ?', 'x: a key is a list or an object: a word is wanted'],
    ['[1]: 2', 'x: a key is a list or an object: a word is wanted'],
    ['a: !odd 1', 'x: Unresolved tag: !odd'],
    ['['.repeat(150_000), 'x: nested more than 32 deep'],
    ['{a: '.repeat(150_000), 'x: nested more than 32 deep'],
    ['- '.repeat(150_000), 'x: nested more than 32 deep'],
    ['? '.repeat(150_000), 'x: nested more than 32 deep'],
    [Array.from({ length: 1000 }, (_, i) => `${' '.repeat(i)}a:\n`).join(''), 'x: nested more than 32 deep'],
    [`${'['.repeat(40)}${']'.repeat(40)}`, 'x: nested more than 32 deep'],
    ['a: 1\na: 2', 'x: Map keys must be unique'],
  ])('%#: what is not understood is one line, and nothing else is printed', (text, message) => {
    const warnings: unknown[] = [];
    const note = (warning: unknown) => warnings.push(warning);
    process.on('warning', note);
    const act = () => parseYaml(text, 'x');
    expect(act).toThrow(UserError);
    expect(act).toThrow(message);
    process.off('warning', note);
    expect(warnings).toEqual([]);
  });

  it('long and wide texts are no deep ones', () => {
    const rows = Array.from({ length: 2000 }, (_, i) => `  - { mac: "a-[${i}", list: [1, [2]] } # - - -\n`);
    expect(parseYaml(`owners:\n${rows.join('')}`, 'x')).toMatchObject({ owners: { length: 2000 } });
    const words = Array.from({ length: 400 }, (_, i) => `${' '.repeat(1 + (i % 200))}word\n`);
    expect(parseYaml(`text:\n${words.join('')}other: 1\n`, 'x')).toMatchObject({ other: 1 });
  });

  it('an object nested without end is refused wherever a policy is given', () => {
    let deep: object = { policy: 'rss' };
    for (let i = 0; i < 150_000; i++) deep = { policy: 'rss', filters: deep };
    expect(() => parsePolicy(deep)).toThrow('policy: nested more than 32 deep');
  });
});

describe('a folder', () => {
  it('is made with those above it, and refused by a file system that takes none: without waiting for ever', () => {
    const module = new URL('../dist/text-file.js', import.meta.url).href;
    const code = 'import(process.argv[1]).then(({ makeFolder }) => makeFolder(process.argv[2]))';
    const make = (path: string) =>
      spawnSync(process.execPath, ['-e', code, module, path], { encoding: 'utf8', timeout: 20_000 });
    const top = mkdtempSync(join(tmpdir(), 'rxsteer-test-'));
    try {
      expect(make(join(top, 'a', 'b')).status).toBe(0);
      expect(statSync(join(top, 'a', 'b')).isDirectory()).toBe(true);
      expect(make(join(top, 'a', 'b')).status).toBe(0);
      writeFileSync(join(top, 'file'), '');
      for (const [path, code] of [
        ['/proc/rxsteer/none', 'ENOENT'],
        [join(top, 'file'), 'EEXIST'],
        [join(top, 'file', 'below'), 'ENOTDIR'],
      ] as const) {
        const { signal, stderr } = make(path);
        expect([signal, stderr], path).toEqual([null, expect.stringContaining(code)]);
      }
    } finally {
      rmSync(top, { recursive: true });
    }
  });
});
