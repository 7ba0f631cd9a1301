/**
 * The codes of errors: the table, the code that throws them, and docs/errors.md say the same; each can be seen.
 */
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, describe, expect, it } from 'vitest';
import { ERROR_CODES, type ErrorCode, isErrorCode } from '#rxsteer/error-codes.js';
import { errorCode, NicLimit, UserError } from '#rxsteer/errors.js';
import { rxsteer } from './cli/run.js';

const root = fileURLToPath(new URL('..', import.meta.url));
const page = readFileSync(join(root, 'docs/errors.md'), 'utf8');
const codes = Object.keys(ERROR_CODES) as ErrorCode[];

function sources(folder: string): string[] {
  return readdirSync(folder).flatMap((name) => {
    const path = join(folder, name);
    return statSync(path).isDirectory() ? sources(path) : path.endsWith('.ts') ? [path] : [];
  });
}

describe('the codes of errors', () => {
  it('have a section each in docs/errors.md, and no section is left over', () => {
    const sections = [...page.matchAll(/^### (.*)$/gm)].map(([, name]) => name!);
    expect(sections.toSorted()).toEqual(codes.toSorted());
    for (const part of page.split(/^### /m).slice(1)) {
      expect(part.split('\n').slice(1).join('').length, part.split('\n')[0]).toBeGreaterThan(40);
    }
  });

  it('are those that the code throws', () => {
    const files = sources(join(root, 'src')).filter((path) => !path.endsWith('error-codes.ts'));
    const used = new Set(
      files.flatMap((path) => readFileSync(path, 'utf8').match(/RXS_[A-Z_]+[A-Z]/g) ?? []),
    );
    expect([...used].toSorted()).toEqual(codes.toSorted());
  });

  it('are given to whatever is thrown', () => {
    expect(new UserError('x').code).toBe('RXS_USAGE');
    expect(new NicLimit('x').code).toBe('RXS_NIC_LIMIT');
    expect(errorCode(Object.assign(new Error('x'), { code: 'ENOSPC' }))).toBe('RXS_SYSTEM');
    expect(errorCode(Object.assign(new Error('x'), { code: 'EMFILE' }))).toBe('RXS_DESCRIPTORS');
    for (const thrown of [new Error('x'), 'x', null, undefined, new RangeError('x')]) {
      expect(errorCode(thrown)).toBe('RXS_FAILED');
    }
    expect(isErrorCode('toString')).toBe(false);
  });
});

const flow = ['--flow', 'tcp 192.0.2.1:1 > 192.0.2.2:2'];
const two = ['--port', 'a=memory:source,packets=1', '--port', 'b=memory:sink'];
const nowhere = join(tmpdir(), 'rxsteer-there-is-no-such-folder');

const folder = mkdtempSync(join(tmpdir(), 'rxsteer-errors-'));
writeFileSync(join(folder, 'wrong.yaml'), 'workers: none\n');
afterAll(() => rmSync(folder, { recursive: true }));

/** A call for each code that a call can have, without privileges and without a forwarder. */
const calls: readonly (readonly [ErrorCode, readonly string[]])[] = [
  ['RXS_USAGE', ['explain', '--policy', 'rss', ...flow, '--workers', '0']],
  ['RXS_OPTION', ['explain', '--policy', 'rss', '--flwo', 'x']],
  ['RXS_OPTION', ['replay', 'f']],
  ['RXS_UNKNOWN_NAME', ['explain', '--policy', 'rsss', ...flow]],
  ['RXS_UNKNOWN_NAME', ['forwrd']],
  ['RXS_UNKNOWN_NAME', ['nics', 'ixgb']],
  ['RXS_POLICY', ['explain', '--policy', 'rps:cpus=0-3', ...flow, '--workers', '2']],
  ['RXS_POLICY', ['explain', '--policy', 'rss:queues=x', ...flow]],
  ['RXS_NIC_LIMIT', ['explain', '--policy', 'rss:nic=ixgbe-82599,queues=32', ...flow]],
  ['RXS_PORT', ['forward', '--port', 'a=memory', '--port', 'b=memory:sink']],
  ['RXS_FLOW', ['explain', '--policy', 'rss', '--flow', 'tcp 1']],
  ['RXS_NO_FLOW', ['flows', '--policy', 'rss:queues=2,weight=1+0', '--queue', '1']],
  ['RXS_FILE', ['forward', '--config', join(nowhere, 'x.yaml')]],
  ['RXS_FILE', ['replay', join(nowhere, 'x.pcap'), '--policy', 'rss']],
  ['RXS_SYNTAX', ['explain', '--policy', `@${join(root, 'LICENSE')}`, ...flow]],
  ['RXS_CAPTURE', ['replay', join(root, 'package.json'), '--policy', 'rss']],
  ['RXS_CONFIG', ['forward', '--config', join(folder, 'wrong.yaml')]],
  ['RXS_OUTPUT', ['make', join(nowhere, 'x.pcap')]],
  ['RXS_SOCKET', ['ctl', 'status', '--socket', join(nowhere, 'x.sock')]],
  ['RXS_SOCKET', ['forward', ...two, '--control', join(nowhere, 'x.sock'), '--check']],
];

describe('an error with --json', () => {
  it.each(calls)('%s of %j is one document, and the line of standard error', async (code, args) => {
    const run = await rxsteer([...args, '--json']);
    expect(run.stderr).toMatch(/^rxsteer: [^\n]+\n$/);
    const line = run.stderr.slice('rxsteer: '.length, -1);
    expect(JSON.parse(run.stdout)).toEqual({ error: line, code });
    expect(run.code).toBe(2);
  });

  it('without it is the line alone', async () => {
    for (const [, args] of calls.slice(0, 4)) {
      expect(await rxsteer(args)).toMatchObject({
        code: 2,
        stdout: '',
        stderr: expect.stringMatching(/^rxsteer: .*\n$/),
      });
    }
  });
});
