/** `rxsteer ctl` as a user calls it: finding forwarders, changing one under load, traces, and what is left behind. */
import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, rmSync, utimesSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { tool } from '../../bench/tools/build.mjs';
import { canForward } from '../support/forwarder.js';
import { installed, withLab } from '../support/lab.js';
import { inSoak, matrix } from '../support/matrix.js';
import { SCENARIO_TIMEOUT_MS, settle, startScenario } from '../support/scenario.js';
import { type Generated, startSink } from '../support/traffic.js';
import { rxsteer as here, rxsteerWith } from './run.js';
import { endAll, rxsteer, start } from './run-cli.js';

let folder: string;
let environment: NodeJS.ProcessEnv;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'rxsteer-ctl-'));
  environment = { ...process.env, RXSTEER_RUN: join(folder, 'run') };
});
afterEach(async () => {
  await endAll();
  rmSync(folder, { recursive: true, force: true });
});

const MEMORY = ['--port', 'a=memory:source,flows=16,rate=2000', '--port', 'b=memory:sink'];

/** A running forwarder with its socket in the test's directory. */
async function forward(...args: string[]) {
  const started = start(['forward', ...MEMORY, ...args], { environment });
  await started.line(/^ready$/m);
  return started;
}

const ctl = (...args: string[]) => rxsteerWith({ RXSTEER_RUN: environment.RXSTEER_RUN! }, ['ctl', ...args]);
const sockets = () => readdirSync(join(folder, 'run')).map((name) => join(folder, 'run', name));

describe('finding a forwarder', () => {
  it('takes the one that runs; says so where there is none; lists them where there are several', async () => {
    const none = await ctl('status');
    expect(none.code).toBe(2);
    expect(none.stderr).toBe(
      `rxsteer: no running forwarder found in ${join(folder, 'run')}: start one, or name its socket with --socket PATH\n`,
    );
    const started = await forward('--policy', 'rss:queues=2');
    await started.line(/^look: rxsteer ctl status, rxsteer ctl stats --watch$/m);
    const [first] = sockets();
    const one = await ctl('status');
    expect([one.code, one.stderr]).toEqual([0, '']);
    expect(one.stdout).toMatch(/^policy +rss:queues=2 \(wire, order strict\)$/m);
    expect(one.stdout).toMatch(new RegExp(`^socket +${first}$`, 'm'));
    await forward('--policy', 'single');
    const several = await ctl('status', '--json');
    expect(several.code).toBe(2);
    expect(JSON.parse(several.stdout).code).toBe('RXS_SEVERAL_FORWARDERS');
    expect(several.stderr).toMatch(/^rxsteer: 2 forwarders run: choose one with --socket PATH: .*\n$/);
    for (const socket of sockets()) expect(several.stderr).toContain(socket);
    const chosen = await ctl('--socket', first!, 'status', '--json');
    expect(JSON.parse(chosen.stdout)).toMatchObject({ policy: 'rss:queues=2' });
  });

  it.each([
    ['no command', [], 'ctl needs a command: status, stats, history, policy, plan'],
    ['a wrong one', ['statsu'], 'unknown ctl command "statsu": did you mean stats'],
    ['a wrong one with options', ['bogus', '--x', '1'], 'unknown ctl command "bogus": known: status'],
    ['a wrong option', ['--x'], "unknown option '--x'"],
    ['a wrong option of a command', ['stats', '--x'], "unknown option '--x'"],
    ['no such socket', ['--socket', '/nowhere/x.sock', 'status'], '/nowhere/x.sock: no such socket'],
    ['no number', ['trace', 'many'], 'trace many: expected a whole number from 1 to 10000'],
    ['another capture', ['trace', '1', '--write', 'x.pcap'], '--write x.pcap: the name must end in .pcapng'],
    ['no policy file', ['plan', '--policy', '@/nowhere'], 'policy file /nowhere: ENOENT'],
    ['no policy', ['apply'], "required option '--policy <policy>' not specified"],
  ])('refuses %s with one line', async (_what, args, message) => {
    const { code, stdout, stderr } = await here(['ctl', ...args]);
    expect([code, stdout]).toEqual([2, '']);
    expect(stderr).toContain(`rxsteer: ${message}`);
    expect(stderr.trimEnd()).not.toContain('\n');
  });
});

