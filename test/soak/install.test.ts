/**
 * What npm makes of the packed file, under each Node that rxsteer supports: installed globally and in a project, it runs
 * without a compiler and without the checkout, and forwards real packets. And the addon for arm64, under emulation.
 *
 * The Nodes come from npm, as everything else.
 */
import { execFileSync, spawnSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { presetNamed } from '#rxsteer/simulate/presets/index.js';
import { simulate } from '#rxsteer/simulate/simulate.js';
import { pack } from '../package/kit.js';
import { ROOT } from '../package/lock.js';
import { installed as isInstalled, privileged, withLab } from '../support/lab.js';
import { expectConservation, type Summary } from '../support/summary.js';
import { ping } from '../support/traffic.js';

/** The floor to the minor, and the newest of each line. */
const NODES = ['20.19', '22', '24', '26'];
const HASH = ['hash', '--input', '420995bba18e64500aea06e6', '--implementation', 'native', '--json'];
const EXPLAIN = ['explain', '--policy', 'rss:key=microsoft', '--flow', 'udp 192.0.2.1:1 > 192.0.2.2:2'];
const SIMULATED = ['lwn-rps/rps', 'vm-host/by-software', 'guest-ipis/rps-exits', 'transmit-lock/eight'];
/** For `npx rxsteer explain` once it is installed. */
const SOON_MS = 1000;
const TYPE_TESTS = ['index.test-d.ts', 'commonjs.test-d.cts'];
const EMULATOR = 'qemu-aarch64-static';
const FOREIGN_LIBRARIES = '/usr/aarch64-linux-gnu';

let folder: string;
let file: string;
const npm = (args: readonly string[], cwd = folder) =>
  execFileSync('npm', [...args, '--no-audit', '--no-fund', '--ignore-scripts'], {
    cwd,
    encoding: 'utf8',
    stdio: 'pipe',
  });

/** A Node of this version for a processor, from npm. */
function nodeOf(version: string, arch: string = process.arch): string {
  const place = join(folder, `node-${arch}-${version}`);
  mkdirSync(place, { recursive: true });
  writeFileSync(join(place, 'package.json'), '{}');
  npm(['install', '--force', `node-linux-${arch}@${version}`], place);
  return join(place, 'node_modules', `node-linux-${arch}`, 'bin', 'node');
}

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'rxsteer-install-'));
  // As `prepack`, but for the set-up, which this run began with.
  for (const script of ['prebuild', 'bundle', 'man']) {
    execFileSync(process.execPath, [`scripts/${script}.mjs`], { cwd: ROOT, stdio: 'pipe' });
  }
  file = pack(folder).file;
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe.each(NODES)('under Node %s', (version) => {
  let node: string;
  let main: string;
  /** Nothing but this Node is on the PATH. */
  let env: Record<string, string>;
  const run = (args: readonly string[], program = main) => {
    const { status, stdout, stderr } = spawnSync(node, [program, ...args], {
      cwd: folder,
      env,
      encoding: 'utf8',
    });
    expect({ status, stderr: stderr.replace(/^ready\n$/, '') }, args.join(' ')).toEqual({
      status: 0,
      stderr: '',
    });
    return stdout;
  };

  beforeAll(() => {
    node = nodeOf(version);
    env = { PATH: dirname(node), HOME: folder };
    const prefix = join(folder, `global-${version}`);
    const said = npm(['install', '--global', '--prefix', prefix, file]);
    expect(said).not.toMatch(/warn/i);
    main = join(prefix, 'lib/node_modules/rxsteer/dist/cli/main.js');
    // What npm puts on the PATH, and where man looks.
    expect(existsSync(join(prefix, 'share/man/man1/rxsteer-forward.1'))).toBe(true);
    expect(spawnSync(join(prefix, 'bin/rxsteer'), ['--version'], { env }).status).toBe(0);
  });

  it('is that Node, and does everything that needs no rights', () => {
    expect(execFileSync(node, ['-p', 'process.versions.node'], { encoding: 'utf8' })).toMatch(
      new RegExp(`^${version.replace('.', '\\.')}\\.`),
    );
    expect(JSON.parse(run(HASH)).value).toBe('0x51ccc178');
    const capture = join(folder, `${version}.pcap`);
    run(['make', capture, '--packets', '2000', '--seed', '1']);
    const replayed = JSON.parse(run(['replay', capture, '--policy', 'rss:queues=4', '--json']));
    expect(replayed.capture.packets).toBe(2000);
    const ports = ['--port', 'a=memory:source,packets=5000', '--port', 'b=memory:sink', '--workers', '2'];
    const { totals } = JSON.parse(run(['forward', ...ports, '--policy', 'rss', '--json']));
    expect(totals).toMatchObject({ received: 5000, delivered: 5000, framesLeaked: 0 });
    // A simulation is the same under every Node.
    for (const preset of SIMULATED) {
      const { digest } = simulate(presetNamed(preset).scenario, { limit: false });
      expect(JSON.parse(run(['simulate', preset, '--no-limit', '--json'])).digest, preset).toBe(digest);
    }
  });

  it('explains within a second', () => {
    // Of CPU time, whatever else the machine does: the shell says what its children took.
    const times = [1, 2, 3].map(() => {
      const { status, stdout } = spawnSync(
        'bash',
        ['-c', '"$@" > /dev/null && times', 'bash', node, main, ...EXPLAIN],
        { cwd: folder, env, encoding: 'utf8' },
      );
      expect(status).toBe(0);
      const taken = [...stdout.split('\n')[1]!.matchAll(/(\d+)m([\d.]+)s/g)];
      expect(taken).toHaveLength(2);
      return taken.reduce(
        (sum, [, minutes, seconds]) => sum + 60_000 * Number(minutes) + 1000 * Number(seconds),
        0,
      );
    });
    expect(Math.min(...times)).toBeLessThan(SOON_MS);
  });

  it('is a command of a project that depends on it', () => {
    const project = join(folder, `project-${version}`);
    mkdirSync(project);
    writeFileSync(join(project, 'package.json'), '{ "type": "module" }');
    npm(['install', file], project);
    run(EXPLAIN, join(project, 'node_modules/.bin/rxsteer'));
    const code = `import { loadNative, steerFrames } from 'rxsteer';
      if (loadNative() === null) throw new Error('no addon');
      console.log(steerFrames('rss', ['tcp 192.0.2.1:1 > 192.0.2.2:2']).workers.length)`;
    writeFileSync(join(project, 'use.js'), code);
    expect(run([], join(project, 'use.js'))).toBe('1\n');
  });

  it.skipIf(!privileged())('forwards real packets', async () => {
    await withLab(async (lab) => {
      const [left, middle, right] = [await lab.namespace(), await lab.namespace(), await lab.namespace()];
      await lab.veth(left, 'l0', middle, 'l1');
      await lab.veth(right, 'r0', middle, 'r1');
      await lab.address(left, 'l0', '192.0.2.1/24');
      await lab.address(right, 'r0', '192.0.2.2/24');
      const ports = [
        '--port',
        'a=af_packet:l1',
        '--port',
        'b=af_packet:r1',
        '--workers',
        '2',
        '--policy',
        'rss',
      ];
      const bare = ['env', '-i', `PATH=${env.PATH}`, node, main];
      const process = lab.start(middle, ...bare, 'forward', ...ports, '--no-control', '--json');
      await process.line(/^ready\b/m);
      const { sent, received } = await ping(lab, left, '192.0.2.2', { count: 50 });
      expect([sent, received]).toEqual([50, 50]);
      await process.stop('SIGINT');
      await process.expectExit(0);
      const summary = JSON.parse(process.stdout) as Summary;
      expectConservation(summary);
      expect(summary.totals.received).toBeGreaterThanOrEqual(100);
    });
  });
});

