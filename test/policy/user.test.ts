import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { ethernet, ipv4, udp } from '#rxsteer/packet/build.js';
import { parsePolicy } from '#rxsteer/policy/parse.js';
import { rxsteer } from '../cli/run.js';
import { policy, steer, workersOf } from './support.js';

const directory = mkdtempSync(join(tmpdir(), `rxsteer-js-${process.pid}-`));
afterAll(() => rmSync(directory, { recursive: true, force: true }));

let files = 0;
function module(code: string, extension = 'mjs'): string {
  const path = join(directory, `policy${files++}.${extension}`);
  writeFileSync(path, code);
  return path;
}

const frames = Array.from({ length: 20 }, (_, n) =>
  ethernet({}, ipv4({ src: '10.0.0.1', dst: '10.0.0.2' }, udp({ sport: n, dport: 53 }))),
);

const byPort = `export default ({ workers, options, seed }) => ({
  queues: 8,
  steer(burst) {
    for (let i = 0; i < burst.n; i++) {
      const port = burst.view.getUint16(burst.l4[i]);
      burst.rxq[i] = port % 8;
      burst.worker[i] = (port * Number(options.step ?? 1) + seed) % workers;
    }
  },
  explain: (burst, i) => 'source port ' + burst.view.getUint16(burst.l4[i]) + '\\nsecond line',
});`;

describe('js:FILE', () => {
  it('steers as the module says, with its options and the seed', () => {
    const path = module(byPort);
    const plain = policy(`js:${path}`, { workers: 3 });
    expect(workersOf(plain, frames)).toEqual(frames.map((_, n) => (n + 1) % 3));
    expect(plain.queues).toBe(8);
    const steps = policy(`js:${path},step=2,seed=0`, { workers: 5 });
    expect(workersOf(steps, frames)).toEqual(frames.map((_, n) => (2 * n) % 5));
    const burst = steer(plain, frames);
    expect(plain.decision(burst, 4)).toEqual({
      hash: null,
      bucket: null,
      queue: 4,
      worker: 2,
      reason: 'source port 4',
    });
  });

  it('takes CommonJS and a named export, and what is not written has its neutral value', () => {
    const path = module('exports.policy = () => ({ steer() {} });', 'cjs');
    const steering = policy(`js:${path}`, { workers: 3 });
    const burst = steer(steering, frames);
    expect([burst.worker[3], burst.bucket[3], burst.rxq[3], burst.hash[3]]).toEqual([0, -1, -1, 0]);
    expect(steering.decision(burst, 3)).toMatchObject({ queue: null, reason: `${path} chose worker 0` });
  });

  it('is a policy like any other in explain and in files', async () => {
    const path = module(byPort);
    const { code, stdout } = await rxsteer([
      'explain',
      '--policy',
      `js:${path}`,
      '--workers',
      '4',
      '--flow',
      'udp 10.0.0.1:9 > 10.0.0.2:1',
      '--json',
    ]);
    expect(code).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({ queue: 1, worker: 2, reason: 'source port 9' });
    expect(parsePolicy({ policy: 'js', file: path, options: { step: 3 } })).toMatchObject({
      options: { step: '3' },
    });
  });

  it.each([
    ['export default 5;', 'it exports no function as default'],
    ['export default () => 5;', 'its function gives no object with steer(burst)'],
    ['export default () => { throw new Error("no luck"); };', 'no luck'],
    ['export default (', 'policy js: '],
    ['await 1; export default () => ({ steer() {} });', 'policy js: '],
  ])('%s is refused', (code, message) => {
    const act = () => policy(`js:${module(code)}`, { workers: 2 });
    expect(act).toThrow(message);
    expect(act).not.toThrow(/\n/);
  });

  it('a file that is not there, or is not named', () => {
    expect(() => policy('js:/does/not/exist.mjs', { workers: 1 })).toThrow(
      'policy js: /does/not/exist.mjs: Cannot find module',
    );
    expect(() => policy('js', { workers: 1 })).toThrow('policy js: file="": expected a file');
    expect(() => policy('js:x.mjs,seed=1,seed=2', { workers: 1 })).toThrow('policy js: seed is given twice');
    expect(() => policy('js:x.mjs,y', { workers: 1 })).toThrow('policy js: "y" is not key=value');
  });

  it.each([4, -1])('worker %i of 4 is an error, not a lost frame', (wrong) => {
    const steering = policy(
      `js:${module(`export default () => ({ steer(b) { b.worker[1] = ${wrong}; } });`)}`,
      { workers: 4 },
    );
    expect(() => steer(steering, frames)).toThrow(`worker ${wrong} does not exist; workers: 0 to 3`);
  });
});