describe('the socket of a forwarder', () => {
  it.each(matrix(['SIGINT', 'SIGTERM'] as const, [1]))('is gone after %s', async (signal) => {
    const started = await forward();
    expect(sockets()).toHaveLength(1);
    await started.stop(signal);
    await started.expectExit(0);
    expect(sockets()).toEqual([]);
  });

  inSoak('is where --control says, and nowhere with --no-control', async () => {
    const path = join(folder, 'mine');
    await forward('--control', path);
    expect(JSON.parse((await ctl('status', '--socket', path, '--json')).stdout).ports).toHaveLength(2);
    await forward('--no-control');
    expect(existsSync(join(folder, 'run'))).toBe(false);
    const second = await rxsteer(['forward', ...MEMORY, '--control', path], { environment });
    expect(second.code).toBe(2);
    expect(second.stderr).toContain(`rxsteer: --control ${path}: another instance listens there`);
  });

  inSoak('of a killed one is removed by the next, which leaves the live ones alone', async () => {
    const killed = await forward();
    const [stale] = sockets();
    const live = await forward();
    killed.kill();
    await killed.ended;
    expect(existsSync(stale!)).toBe(true);
    for (const socket of sockets()) utimesSync(socket, 1, 1);
    await forward();
    expect(existsSync(stale!)).toBe(false);
    expect(sockets()).toHaveLength(2);
    await live.stop('SIGTERM');
    await live.expectExit(0);
    expect(sockets()).toHaveLength(1);
  });

  it('is not needed: a forwarder that has no place for one says so and runs', async () => {
    environment.RXSTEER_RUN = join(folder, 'no', 'where');
    const started = await forward('--duration', '0.1');
    await started.finish();
    await started.expectExit(0);
    expect(started.stderr).toContain(
      `rxsteer: warning: no control socket: ${join(folder, 'no', 'where')}: ENOENT (--control PATH, or --no-control)`,
    );
  });

  it.each([
    [['--rebalance', 'maybe'], '--rebalance maybe: expected one of dry, auto, off'],
    [['--rebalance', 'auto', '--no-control'], '--rebalance auto: does not go with --no-control'],
    [['--control', '/'], '--control /: exists and is not a socket'],
  ])('is refused with %j', async (args, message) => {
    const { code, stderr } = await here(['forward', ...MEMORY, ...args]);
    expect(code).toBe(2);
    expect(stderr).toBe(`rxsteer: ${message}\n`);
  });
});

describe.skipIf(!canForward())('changes under load', { timeout: SCENARIO_TIMEOUT_MS }, () => {
  inSoak('lose nothing and reorder nothing, and traces show the reasons', async () => {
    await withLab(async (lab) => {
      const socket = join(folder, 'load.sock');
      const scenario = await startScenario(lab, {
        ports: ['veth', 'veth'],
        addresses: false,
        orderly: true,
        policy: 'rss:queues=2',
        workers: 2,
        flags: ['--control', socket],
      });
      const [from, to] = [scenario.guests[0]!.ns, scenario.guests[1]!.ns];
      const sink = await startSink(lab, to, { interface: 'g0' });
      const run = async (...args: string[]) => {
        const result = await rxsteer(['ctl', ...args, '--socket', socket, '--json']);
        expect([result.code, result.stderr]).toEqual([0, '']);
        return JSON.parse(result.stdout);
      };
      // Paced, and until all that follows is over.
      const traffic = { interface: 'g0', flows: 200, guests: 8, size: 100, rate: 10_000, duration: 80 };
      const flags = Object.entries(traffic).flatMap(([name, value]) => [`--${name}`, `${value}`]);
      const generator = lab.start(from, tool('pktgen'), ...flags);
      let traced: { reason: string }[];
      const capture = join(folder, 'trace.pcapng');
      do traced = await run('trace', '20', '--write', capture);
      while (traced.length < 20);
      for (const policy of [
        'rss:queues=2,key=symmetric',
        'mac-hash',
        'rps:cpus=0-1',
        'mac',
        'rss:queues=2',
      ]) {
        const { plan, changes } = await run('apply', '--policy', policy);
        expect(plan.method).toBe('policy');
        expect(changes[0].pending).toEqual([]);
      }
      // Everything runs on two CPUs at most: the census may have seen little in its last second.
      while ((await run('plan', '--policy', 'rss:queues=2,equal=1')).share < 0.1);
      const half = await run('apply', '--policy', 'rss:queues=2,equal=1', '--budget', '500');
      expect(half.plan).toMatchObject({ method: 'table', cost: { quiesce: false, steps: 64 } });
      await run('rollback');
      expect((await run('policy', 'show')).changedEntries).toBe(0);

      await generator.stop('SIGTERM');
      await generator.expectExit(0);
      const sent = JSON.parse(generator.stdout) as Generated;
      await settle(lab, scenario, 'p1', sent.sent);
      const summary = await scenario.finish();
      const seen = await sink.stop();
      expect(summary.totals.reordered).toBe(0);
      expect(seen.reordered.packets + seen.late + seen.duplicates).toBe(0);
      expect(Object.entries(summary.totals.dropped).filter(([, n]) => n > 0)).toEqual([]);
      const a = summary.ports[0]!;
      expect(a.rx.packets + a.rx.kernelDrops).toBe(sent.sent + sent.rejected);
      expect(existsSync(socket)).toBe(false);

      if (!installed('tshark')) return;
      const args = ['-r', capture, '-T', 'fields', '-e', 'frame.comment'];
      const comments = execFileSync('tshark', args, {
        encoding: 'utf8',
        stdio: ['ignore', 'pipe', 'ignore'],
      });
      const lines = comments.trim().split('\n');
      expect(lines).toHaveLength(20);
      lines.forEach((line, i) => {
        expect(line).toMatch(/^port p0 queue 0, worker \d -> \d: /);
        expect(line).toContain(traced[i]!.reason);
      });
    });
  });
});
