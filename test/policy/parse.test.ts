import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { UserError } from '#rxsteer/errors.js';
import { compilePolicy, defaultWorkers } from '#rxsteer/policy/compile.js';
import { parseCpuList, parsePolicy } from '#rxsteer/policy/parse.js';
import { parseNumberList } from '#rxsteer/policy/values.js';

const directory = mkdtempSync(join(tmpdir(), `rxsteer-policy-${process.pid}-`));
afterAll(() => rmSync(directory, { recursive: true, force: true }));

function file(name: string, content: string): string {
  const path = join(directory, name);
  writeFileSync(path, content);
  return path;
}

describe('policy strings', () => {
  it('give the values and the defaults', () => {
    expect(parsePolicy('rss')).toEqual({
      policy: 'rss',
      text: 'rss',
      nic: 'generic',
      seed: 1,
      stage: 'nic',
      order: 'none',
    });
    expect(parsePolicy('rps:cpus=0-1+3,key=000102030405060708090a0b0c0d0e0f')).toMatchObject({
      cpus: [0, 1, 3],
      hash: 'linux',
      key: '000102030405060708090a0b0c0d0e0f',
      stage: 'cpu',
      order: 'linux',
    });
    expect(parsePolicy('rss:types=ipv4+tcp-ipv4,queues=4')).toMatchObject({
      types: ['ipv4', 'tcp-ipv4'],
      queues: 4,
    });
  });

  it('forward keeps order strictly and has no NIC of its own', () => {
    expect(parsePolicy('rss', { command: 'forward' })).toMatchObject({ stage: 'cpu', order: 'strict' });
    expect(parsePolicy('rps:cpus=0', { command: 'forward' })).toMatchObject({ order: 'strict' });
    expect(parsePolicy('rss:order=none,stage=nic', { command: 'forward' })).toMatchObject({
      stage: 'nic',
      order: 'none',
    });
  });

  it.each([
    ['rss:queues=6', 6],
    ['rss', 1],
    ['rps:cpus=0-1+5', 6],
    ['single', 1],
    ['mac-hash:queues=3', 3],
    ['round-robin', 1],
  ])('%s has %i workers by default', (text, workers) => {
    expect(defaultWorkers(parsePolicy(text))).toBe(workers);
  });

  it.each([
    ['rsss', 'unknown policy "rsss": did you mean rss or rps or rfs? known: '],
    ['', 'unknown policy ""'],
    ['rss:', 'policy rss: "" is not key=value; keys: stage, order, seed, nic'],
    ['rss:queues', 'policy rss: "queues" is not key=value'],
    ['rss:qeues=4', 'unknown key of policy rss "qeues": did you mean queues?'],
    ['rss:queues=4,queues=5', 'policy rss: queues is given twice'],
    ['rss:policy=rps', 'unknown key of policy rss "policy"'],
    ['rss:queues=0', 'policy rss: queues="0": expected a whole number from 1 to 4096'],
    ['rss:queues=-1', 'policy rss: queues="-1": expected a whole number'],
    ['rss:queues=x', 'policy rss: queues="x": expected a whole number'],
    ['rss:seed=1.5', 'policy rss: seed="1.5": expected a whole number'],
    ['rss:order=stricter', 'policy rss: order="stricter": expected one of strict, linux, none'],
    ['rss:stage=gpu', 'policy rss: stage="gpu": expected one of nic, cpu'],
    ['rss:symmetric=yes', 'policy rss: symmetric="yes": expected one of none, xor, or-xor, sort'],
    ['rss:types=ipv4+tpc', 'policy rss: types="ipv4+tpc": expected one of none, ipv4, tcp-ipv4'],
    ['rss:nic=ixgbe-x51', 'unknown NIC "ixgbe-x51": did you mean ixgbe-'],
    ['rss:__proto__=1', 'unknown key of policy rss "__proto__"'],
    ['rss:constructor=1', 'unknown key of policy rss "constructor"'],
    ['js:policy.mjs,__proto__=1', 'policy js: __proto__ is no name for an option'],
    ['rss:key=xyz', 'policy rss: key: "xyz" is neither hex nor a key name'],
    ['rss:key=6d5a', 'policy rss: key: the key has 2 bytes; permitted: 40 to 256 bytes'],
    [
      'rss:nic=ixgbe-82599,key=i40e',
      'policy rss: key: the key has 52 bytes; permitted: 40 bytes (80 hex digits)',
    ],
    ['rss:nic=igb-82576,table=64', 'policy rss: table=64: igb-82576 has tables of 128 entries'],
    ['rss:table=100', 'policy rss: table=100: expected a power of two from 1 to 65536'],
    ['rss:nic=igb-i210,queues=5', 'policy rss: queues=5: RSS of igb-i210 reaches 4 at most'],
    ['rps', 'policy rps: cpus is missing: expected CPU ids from 0 to 1023'],
    ['rps:cpus=', 'policy rps: cpus="": expected CPU ids'],
    ['rps:cpus=3-1', 'policy rps: cpus="3-1": expected CPU ids'],
    ['rps:cpus=0+0', 'policy rps: cpus="0+0": expected each CPU once'],
    ['rps:cpus=99999', 'policy rps: cpus="99999": expected CPU ids from 0 to 1023'],
    ['rps:cpus=0,hash=md5', 'policy rps: hash="md5": expected one of linux, toeplitz'],
    ['rps:cpus=0,key=00', 'policy rps: key: the key has 1 bytes; permitted: 16 bytes (32 hex digits)'],
    ['mac:assign=best', 'policy mac: assign="best": expected one of least-loaded, follow-cpu, static'],
    ['mac-hash:fields=all', 'policy mac-hash: fields="all": expected one of dst, src, both'],
    ['@/does/not/exist', 'policy file /does/not/exist: ENOENT'],
  ])('%s is refused', (text, message) => {
    const act = () => compilePolicy(parsePolicy(text));
    expect(act).toThrow(UserError);
    expect(act).toThrow(message);
    expect(act).not.toThrow('\n');
  });

  it('a worker beyond the workers is refused', () => {
    expect(() => parsePolicy('rps:cpus=0-3', { workers: 2 })).toThrow(
      'policy rps: cpus: CPU 2 is no worker; workers: 0 to 1',
    );
    expect(() => parsePolicy('rss:nic=igb-i210', { workers: 8 })).toThrow(
      'queues=8 (from the number of workers)',
    );
    expect(() => compilePolicy(parsePolicy('single'), { workers: 0 })).toThrow(
      'workers 0: expected 1 to 1024',
    );
  });
});

