/** The demo's lab: namespaces that say whose they are, and removal of those that nobody owns any more. */
import { spawn, spawnSync } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { Lab, labProblem, pidNamespace, startTime, sweepDead } from '#rxsteer/cli/lab.js';
import { privileged } from '../support/lab.js';

const namespaces = () => readdirSync('/run/netns').filter((name) => name.startsWith('rxsteer-'));
const LAB = fileURLToPath(new URL('../../dist/cli/lab.js', import.meta.url));

/** A process that makes namespaces, says which, and waits. */
async function owner() {
  const script = `
    const { Lab } = await import(${JSON.stringify(LAB)});
    const lab = new Lab();
    lab.veth(lab.namespace('a'), 'x', lab.namespace('b'), 'y');
    process.stdout.write('made\\n');
    process.stdin.on('end', () => { lab.close(); process.exit(0); }).resume();`;
  const child = spawn(process.execPath, ['--input-type=module', '-e', script], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  const ended = new Promise<void>((resolve) => child.on('close', () => resolve()));
  await new Promise<void>((resolve, reject) => {
    child.stdout.once('data', () => resolve());
    child.once('close', () => reject(new Error('it ended')));
  });
  const tag = `rxsteer-${child.pid}-${startTime(child.pid!)}-${pidNamespace()}`;
  return { child, ended, names: [`${tag}-a`, `${tag}-b`] };
}

describe('process start time', () => {
  it('tells processes apart that had the same id', () => {
    expect(startTime(process.pid)).toMatch(/^\d+$/);
    expect(startTime(process.pid)).toBe(startTime(process.pid));
    // Beyond the largest process id there is.
    expect(startTime(2 ** 22 + 1)).toBeNull();
  });
});

describe.skipIf(!privileged())('lab', () => {
  it('tags namespaces with process and start time, and removes them', () => {
    expect(labProblem()).toBe('');
    const lab = new Lab();
    try {
      const a = lab.namespace('a');
      const b = lab.namespace('b');
      expect(a).toBe(`rxsteer-${process.pid}-${startTime(process.pid)}-${pidNamespace()}-a`);
      lab.veth(a, 'x', b, 'y');
      expect(lab.inside(a, 'cat', '/sys/class/net/x/operstate')).toBe('up\n');
      expect(lab.inside(b, 'cat', '/proc/sys/net/ipv6/conf/y/disable_ipv6')).toBe('1\n');
      expect(namespaces()).toEqual(expect.arrayContaining([a, b]));
      expect(() => lab.namespace('a')).toThrow(/^ip netns add .*: .*exists/);
      expect(() => lab.ip('link', 'set', 'nope', 'up')).toThrow(/^ip link set nope up: Cannot find device/);
    } finally {
      lab.close();
    }
    expect(namespaces().filter((name) => name.includes(`-${process.pid}-`))).toEqual([]);
    // What belongs to nobody else was left alone, and closing twice is fine.
    lab.close();
  });

  it('sweeps what killed processes left, and nothing of live ones', async () => {
    const dead = await owner();
    const live = await owner();
    // The dead process's id with another start time: as if the id had been given anew.
    const reused = `rxsteer-${process.pid}-1-${pidNamespace()}-reused`;
    const foreign = [
      ...[`rxsteerx-${dead.child.pid}-1-${pidNamespace()}-a`, `rxsteer-${dead.child.pid}`],
      // Of another PID namespace: there that id may live. And what nobody of this program has named.
      ...[`rxsteer-${dead.child.pid}-1-1-a`, `rxsteer-${dead.child.pid}-1-a`],
    ];
    try {
      for (const name of [reused, ...foreign]) spawnSync('ip', ['netns', 'add', name]);
      dead.child.kill('SIGKILL');
      await dead.ended;
      // A forwarder of another test may have begun to, or be in the middle of it: what counts is that they are gone.
      sweepDead();
      const gone = [...dead.names, reused];
      await expect.poll(() => readdirSync('/run/netns').filter((name) => gone.includes(name))).toEqual([]);
      expect(readdirSync('/run/netns')).toEqual(expect.arrayContaining([...live.names, ...foreign]));
      live.child.stdin.end();
      await live.ended;
      expect(namespaces().filter((name) => live.names.includes(name))).toEqual([]);
    } finally {
      dead.child.kill('SIGKILL');
      live.child.kill('SIGKILL');
      for (const name of [reused, ...foreign, ...dead.names, ...live.names]) {
        spawnSync('ip', ['netns', 'del', name], { stdio: 'ignore' });
      }
    }
  });
});
