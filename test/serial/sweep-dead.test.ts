/**
 * Namespaces of labs whose process is gone are removed by the next who looks. Any forwarder looks when it starts, of
 * other tests too: so these run alone, and what is judged is what one sweep does and says.
 */
import { spawn, spawnSync } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { afterEach, describe, expect, it } from 'vitest';
import { pidNamespace, startTime, sweepDead } from '#rxsteer/cli/lab.js';
import { endAll, start } from '../cli/run-cli.js';
import { canForward } from '../support/forwarder.js';
import { privileged } from '../support/lab.js';
import { SLOW } from '../support/slow.js';

const namespaces = () => readdirSync('/run/netns').filter((name) => name.startsWith('rxsteer-'));
const LAB = fileURLToPath(new URL('../../dist/cli/lab.js', import.meta.url));

afterEach(endAll);

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

describe.skipIf(!privileged())('sweeping', () => {
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
      expect(namespaces()).toEqual(expect.arrayContaining(dead.names));
      const swept = sweepDead();
      expect(swept).toEqual(expect.arrayContaining([...dead.names, reused]));
      const left = readdirSync('/run/netns');
      expect(left).toEqual(expect.arrayContaining([...live.names, ...foreign]));
      for (const name of [...dead.names, reused]) expect(left).not.toContain(name);
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

  it.skipIf(!canForward())('removes what a demo that was killed has left', async () => {
    const process = start(['demo']);
    await process.line(/Every policy forwards/);
    const tag = `rxsteer-${process.pid}-${startTime(process.pid)}-`;
    const own = () => namespaces().filter((name) => name.startsWith(tag));
    await expect.poll(() => own().length, { timeout: 60_000 * SLOW }).toBe(5);
    await process.stop('SIGKILL');
    const left = own();
    expect(left).toHaveLength(5);
    expect(sweepDead()).toEqual(expect.arrayContaining(left));
    expect(own()).toEqual([]);
  });
});