describe('policy files', () => {
  it('YAML and JSON say the same as a string', () => {
    const yaml = file('rss.yaml', 'policy: rss\nnic: ixgbe-82599\nqueues: 16\ntypes: [ipv4, tcp-ipv4]\n');
    const json = file(
      'rss.json',
      '{"name": "rss", "nic": "ixgbe-82599", "queues": "16", "types": "ipv4+tcp-ipv4"}',
    );
    const { text: _, ...expected } = parsePolicy('rss:nic=ixgbe-82599,queues=16,types=ipv4+tcp-ipv4');
    expect(parsePolicy(`@${yaml}`)).toEqual({ ...expected, text: `@${yaml}` });
    expect(parsePolicy(`@${json}`)).toEqual({ ...expected, text: `@${json}` });
    expect(
      parsePolicy(`@${file('string.yaml', 'rss:nic=ixgbe-82599,queues=16,types=ipv4+tcp-ipv4')}`),
    ).toMatchObject(expected);
    expect(parsePolicy({ policy: 'rps', cpus: [0, 2] })).toMatchObject({ cpus: [0, 2] });
    expect(parsePolicy({ policy: 'rps', cpus: 2 })).toMatchObject({ cpus: [2] });
  });

  it('owners as a list or short', () => {
    const short = parsePolicy({ policy: 'mac', assign: 'static', owners: { '52:54:00:00:00:01': 1 } });
    const long = parsePolicy({
      policy: 'mac',
      assign: 'static',
      owners: [{ mac: '52:54:00:00:00:01', cpu: 1 }],
    });
    expect(short).toMatchObject({ owners: [{ mac: '52:54:00:00:00:01', worker: 1 }] });
    expect(defaultWorkers(short)).toBe(2);
    expect(defaultWorkers(long)).toBe(2);
  });

  it.each([
    ['policy: rss\nqueue: 4\n', 'unknown key of policy rss "queue": did you mean queues?'],
    ['nic: generic\n', '"policy" is missing: one of single, rss'],
    ['[1, 2]', 'an object with "policy: NAME" or a policy string is needed'],
    ['policy: [', 'policy file '],
    ['policy: rss\ntypes: [ipv4, x]\n', 'types[1]="x": expected one of none, ipv4'],
    [
      'policy: rss\nkey: 1234\n',
      'key=1234: expected a key name, random, or hex digits (in quotes in a YAML file)',
    ],
    ['policy: mac\nowners: [{mac: "x", worker: 0}]\n', 'owners[0].mac: "x" is not a MAC address'],
    [
      'policy: mac\nowners: [{mac: "52:54:00:00:00:01"}]\n',
      'owners[0]={"mac":"52:54:00:00:00:01"}: expected worker (or cpu)',
    ],
    [
      'policy: mac\nowners: [{mac: "52:54:00:00:00:01", worker: 0, vlan: 5000}]\n',
      'owners[0].vlan=5000: expected a whole number from 0 to 4094',
    ],
    ['policy: mac\nports: {a: -1}\n', 'ports.a=-1: expected a whole number from 0 to 1023'],
  ])('%j is refused', (content, message) => {
    const path = file('wrong.yaml', content);
    const act = () => parsePolicy(`@${path}`);
    expect(act).toThrow(UserError);
    expect(act).toThrow(message);
    expect(act).not.toThrow(/\n/);
  });
});

describe('number lists', () => {
  it('ranges and single numbers, in the order given', () => {
    expect(parseNumberList('0-3', 'x')).toEqual([0, 1, 2, 3]);
    expect(parseNumberList('5+0-1', 'x')).toEqual([5, 0, 1]);
    expect(parseCpuList('--cpus', '0,2-3')).toEqual([0, 2, 3]);
  });

  it.each(['', 'a', '1-', '-1', '3-1', '1++2', '1-70000', '1 2'])('"%s" is refused', (text) => {
    expect(() => parseNumberList(text, '--cpus')).toThrow(/^--cpus: ".*" is not a list such as 0-1\+3$/);
  });
});
