/** The packed file: what is in it, and what it can do where there is nothing but Node. */
import { execFile, spawnSync } from 'node:child_process';
import { cpSync, existsSync, lstatSync, readFileSync, writeFileSync } from 'node:fs';
import { isBuiltin } from 'node:module';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { inSoak, matrix, WHOLE } from '../support/matrix.js';
import { SLOW } from '../support/slow.js';
import { bytesBelow, copyPackages, type Installed, install } from './kit.js';
import { ROOT } from './lock.js';

const hasAddon = existsSync(join(ROOT, 'build/Release/rxsteer.node'));
if (!hasAddon) process.stderr.write('tests of the packed addon are skipped: no addon is built\n');
/** With everything that is installed with it, as a file system keeps it (`du`). */
const DISK_BYTES_MOST = 15_000_000;

/** All that may be in the package. */
const PERMITTED = [
  /^(package\.json|README\.md|LICENSE|CHANGELOG\.md|CMakeLists\.txt)$/,
  /^dist\/([\w-]+\/)*[\w-]+\.js$/,
  /^dist\/run\/made$/,
  /^dist\/vendor\/LICENSES\.txt$/,
  /^types\/index\.d\.ts$/,
  /^man\/rxsteer(-\w+)?\.1$/,
  /^prebuilds\/linux-(x64|arm64)-glibc\/rxsteer\.node$/,
  /^assets\/(report|dashboard)\/[\w.-]+$/,
  /^native\/([\w-]+\/)*[\w-]+\.(cc|h|map|md)$/,
  /^scripts\/(build-addon|build-jobs|compile-addon)\.mjs$/,
  /^bench\/([\w-]+\/)*[\w-]+\.(c|cc|h)$/,
  /^bench\/tools\/build\.mjs$/,
  /^docs\/[\w-]+\.md$/,
  /^docs\/img\/[\w.-]+$/,
  /^dashboards\/[\w.-]+$/,
  /^examples\/([\w-]+\/)*[\w.-]+$/,
  /^packaging\/(rxsteer\.service|Containerfile)$/,
];
const NEEDED = [
  'dist/index.js',
  'dist/cli/main.js',
  'dist/bench/index.js',
  'native/addon.cc',
  'native/exports.map',
  'scripts/build-addon.mjs',
  'scripts/build-jobs.mjs',
  'docs/install.md',
  'LICENSE',
];

let installed: Installed;
beforeAll(() => {
  installed = install();
}, 200_000 * SLOW);
afterAll(() => installed?.remove());

const file = (name: string) => join(installed.folder, 'bin', name);

/** What a command prints, which must end well and say nothing else. */
function ok(...args: string[]): string {
  const { status, stdout, stderr } = installed.run(args);
  expect({ status, stderr: stderr.replace(/^(ready|report: .*)\n$/, '') }, args.join(' ')).toEqual({
    status: 0,
    stderr: '',
  });
  return stdout;
}
const json = (...args: string[]) => JSON.parse(ok(...args, '--json'));

describe('the packed file', () => {
  it('has what it should and nothing else', () => {
    const { paths } = installed.packed;
    expect(paths.filter((path) => !PERMITTED.some((pattern) => pattern.test(path)))).toEqual([]);
    expect(NEEDED.filter((path) => !paths.includes(path))).toEqual([]);
  });

  it('is small with all that comes with it', () => {
    // Blocks are of 512 bytes, whatever the file system has.
    const bytes = bytesBelow(join(installed.folder, 'node_modules'), (path) => lstatSync(path).blocks * 512);
    expect(bytes).toBeLessThan(DISK_BYTES_MOST);
  });
});

