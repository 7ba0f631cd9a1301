/** A configuration's life: checked without opening anything, run, saved, run again as saved, changed by SIGHUP. */
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { parse, stringify } from 'yaml';
import { canForward } from '../support/forwarder.js';
import { inSoak } from '../support/matrix.js';
import { SLOW } from '../support/slow.js';
import { rxsteer as here, rxsteerWith } from './run.js';
import { endAll, start } from './run-cli.js';

let folder: string;
let environment: NodeJS.ProcessEnv;
const path = (name: string) => join(folder, name);

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'rxsteer-config-'));
  environment = { ...process.env, RXSTEER_RUN: path('run') };
});
afterEach(async () => {
  await endAll();
  rmSync(folder, { recursive: true, force: true });
});

function write(name: string, config: object): string {
  writeFileSync(path(name), stringify(config));
  return path(name);
}

const ctl = async (...args: string[]) => {
  const { code, stdout, stderr } = await rxsteerWith({ RXSTEER_RUN: path('run') }, ['ctl', ...args]);
  expect([code, stderr]).toEqual([0, '']);
  return stdout;
};
const SOURCE = 'a=memory:source,flows=64,guests=4,rate=5000';
const base = { ports: [SOURCE, 'b=memory:sink', 'c=memory:sink'], mode: 'switch', maxWorkers: 4 };

describe('forward --check', () => {
  it('opens and makes nothing, and says what would run', async () => {
    const out = path('out.pcap');
    const config = write('x.yaml', {
      ports: ['a=memory:source', `b=pcap:${out},mode=write`],
      policy: { policy: 'rps', cpus: [0, 1] },
    });
    const { code, stdout, stderr } = await here(['forward', '--config', config, '--check', '--json']);
    expect([code, stderr]).toEqual([0, '']);
    expect(JSON.parse(stdout)).toMatchObject({
      valid: true,
      mode: 'wire',
      order: 'strict',
      workers: 2,
      warnings: [],
    });
    expect(existsSync(out)).toBe(false);
    expect(readdirSync(folder)).toEqual(['x.yaml']);
  });

  it.each([
    [['--policy', 'rps:cpus=0-3', '--workers', '2'], 'policy rps: cpus: CPU 2 is no worker; workers: 0 to 1'],
    [['--policy', 'mac:uplink=x'], /port x|"x"/],
    [
      ['--port', 'c=memory:sink', '--mode', 'wire'],
      '--mode wire joins exactly two ports, not 3: use --mode switch',
    ],
    [['--cpus', '1023'], /^--cpus: there is no CPU 1023: permitted are /],
    [['--port', 'b=memory:sink'], '--port b: this name is given twice'],
    [['--port', 'c=pcap:/nowhere/x.pcap'], '--port c: /nowhere/x.pcap: ENOENT: no such file or directory'],
    [['--max-workers', '1', '--workers', '2'], '--max-workers 1: expected 2 (--workers) to 256'],
    [['--policy', 'js:/nowhere.mjs'], 'policy js: /nowhere.mjs: ENOENT: no such file or directory'],
  ])('finds what a start would: %j', async (args, line) => {
    const ports = ['--port', 'a=memory:source', '--port', 'b=memory:sink'];
    const { code, stdout, stderr } = await here(['forward', ...ports, ...args, '--check']);
    expect([code, stdout]).toEqual([2, '']);
    const message = stderr.slice('rxsteer: '.length, -1);
    if (typeof line === 'string') expect(message).toBe(line);
    else expect(message).toMatch(line);
  });

  it.skipIf(!canForward())('finds an interface that there is not', async () => {
    const ports = ['--port', 'a=af_packet:rxsteer-none', '--port', 'b=memory:sink'];
    expect(await here(['forward', ...ports, '--check'])).toEqual({
      code: 2,
      stdout: '',
      stderr: 'rxsteer: --port a: there is no interface "rxsteer-none"\n',
    });
  });

  it('takes the examples, but for interfaces and captures that are not here', async () => {
    const examples = new URL('../../examples/', import.meta.url);
    for (const name of readdirSync(examples).filter((file) => file.endsWith('.yaml'))) {
      const { code, stderr } = await here([
        'forward',
        '--config',
        new URL(name, examples).pathname,
        '--check',
      ]);
      if (code !== 0)
        expect([name, stderr]).toEqual([
          name,
          expect.stringMatching(
            /^rxsteer: (--port \w+: (there is no interface|in\.pcap: ENOENT)|live ports: )/,
          ),
        ]);
    }
  });
});

