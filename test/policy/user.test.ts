import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { ethernet, ipv4, udp } from '#rxsteer/packet/build.js';
import { Field } from '#rxsteer/packet/burst.js';
import { dissectBurst } from '#rxsteer/packet/dissect.js';
import { parsePolicy } from '#rxsteer/policy/parse.js';
import { rxsteer } from '../cli/run.js';
import { burstOf, policy, steer, workersOf } from './support.js';

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

  it('sees flows by the same numbers everywhere, whatever keys the burst has', () => {
    const path = module(`export default () => ({
      steer(burst) {
        for (let i = 0; i < burst.n; i++) burst.worker[i] = (burst.flow[i] >>> 1) % 7;
      },
    });`);
    const steering = policy(`js:${path}`, { workers: 7 });
    const offline = workersOf(steering, frames);
    const burst = burstOf(frames);
    burst.keyFlows(Int32Array.of(1, 2, 3, 4, 5, 6, 7, 8));
    dissectBurst(burst);
    steering.steer(burst);
    expect([...burst.worker.subarray(0, frames.length)]).toEqual(offline);
    expect(new Set(offline).size).toBeGreaterThan(3);
  });

  it('what a module throws names file and line', () => {
    const thrower = module(`export default () => ({
      steer(burst) {
        inner(burst);
      },
    });
    function inner() {
      null.x;
    }`);
    const steering = policy(`js:${thrower}`);
    expect(() => workersOf(steering, frames)).toThrow(`(at ${thrower}:7)`);
    const early = module('\n\nthrow new Error("not today");');
    expect(() => policy(`js:${early}`)).toThrow(`policy js: ${early}: not today (at ${early}:3)`);
  });

  it('TypeScript is refused by a Node that does not load it, and devices by any', () => {
    const typed = module('export default ({ workers }: { workers: number }) => ({ steer() {} });', 'ts');
    if ((process.features as { typescript?: unknown }).typescript) policy(`js:${typed}`);
    else expect(() => policy(`js:${typed}`)).toThrow(/does not load TypeScript: compile it to JavaScript/);
    expect(() => policy('js:/dev/zero')).toThrow('policy js: /dev/zero: a device, not a regular file');
    expect(() => policy(`js:${directory}`)).toThrow('a directory, not a regular file');
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
      'policy js: /does/not/exist.mjs: ENOENT: no such file or directory',
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

  it('what a module throws is one line that names the file; explain too', () => {
    const path = module(`export default () => ({
      steer(b) { if (b.n > 1) throw new TypeError('too many\\nlines'); },
      explain() { throw 'no words'; },
    });`);
    const steering = policy(`js:${path}`, { workers: 2 });
    const act = () => steer(steering, frames);
    expect(act).toThrow(/^policy js: .*mjs: too many \(at .*mjs:2\)$/);
    const burst = steer(steering, frames.slice(0, 1));
    expect(() => steering.explain(burst, 0)).toThrow(`policy js: ${path}: explain: no words`);
  });

  it('in the command line it is exit code 2', async () => {
    const path = module('export default () => ({ steer(b) { b.worker[0] = 7; } });');
    const flow = 'udp 10.0.0.1:9 > 10.0.0.2:1';
    const { code, stderr } = await rxsteer(['explain', '--policy', `js:${path}`, '--flow', flow]);
    expect(code).toBe(2);
    expect(stderr).toBe(`rxsteer: policy js: ${path}: worker 7 does not exist; workers: 0 to 0\n`);
  });

  it.each([
    ['({ queues: 2, steer(b) { b.rxq[0] = 2; } })', 'queue 2 does not exist; queues: 0 to 1'],
    ['({ async steer() { throw new Error("late"); } })', 'steer gives a promise'],
    ['({ queues: 0, steer() {} })', 'queues 0: expected a whole number from 1 to'],
    ['({ queues: "4", steer() {} })', 'queues 4: expected'],
    ['({ get queues() { throw new Error("trap"); }, steer() {} })', 'trap'],
    ['null', 'gives no object with steer(burst)'],
  ])('%s is an error', (code, message) => {
    const act = () => steer(policy(`js:${module(`export default () => ${code};`)}`, { workers: 2 }), frames);
    expect(act).toThrow(message);
  });

  it('in a forwarder faulty frames go to worker 0 and are counted', () => {
    const path = module(`export default () => ({
      steer(b) { b.worker.fill(1); b.worker[2] = 9; b.worker[4] = -1; },
    });`);
    const steering = policy(`js:${path}`, { workers: 2, faults: 'count' });
    expect(steering.complaint?.()).toBeNull();
    expect(workersOf(steering, frames.slice(0, 6))).toEqual([1, 1, 0, 1, 0, 1]);
    expect(steering.complaint?.()).toBe(
      `policy js: ${path}: 2 frames went to worker 0 instead; first: worker 9 does not exist; workers: 0 to 1`,
    );
  });

  it('in a forwarder a module that throws leaves the whole burst to worker 0, whatever it wrote before', () => {
    const path = module(`let calls = 0; export default () => ({
      steer(b) { b.worker.fill(1); b.rxq.fill(0); b.n = 1000; if (calls++ > 0) throw new Error('second'); },
    });`);
    const steering = policy(`js:${path}`, { workers: 2, faults: 'count' });
    const burst = steer(steering, frames.slice(0, 3));
    expect([burst.n, burst.worker[2]]).toEqual([3, 1]);
    steering.steer(burst);
    expect(burst.n).toBe(3);
    expect(Array.from(burst.worker.subarray(0, 3))).toEqual([0, 0, 0]);
    expect(Array.from(burst.rxq.subarray(0, 3))).toEqual([-1, -1, -1]);
    expect(steering.complaint?.()).toContain('3 frames went to worker 0 instead; first: second');
  });

  it.each([
    ['writes into every array that it finds', 'for (const a of Object.values(b)) if (a?.fill) a.fill(77);'],
    ['puts other values in place of all it finds', 'for (const key of Object.keys(b)) b[key] = 5;'],
    ['writes through the views of its arrays', 'new Int32Array(b.id.buffer).fill(-3);'],
  ])('a module that %s changes no frame of the engine', (_, code) => {
    const guarded = `const bytes = b.bytes.slice(); try { ${code} } finally { kept.set(bytes); }`;
    const path = module(`export default ({ ports, options }) => {
      try { ports.length = 0; options.x = 1; ports[0].name = 'mine'; } catch {}
      return { steer(b) { const kept = b.bytes; ${guarded} }, explain(b) { ${code.replace('Object.values(b)', '[b.id, b.off, b.parts]')} } };
    }`);
    const ports = [{ name: 'a' }, { name: 'b' }];
    const steering = policy(`js:${path}`, { workers: 2, faults: 'count', ports });
    const burst = burstOf(frames);
    const before = burstOf(frames);
    for (let call = 0; call < 3; call++) {
      steering.steer(burst);
      steering.explain(burst, 1);
      const outputs = [Field.worker, Field.hash, Field.hashType, Field.bucket, Field.rxq];
      for (const field of outputs) before.words.set(burst.words.subarray(field, field + burst.n), field);
      expect(burst.words).toEqual(before.words);
      expect([burst.n, burst.port, burst.queue, burst.bad]).toEqual([frames.length, 0, 0, 0]);
      for (const worker of burst.worker.subarray(0, burst.n)) expect([0, 1]).toContain(worker);
    }
    expect(ports).toEqual([{ name: 'a' }, { name: 'b' }]);
  });

  it('in a forwarder a failing explain is a reason, not a death', () => {
    const path = module('export default () => ({ steer() {}, explain() { throw new Error("no words"); } });');
    const steering = policy(`js:${path}`, { workers: 2, faults: 'count' });
    expect(steering.explain(steer(steering, frames), 0)).toBe(
      `policy js: ${path}: explain: no words (at ${path}:1)`,
    );
  });

  it('a module that overwrites frame ids does not upset the accounting of a forwarder', async () => {
    const path = module(`export default () => ({
      steer(b) { for (let i = 0; i < b.n; i++) { b.id[i] = 3; b.len[i] = 9; b.worker[i] = i & 1; } b.words.fill(1, 1216); },
    });`);
    const { code, stdout } = await rxsteer([
      ...['forward', '--port', 'a=memory:source,packets=500', '--port', 'b=memory:sink'],
      ...['--policy', `js:${path}`, '--workers', '2', '--json'],
    ]);
    expect(code).toBe(0);
    expect(JSON.parse(stdout).totals).toMatchObject({
      received: 500,
      delivered: 500,
      inFlight: 0,
      framesLeaked: 0,
    });
  }, 120_000);

  it('a faulty module does not stop a forwarder: every frame arrives, and a warning counts the faults', async () => {
    const path = module(`let calls = 0; export default () => ({
      steer(b) { for (let i = 0; i < b.n; i++) b.worker[i] = i % 3; if (calls++ % 2) throw new Error('bad'); },
    });`);
    const ports = ['--port', 'a=memory:source,packets=500', '--port', 'b=memory:sink'];
    const { code, stdout, stderr } = await rxsteer([
      'forward',
      ...ports,
      ...['--policy', `js:${path}`, '--workers', '2', '--json'],
    ]);
    expect(code).toBe(0);
    expect(JSON.parse(stdout).totals).toMatchObject({ received: 500, delivered: 500 });
    expect(stderr).toMatch(
      /warning: policy js: .*mjs: \d+ frames went to worker 0 instead; first: worker 2 /,
    );
  }, 120_000);
});