describe('an installed rxsteer', () => {
  it('has the bundled packages inside, with their licences', () => {
    const vendor = join(installed.root, 'dist/vendor');
    const licences = readFileSync(join(vendor, 'LICENSES.txt'), 'utf8');
    for (const name of ['zod', 'tar', 'minipass', 'hyparquet', 'hyparquet-writer']) {
      expect(licences).toMatch(new RegExp(`^${name} \\d+\\.\\d+\\.\\d+ \\(.+\\)$`, 'm'));
    }
    const imported = ['zod.js', 'tar.js', 'parquet.js'].flatMap((name) =>
      [
        ...readFileSync(join(vendor, name), 'utf8').matchAll(
          /(?:^|;)(?:import|export)\b[^;"]*from ?"([^"]+)"/gm,
        ),
      ].map(([, from]) => from!),
    );
    expect(imported).toContain('node:path');
    expect(imported.filter((from) => !isBuiltin(from))).toEqual([]);
    const types = readFileSync(join(installed.root, 'types/index.d.ts'), 'utf8');
    expect(types.match(/\bfrom ['"](?!node:).*/g)).toBeNull();
  });

  it('says its version, explains, hashes', () => {
    const { version } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as { version: string };
    expect(ok('--version')).toBe(`${version}\n`);
    const flow = 'tcp 66.9.149.187:2794 > 161.142.100.80:1766';
    const explained = json(
      'explain',
      '--policy',
      'rss:nic=ixgbe-82599,queues=16,key=microsoft',
      '--flow',
      flow,
    );
    expect(explained).toMatchObject({ hash: { value: '0x51ccc178' }, bucket: 120, queue: 8 });
    expect(json('policies').length).toBeGreaterThan(5);
  });

  it('makes, replays and sweeps captures, with their page and columns', () => {
    const capture = file('a.pcap.gz');
    ok('make', capture, '--packets', '3000', '--flows', '50', '--seed', '1');
    const html = file('a.html');
    const { policies } = json(
      'replay',
      capture,
      '--policy',
      'rss:queues=4',
      '--policy',
      'rps:cpus=0-3',
      '--html',
      html,
    );
    expect(
      policies.map(({ queues }: { queues: { packets: number }[] }) =>
        queues.reduce((n, q) => n + q.packets, 0),
      ),
    ).toEqual([3000, 3000]);
    expect(readFileSync(html, 'utf8')).toContain('uPlot');
    writeFileSync(file('policy.yaml'), 'policy: rss\nqueues: 2\n');
    expect(
      ok('explain', '--policy', `@${file('policy.yaml')}`, '--flow', 'udp 1.2.3.4:5 > 6.7.8.9:10'),
    ).toContain('queue');
  });

  it('collects what the doctor reads of a host, and reads it again', () => {
    const archive = file('host.tar.gz');
    const collected = installed.run(['doctor', '--collect', archive, '--sample', '0']);
    expect(collected.stderr).toContain(archive);
    const { stdout } = installed.run(['doctor', '--root', archive, '--json']);
    expect(JSON.parse(stdout).checked).toBeGreaterThan(50);
  });

  it('forwards in memory with several workers', () => {
    const ports = ['--port', 'a=memory:source,packets=5000', '--port', 'b=memory:sink', '--workers', '2'];
    const { totals } = json('forward', ...ports, '--policy', 'rss');
    expect(totals).toMatchObject({ received: 5000, delivered: 5000, framesLeaked: 0, reordered: 0 });
  });

  it.skipIf(!hasAddon)('has its addon', () => {
    const input = ['--input', '420995bba18e64500aea06e6'];
    expect(json('hash', ...input, '--implementation', 'native')).toEqual({
      value: '0x51ccc178',
      implementation: 'native',
    });
    const { status, stderr } = installed.run([
      'forward',
      '--port',
      'a=af_packet:no-such0',
      '--port',
      'b=memory:sink',
    ]);
    expect({ status, stderr }).toMatchObject({ status: 2, stderr: expect.stringContaining('no-such0') });
    expect(stderr).not.toContain('addon');
  });

  inSoak('says which package a benchmark lacks, and runs those that lack none', () => {
    const lists = json('bench', '--list');
    expect(lists.suites.length).toBeGreaterThan(5);
    const { status, stderr } = installed.run(['bench', 'parse', '--quick', '--json']);
    expect(status).toBe(1);
    expect(stderr).toContain(
      'parse needs the package benny, which rxsteer does not bring: npm install benny',
    );
  });

  it('is a library for programs of both kinds of modules', () => {
    const use = (kind: string, code: string) =>
      spawnSync(process.execPath, [`--input-type=${kind}`, '-e', code], {
        cwd: installed.folder,
        encoding: 'utf8',
      });
    const print = `console.log(rx.explain('rss:key=microsoft', 'tcp 66.9.149.187:2794 > 161.142.100.80:1766').hash.value)`;
    for (const [kind, load] of [
      ['module', `import * as rx from 'rxsteer';`],
      ['commonjs', `const rx = require('rxsteer');`],
    ] as const) {
      const { status, stdout, stderr } = use(kind, `${load} ${print}`);
      expect({ status, stdout }, stderr).toEqual({ status: 0, stdout: '0x51ccc178\n' });
    }
    const inner = use('module', `import 'rxsteer/dist/policy/parse.js'`);
    expect(inner.stderr).toContain('ERR_PACKAGE_PATH_NOT_EXPORTED');
  });
});

describe('its types', () => {
  const compilers = [
    ['nodenext', 'nodenext'],
    ['esnext', 'bundler'],
  ] as const;

  beforeAll(() => {
    copyPackages(['@types/node', 'undici-types', 'expect-type'], join(installed.folder, 'node_modules'));
    for (const name of ['index.test-d.ts', 'commonjs.test-d.cts']) {
      cpSync(join(ROOT, 'test/package', name), join(installed.folder, name));
    }
    writeFileSync(join(installed.folder, 'package.json'), '{ "type": "module" }');
  });

  it.each(matrix(compilers, [0]))(
    'hold for a program with module %s',
    async (module, resolution) => {
      const tsc = join(ROOT, 'node_modules/typescript/bin/tsc');
      const options = [
        '--noEmit',
        '--strict',
        '--exactOptionalPropertyTypes',
        '--verbatimModuleSyntax',
        '--ignoreConfig',
        // Those of the library and of what it is made of take a while.
        ...(WHOLE ? [] : ['--skipLibCheck']),
      ];
      const kinds = ['--target', 'es2023', '--lib', 'es2023', '--types', 'node'];
      const files =
        resolution === 'nodenext' ? ['index.test-d.ts', 'commonjs.test-d.cts'] : ['index.test-d.ts'];
      const args = [...options, ...kinds, '--module', module, '--moduleResolution', resolution, ...files];
      const { stdout } = await promisify(execFile)(process.execPath, [tsc, ...args], {
        cwd: installed.folder,
      }).catch((error: { stdout: string }) => error);
      expect(stdout).toBe('');
    },
    120_000,
  );
});