/** The floor, the first that permits `require` of ECMAScript modules, and the one that rxsteer itself is built with. */
const COMPILERS = ['5.7', '5.8', '6.0'];

describe.each(COMPILERS)('in a project with TypeScript %s', (version) => {
  let project: string;
  beforeAll(() => {
    project = join(folder, `types-${version}`);
    mkdirSync(project);
    writeFileSync(join(project, 'package.json'), '{ "type": "module" }');
    npm(['install', file, `typescript@${version}`, '@types/node@20', 'expect-type@1.4'], project);
    for (const name of TYPE_TESTS) cpSync(join(ROOT, 'test/package', name), join(project, name));
  });

  it.each([
    ['nodenext', 'nodenext'],
    ['esnext', 'bundler'],
  ])('types resolve and hold with module %s', (module, moduleResolution) => {
    const files = TYPE_TESTS.filter(
      (name) => name.endsWith('.ts') || (module === 'nodenext' && version !== COMPILERS[0]),
    );
    const compilerOptions = {
      ...{ module, moduleResolution, target: 'es2022', lib: ['es2023'], types: ['node'] },
      ...{ strict: true, exactOptionalPropertyTypes: true, noEmit: true },
    };
    writeFileSync(join(project, 'tsconfig.json'), JSON.stringify({ compilerOptions, files }));
    const tsc = join(project, 'node_modules/typescript/bin/tsc');
    const { status, stdout } = spawnSync(process.execPath, [tsc], { cwd: project, encoding: 'utf8' });
    expect({ status, stdout }).toEqual({ status: 0, stdout: '' });
  });
});

