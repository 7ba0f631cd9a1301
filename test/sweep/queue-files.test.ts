/** Files of jobs on a worker: by content, mapped, over HTTP with a cache; programs only where they are permitted. */
import { once } from 'node:events';
import { readdirSync, readFileSync, renameSync, rmSync, statSync, utimesSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { join, relative } from 'node:path';
import { describe, expect, it } from 'vitest';
import { policyFile, withPolicyFile } from '#rxsteer/policy/named-file.js';
import { planSweep } from '#rxsteer/sweep/grid.js';
import { fetchCapture } from '#rxsteer/sweep/queue/download.js';
import { mapped, parseMap, Refusal, WorkerFiles } from '#rxsteer/sweep/queue/files.js';
import { contentDigest, JobMaker, parseJob } from '#rxsteer/sweep/queue/job.js';
import { localCell, localTask } from '#rxsteer/sweep/queue/localize.js';
import { planScenarios } from '#rxsteer/sweep/scenario-grid.js';
import { withFolder } from '../traffic/support.js';
import { grid } from './support.js';

/** A server of one file; counts what it is asked for. */
async function withServer(file: string, act: (url: string, asked: string[]) => Promise<void>): Promise<void> {
  const asked: string[] = [];
  const server = createServer((request, response) => {
    const etag = `"${statSync(file).mtimeMs}"`;
    const isKnown = request.headers['if-none-match'] === etag;
    asked.push(isKnown ? 'known' : 'whole');
    if (!request.url!.endsWith('/a.pcap')) response.writeHead(404).end();
    else if (isKnown) response.writeHead(304).end();
    else response.writeHead(200, { etag }).end(readFileSync(file));
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  try {
    await act(`http://127.0.0.1:${(server.address() as { port: number }).port}`, asked);
  } finally {
    server.closeAllConnections();
    server.close();
  }
}

const refOf = async (path: string) => ({ path, ...(await contentDigest(path)), isCode: false });

describe('files of a worker', () => {
  it('are taken by their whole content, and looked at again when they changed', async () => {
    await withFolder(async (path) => {
      const bytes = Buffer.alloc(300_000, 7);
      writeFileSync(path('a'), bytes);
      const ref = await refOf(path('a'));
      const files = new WorkerFiles({ maps: [], cache: path('cache'), allowCode: false });
      expect(await files.local(ref)).toBe(path('a'));
      bytes[150_000] = 8;
      writeFileSync(path('a'), bytes);
      utimesSync(path('a'), 1, 1);
      await expect(files.local(ref)).rejects.toThrow(
        new Refusal(`${path('a')}: has another content than on the coordinator`),
      );
      bytes[150_000] = 7;
      writeFileSync(path('a'), bytes);
      expect(await files.local(ref)).toBe(path('a'));
      rmSync(path('a'));
      await expect(files.local(ref)).rejects.toThrow(`${path('a')}: no such file`);
      await expect(files.local({ ...ref, path: '/tmp' })).rejects.toThrow('/tmp: is not a regular file');
    });
  });

  it('are found where rules say, whole parts of paths only', () => {
    const maps = ['/captures/=/mnt/nas', '/other=http://files.lan/x/'].map(parseMap);
    expect(mapped('/captures/a/b.pcap', maps)).toBe('/mnt/nas/a/b.pcap');
    expect(mapped('/captures2/b.pcap', maps)).toBe('/captures2/b.pcap');
    expect(mapped('/other/b.pcap', maps)).toBe('http://files.lan/x/b.pcap');
    for (const wrong of ['', '/a', '=b', 'a=b', '/a=']) expect(() => parseMap(wrong)).toThrow('--map: ');
  });

  it('come over HTTP once, and are kept by their content', async () => {
    await withFolder(async (path) => {
      writeFileSync(path('a.pcap'), 'one');
      await withServer(path('a.pcap'), async (url, asked) => {
        const ref = await refOf(path('a.pcap'));
        const rule = parseMap(`/far=${url}`);
        const files = () => new WorkerFiles({ maps: [rule], cache: path('cache'), allowCode: false });
        const one = files();
        const far = { ...ref, path: '/far/a.pcap' };
        const [first, second] = await Promise.all([one.local(far), one.local(far)]);
        expect([readFileSync(first!, 'utf8'), second]).toEqual(['one', first]);
        expect(await files().local(far)).toBe(first);
        expect(asked).toEqual(['whole']);
        writeFileSync(first!, 'spoilt');
        expect(readFileSync(await files().local(far), 'utf8')).toBe('one');
        expect(asked).toEqual(['whole', 'whole']);
        rmSync(first!);
        expect(readFileSync(await one.local(far), 'utf8')).toBe('one');
        writeFileSync(path('a.pcap'), 'three');
        rmSync(first!);
        await expect(files().local(far)).rejects.toThrow('has more than the 3 bytes that it should have');
        await expect(files().local({ ...ref, path: '/far/b.pcap' })).rejects.toThrow('the server says 404');
        expect(readdirSync(join(path('cache'), 'captures')).filter((name) => name.endsWith('.tmp'))).toEqual(
          [],
        );
      });
    });
  });

  it('behind an address are asked for again by what is known of them', async () => {
    await withFolder(async (path) => {
      writeFileSync(path('a.pcap'), 'one');
      await withServer(path('a.pcap'), async (url, asked) => {
        const get = () => fetchCapture(`${url}/a.pcap`, path('cache'));
        const first = await get();
        expect(await get()).toBe(first);
        writeFileSync(path('a.pcap'), 'two');
        utimesSync(path('a.pcap'), 1, 1);
        expect(readFileSync(await get(), 'utf8')).toBe('two');
        expect(asked).toEqual(['whole', 'known', 'whole']);
      });
    });
  });
});

describe('jobs', () => {
  it('name the files of policies, which workers replace by theirs', async () => {
    expect(policyFile('js:/x/a.mjs,spread=3')).toEqual({ path: '/x/a.mjs', isCode: true });
    expect(withPolicyFile('js:/x/a.mjs,spread=3', '/y/$&.mjs')).toBe('js:/y/$&.mjs,spread=3');
    expect(withPolicyFile({ policy: 'js', file: 'a.mjs' }, '/b.mjs')).toEqual({
      policy: 'js',
      file: '/b.mjs',
    });
    expect(policyFile('rss:nic=mlx5,ethtool=/x/e.txt,queues=4')).toEqual({ path: '/x/e.txt', isCode: false });
    // Spellings that the policies' own reader takes too.
    expect(policyFile({ name: 'js', file: 'a.mjs' })).toEqual({ path: 'a.mjs', isCode: true });
    expect(policyFile(' rss: ethtool = e.txt ')).toEqual({ path: 'e.txt', isCode: false });
    expect(withPolicyFile('js:js', '/y.mjs')).toBe('js:/y.mjs');
    for (const none of ['rss', 'rss:queues=4', { policy: 'rss' }]) expect(policyFile(none)).toBeNull();
  });

  it('of scenarios bring every file that is named anywhere in them, and `@FILE` as what it holds', async () => {
    await withFolder(async (path) => {
      writeFileSync(path('p.mjs'), 'export default () => ({ steer() {} });');
      writeFileSync(path('p.yaml'), `policy: js\nfile: ${path('p.mjs')}\n`);
      // As people type it: from where they are.
      const near = relative(process.cwd(), path('p.mjs'));
      const scenario = {
        nics: { eth0: { policy: `js:${near}` } },
        disks: { d: { queues: 1, steer: 'hctx', tenants: { t: {} } } },
      };
      const [cell] = planScenarios({
        ...{ scenarios: [{ name: 's', scenario }], policies: [`@${path('p.yaml')}`], vary: {}, costs: [] },
        ...{ seeds: [], durationMs: null, limit: false },
      });
      const job = parseJob(JSON.parse(JSON.stringify(await new JobMaker().ofScenario(cell!))))!;
      const own = job as typeof job & { kind: 'scenarios' };
      const there = new WorkerFiles({
        ...{ maps: [{ from: path('p.mjs'), to: path('q.mjs') }], cache: path('cache'), allowCode: true },
      });
      await expect(localCell(own, there)).rejects.toThrow(`${path('q.mjs')}: no such file`);
      renameSync(path('p.mjs'), path('q.mjs'));
      const { input, policy } = await localCell(own, there);
      expect(input.nics!.eth0!.policy).toBe(`js:${path('q.mjs')}`);
      expect(input.disks!.d!.steer).toBe('hctx');
      expect(policy).toEqual({ policy: 'js', file: path('q.mjs') });
      const silent = { ...own, files: [], cell: { ...own.cell, policy: '@/etc/passwd' } };
      await expect(localCell(silent, there)).rejects.toThrow(
        '/etc/passwd: the job does not say what is in it',
      );
    });
  });

  it('of modules are done only where that is permitted, whatever the job says of them', async () => {
    await withFolder(async (path) => {
      writeFileSync(path('a'), 'capture');
      writeFileSync(path('p.mjs'), 'export default () => ({ steer() {} });');
      const whole = grid([path('a')], [`js:${path('p.mjs')}`]);
      const [cell] = planSweep(whole).cells;
      const made = await new JobMaker().ofCapture(cell!, whole);
      const job = parseJob(JSON.parse(JSON.stringify(made)))!;
      expect(job).toEqual(JSON.parse(JSON.stringify(made)));
      const honest = job as typeof job & { kind: 'captures' };
      const lying = { ...honest, files: honest.files.map((file) => ({ ...file, isCode: false })) };
      const files = (allowCode: boolean) => new WorkerFiles({ maps: [], cache: path('cache'), allowCode });
      for (const one of [honest, lying]) {
        await expect(localTask([one], files(false))).rejects.toThrow(
          'workers run those only with --allow-js',
        );
        expect((await localTask([one], files(true))).policies).toEqual([`js:${path('p.mjs')}`]);
      }
      const silent = { ...honest, files: honest.files.slice(0, 1) };
      await expect(localTask([silent], files(true))).rejects.toThrow('the job does not say what is in it');
    });
  });

  it.each([null, 'x', {}, { kind: 'captures' }, { kind: 'scenarios', cell: {}, files: [] }])(
    'are not %j',
    (data) => {
      expect(parseJob(data)).toBeNull();
    },
  );
});