describe.skipIf(!canForward())('a running configuration', { timeout: 180_000 * SLOW }, () => {
  it('is saved as it is, with what was changed since, and starts again as the same', async () => {
    const config = write('x.yaml', { ...base, policy: 'rss:queues=2', backlog: 1024, macAge: 77 });
    const first = start(['forward', '--config', config], { environment });
    await first.line(/^ready$/m);
    await ctl('apply', '--policy', 'mac');
    await ctl('owner', '02:00:00:00:00:99', '1');
    await ctl('port', 'add', 'd=memory:sink');
    await ctl('port', 'remove', 'c');
    await ctl('rebalance', 'off');
    expect(await ctl('save', path('saved.yaml'))).toMatch(/^saved to .*--check$/m);
    expect(statSync(path('saved.yaml')).mode & 0o777).toBe(0o600);
    const saved = parse(readFileSync(path('saved.yaml'), 'utf8'));
    expect(saved).toMatchObject({
      ports: [SOURCE, 'b=memory:sink', 'd=memory:sink'],
      ...{ mode: 'switch', workers: 2, maxWorkers: 4, backlog: 1024, macAge: 77, rebalance: 'off' },
      policy: { policy: 'mac', owners: [{ mac: '02:00:00:00:00:99', worker: 1 }] },
    });
    first.signal('SIGINT');
    await first.finish();
    const second = start(['forward', '--config', path('saved.yaml')], { environment });
    await second.line(/^ready$/m);
    expect(parse(await ctl('save', '-'))).toEqual(saved);
    expect(JSON.parse(await ctl('save', '-', '--json'))).toEqual(saved);
  });

  inSoak('has a table that was changed in it', async () => {
    const config = write('x.yaml', { ...base, policy: 'rss:queues=2,table=4' });
    const forwarder = start(['forward', '--config', config], { environment });
    await forwarder.line(/^ready$/m);
    const object = { policy: 'rss', queues: 2, entries: [1, 1, 0, 1] };
    await ctl('apply', '--policy', `@${write('p.yaml', object)}`);
    expect(parse(await ctl('save', '-')).policy).toMatchObject({ policy: 'rss', entries: [1, 1, 0, 1] });
  });

  it('changes by SIGHUP: ports, workers, policy; a mistake changes nothing, and the run goes on', async () => {
    const config = write('x.yaml', { ...base, policy: 'rss:queues=2' });
    const forwarder = start(['forward', '--config', config, '--json'], { environment });
    await forwarder.line(/^ready$/m);
    const reload = async (text: string, end: RegExp) => {
      const from = forwarder.stderr.length;
      writeFileSync(config, text);
      forwarder.signal('SIGHUP');
      await forwarder.line(new RegExp(`^[\\s\\S]{${from}}[\\s\\S]*${end.source}`));
      return forwarder.stderr.slice(from);
    };
    const status = async () => JSON.parse(await ctl('status', '--json'));
    const next = {
      ...base,
      ports: [SOURCE, 'b=memory:sink', 'd=memory:sink'],
      policy: 'rps:cpus=0-2',
      backlog: 99,
    };
    const said = await reload(stringify(next), /reload: done, \d changes\n/);
    expect(said).toMatch(/^rxsteer: reload: a restart is needed for: backlog$/m);
    expect(said).toMatch(/^rxsteer: reload: plan: .* of 64 flows seen move/m);
    expect(await status()).toMatchObject({ policy: 'rps:cpus=0-2', workers: 3, rollbacks: 1 });
    expect((await status()).ports.map(({ name }: { name: string }) => name)).toEqual(['a', 'b', 'd']);

    expect(await reload('ports: [', /nothing was changed\n/)).toMatch(
      /reload: --config .*: nothing was changed/,
    );
    expect(await reload(stringify({ ...next, workers: 5 }), /nothing was changed\n/)).toMatch(
      /laid out for 4/,
    );
    expect(await reload(stringify(next), /nothing to do\n/)).toMatch(/nothing to do/);
    expect(await status()).toMatchObject({ policy: 'rps:cpus=0-2', workers: 3 });

    await reload(stringify({ ...base, policy: 'single' }), /reload: done, \d+ changes\n/);
    expect(await status()).toMatchObject({ policy: 'single', workers: 1 });
    forwarder.signal('SIGTERM');
    expect((await forwarder.finish()).code).toBe(0);
    const { totals } = JSON.parse(forwarder.stdout);
    expect(totals).toMatchObject({ reordered: 0, framesLeaked: 0 });
  });
});