const emulated = isInstalled(EMULATOR) && existsSync(FOREIGN_LIBRARIES);
if (!emulated) {
  process.stderr.write(
    'tests of the arm64 addon are skipped: apt-get install qemu-user-static g++-aarch64-linux-gnu\n',
  );
}

/**
 * As far as an emulator of programs goes: it knows neither AF_PACKET's rings (PACKET_VERSION: ENOPROTOOPT) nor signals of
 * the C library's own, by which threads give up capabilities; so there are no live ports, and nobody with rights.
 */
describe.skipIf(!emulated)('on arm64', () => {
  let run: (...args: string[]) => string;

  beforeAll(() => {
    const node = nodeOf('20', 'arm64');
    const place = join(folder, 'arm64');
    mkdirSync(place);
    execFileSync('tar', ['-xzf', file, '-C', place]);
    // What it depends on is the same for every processor.
    const modules = join(folder, `global-${NODES[0]}/lib/node_modules/rxsteer/node_modules`);
    cpSync(modules, join(place, 'package/node_modules'), { recursive: true });
    symlinkSync(node, join(place, 'node'));
    execFileSync('chmod', ['-R', 'a+rX', folder]);
    const nobody = process.getuid?.() === 0 ? { uid: 65_534, gid: 65_534 } : {};
    run = (...args) =>
      execFileSync(EMULATOR, ['-L', FOREIGN_LIBRARIES, node, ...args], {
        cwd: place,
        encoding: 'utf8',
        stdio: 'pipe',
        ...nobody,
      });
  });

  it('finds its addon, which hashes with the instructions of that processor', () => {
    expect(run('-p', 'process.arch')).toBe('arm64\n');
    expect(JSON.parse(run('package/dist/cli/main.js', ...HASH)).value).toBe('0x51ccc178');
    const kernels = `import { loadNative } from './package/dist/addon/native.js';
      import { nativeKernelNames } from './package/dist/addon/hash-kernels.js';
      console.log(loadNative() !== null, nativeKernelNames().join(' '))`;
    expect(run('--input-type=module', '-e', kernels)).toMatch(/^true .*pmull/);
  });

  it('replays', () => {
    const replayed = run(
      'package/dist/cli/main.js',
      'replay',
      join(folder, `${NODES[0]}.pcap`),
      '--policy',
      'rps:cpus=0-3',
      '--json',
    );
    expect(JSON.parse(replayed).capture.packets).toBe(2000);
  });

  // The emulator of programs does not know io_uring: a kernel that does reads.
  it('reads through io_uring, or says in a line that it is refused', () => {
    const read = `import { writeFileSync } from 'node:fs';
      import { openReadRing, UserError } from './package/dist/index.js';
      const disk = '${join('/tmp', `rxsteer-arm64-${process.pid}`)}';
      writeFileSync(disk, new Uint8Array(65536));
      try {
        const ring = openReadRing(disk);
        ring.wanted[0] = 3;
        console.log(ring.burst(1, 1), ring.results[0]);
      } catch (error) {
        if (!(error instanceof UserError)) throw error;
        console.log(error.code, error.message);
      }`;
    try {
      expect(run('--input-type=module', '-e', read)).toMatch(
        /^(1 4096|RXS_SYSTEM io_uring_setup .*; the kernel or a container refuses io_uring: .*)\n$/,
      );
    } finally {
      rmSync(join('/tmp', `rxsteer-arm64-${process.pid}`), { force: true });
    }
  });

  it('forwards in memory', () => {
    const ports = ['--port', 'a=memory:source,packets=2000', '--port', 'b=memory:sink', '--workers', '2'];
    const { totals } = JSON.parse(
      run('package/dist/cli/main.js', 'forward', ...ports, '--no-control', '--json'),
    );
    expect(totals).toMatchObject({ received: 2000, delivered: 2000, framesLeaked: 0, reordered: 0 });
  });
});
