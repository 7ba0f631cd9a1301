/** `--queue` and `rxsteer worker` as they are called; more faults are in the soak. */
import { readFileSync, writeFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { GATED, Gate, Redis, redisMissing, rxsteerProcess } from '../support/redis.js';
import { makeCapture } from '../sweep/support.js';
import { withFolder } from '../traffic/support.js';
import { rxsteer } from './run.js';
import { rxsteer as rxsteerProgram } from './run-cli.js';

const missing = redisMissing();
if (missing !== null) process.stderr.write(`sweeps through a queue are not tested: ${missing}\n`);

const sorted = (path: string) => readFileSync(path, 'utf8').split('\n').sort().join('\n');
const SECRET = 'xyzzy-not-for-others';

describe('a queue', () => {
  it.each([
    [`redis://me:${SECRET}@127.0.0.1:1`, 'can be read by everybody in the process list'],
    [`redis://${SECRET}@127.0.0.1`, 'set RXSTEER_QUEUE_PASSWORD'],
    ['redis://127.0.0.1:70000', 'expected redis://HOST[:PORT][/DB]'],
    ['postgres://127.0.0.1/x', 'expected redis://HOST[:PORT][/DB]'],
    ['redis://127.0.0.1:1', '--queue redis://127.0.0.1:1/0: '],
  ])('at %s is refused in one line, for sweep and worker', async (url, message) => {
    await withFolder(async (path) => {
      await makeCapture(path('a.pcap'), { packets: 10, flows: 2 });
      for (const args of [['sweep', path('a.pcap'), '--policy', 'rss'], ['worker']]) {
        const { code, stdout, stderr } = await rxsteer([...args, '--queue', url, '--json']);
        expect(code).toBe(2);
        expect(stderr).toContain(message);
        expect(stderr.trimEnd().split('\n')).toHaveLength(1);
        expect(stdout + stderr).not.toContain(SECRET);
        if (message.startsWith('--queue redis'))
          expect(JSON.parse(stdout)).toMatchObject({ code: 'RXS_QUEUE' });
      }
    });
  });

  it('needs packages that are named where they are missing, with the command', async () => {
    const hook = `export const resolve = (name, context, next) => {
      if (/^(bullmq|ioredis)$/.test(name)) throw Object.assign(new Error('none'), { code: 'ERR_MODULE_NOT_FOUND' });
      return next(name, context);
    };`;
    const start = `import { register } from 'node:module'; register(${JSON.stringify(`data:text/javascript,${encodeURIComponent(hook)}`)});`;
    const environment = {
      ...process.env,
      NODE_OPTIONS: `--no-deprecation --import data:text/javascript,${encodeURIComponent(start)}`,
    };
    const args = ['worker', '--queue', 'redis://127.0.0.1:1', '--json'];
    const { code, stdout, stderr } = await rxsteerProgram(args, { environment });
    expect([code, stderr]).toEqual([
      2,
      'rxsteer: --queue needs the packages bullmq and ioredis, which are not here: npm install bullmq ioredis\n',
    ]);
    expect(JSON.parse(stdout)).toMatchObject({ code: 'RXS_NO_PACKAGE' });
  });

  it.each([
    [['worker'], "required option '--queue <url>' not specified"],
    [['worker', '--queue', 'redis://h', '--map', 'a'], '--map: "a": expected /from=/to'],
    [['worker', '--queue', 'redis://h', '--lock', '0'], '--lock'],
    [['sweep', 'CAPTURE', '--policy', 'rss', '--queue', 'redis://h', '--jobs', '2'], '--jobs: with --queue'],
    [['sweep', 'http://me:pw@127.0.0.1:1/a.pcap', '--policy', 'rss'], 'with a name or password is not taken'],
    [['sweep', 'http://127.0.0.1:1/a.pcap', '--policy', 'rss'], 'http://127.0.0.1:1/a.pcap: '],
  ])('refuses %j', async (args, message) => {
    await withFolder(async (path) => {
      await makeCapture(path('a.pcap'), { packets: 10, flows: 2 });
      const cache = args[0] === 'sweep' ? ['--cache', path('cache')] : [];
      const call = [...args.map((word) => (word === 'CAPTURE' ? path('a.pcap') : word)), ...cache];
      const { code, stderr } = await rxsteer(call);
      expect([code, stderr.includes(message), stderr.includes('me:pw')]).toEqual([2, true, false]);
    });
  });

  it.skipIf(missing !== null)(
    'gives what one machine gives, though a worker is killed in a cell, and no secret shows',
    async () => {
      await withFolder(async (path) => {
        await makeCapture(path('a.pcap'), { packets: 100, flows: 5 });
        writeFileSync(path('gated.mjs'), GATED);
        const args = ['sweep', path('a.pcap'), '--policy', `js:${path('gated.mjs')}`, '--policy', 'rss'];
        const redis = await Redis.start(path('redis'), ['--requirepass', SECRET]);
        const gate = await Gate.make(path('gate'));
        const secret = { RXSTEER_QUEUE_PASSWORD: SECRET };
        const worker = ['worker', '--queue', redis.url, '--jobs', '1', '--lock', '1', '--allow-js'];
        const first = rxsteerProcess(worker, { ...gate.environment, ...secret });
        const queued = [...args, '--queue', redis.url, '--out', path('all.jsonl')];
        const running = rxsteerProcess(queued, { ...process.env, ...secret });
        const second = rxsteerProcess([...worker, '--drain'], { ...process.env, ...secret });
        try {
          second.signal('SIGSTOP');
          await rxsteer([...args, '--out', path('one.jsonl')]);
          await gate.reached();
          const lines = [first, running].map(({ pid }) => readFileSync(`/proc/${pid}/cmdline`, 'utf8'));
          first.kill();
          second.signal('SIGCONT');
          await running.expectExit(0);
          await second.expectExit(0);
          expect(sorted(path('all.jsonl'))).toBe(sorted(path('one.jsonl')));
          const shown = [first, running, second].map(({ stdout, stderr }) => stdout + stderr);
          expect([...lines, ...shown, sorted(path('all.jsonl'))].join()).not.toContain(SECRET);
          const refused = await rxsteer(['worker', '--queue', redis.url]);
          expect([refused.code, refused.stderr]).toEqual([
            2,
            `rxsteer: --queue ${redis.url}/0: it asks for a password: set RXSTEER_QUEUE_PASSWORD\n`,
          ]);
        } finally {
          for (const one of [first, running, second]) {
            one.kill();
            await one.ended;
          }
          await redis.stop('SIGKILL').catch(() => {});
        }
      });
    },
  );
});
