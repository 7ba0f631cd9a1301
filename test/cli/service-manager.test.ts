/**
 * What a service manager hears of a forwarder: by a real datagram socket, with the sender as the kernel tells it, and the
 * order of messages by a stand-in.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { loadNative } from '#rxsteer/addon/native.js';
import { ServiceManager, serviceManager } from '#rxsteer/cli/service-manager.js';
import { installed } from '../support/lab.js';
import { Process } from '../support/processes.js';
import { endAll, start } from './run-cli.js';

// Node has no datagram sockets of this family. One line a datagram: the sender's process id, a blank, the text as JSON.
const LISTENER = `
import json, socket, struct, sys
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
s.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
name = sys.argv[1]
s.bind('\\0' + name[1:] if name[0] == '@' else name)
print('listening', flush=True)
while True:
  text, more, flags, who = s.recvmsg(4096, 1024)
  pid = struct.unpack('iII', more[0][2])[0]
  print(pid, json.dumps(text.decode()), flush=True)
`;

import { matrix } from '../support/matrix.js';

const canListen = installed('python3') && loadNative() !== null;
if (!canListen)
  process.stderr.write('tests with a service manager are skipped: apt-get install python3, an addon\n');

let folder: string;
let listener: Process | undefined;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'rxsteer-notify-'));
});
afterEach(async () => {
  await endAll();
  listener?.kill();
  await listener?.ended;
  listener = undefined;
  rmSync(folder, { recursive: true, force: true });
});

async function listen(name: string): Promise<Process> {
  listener = new Process(['python3', '-c', LISTENER, name]);
  await listener.line(/^listening$/m);
  return listener;
}

/** Datagrams so far. */
const heard = ({ stdout }: Process) =>
  [...stdout.matchAll(/^(\d+) (".*")$/gm)].map(([, pid, text]) => ({
    pid: Number(pid),
    lines: (JSON.parse(text!) as string).split('\n'),
  }));

describe.skipIf(!canListen)('a forwarder under a service manager', () => {
  it.each(matrix(['path', 'abstract'], [1]))(
    'tells it when it is ready, reloads, lives and stops (%s)',
    async (kind) => {
      const address = kind === 'path' ? join(folder, 'notify') : `@rxsteer-test-${process.pid}`;
      const manager = await listen(address);
      const config = join(folder, 'forward.yaml');
      writeFileSync(config, 'ports: ["a=memory:source,rate=1000", "b=memory:sink"]\npolicy: rss:queues=2\n');
      const environment = {
        ...process.env,
        RXSTEER_RUN: join(folder, 'run'),
        NOTIFY_SOCKET: address,
        WATCHDOG_USEC: '200000',
      };
      const forwarder = start(['forward', '--config', config, '--json'], { environment });
      await manager.line(/READY=1/);
      await forwarder.line(/^ready$/m);
      await manager.line(/WATCHDOG=1[\s\S]*WATCHDOG=1/);
      process.kill(forwarder.pid, 'SIGHUP');
      await manager.line(/RELOADING=1[\s\S]*READY=1/);
      await forwarder.line(/reload: nothing to do/);
      await forwarder.stop('SIGTERM');
      await manager.line(/STOPPING=1/);

      const all = heard(manager);
      expect([...new Set(all.map(({ pid }) => pid))]).toEqual([forwarder.pid]);
      const lines = all.map((one) => one.lines).filter(([first]) => first !== 'WATCHDOG=1');
      expect(lines.map(([first]) => first)).toEqual(['READY=1', 'RELOADING=1', 'READY=1', 'STOPPING=1']);
      expect(lines[0]![1]).toBe('STATUS=2 ports, 2 workers, rss:queues=2');
      expect(lines[1]![1]).toMatch(/^MONOTONIC_USEC=\d+$/);
      // CLOCK_MONOTONIC, as the manager compares it.
      const told = Number(lines[1]![1]!.split('=')[1]);
      const now = loadNative()!.monotonic() / 1000;
      expect(told).toBeLessThan(now);
      expect(told).toBeGreaterThan(now - 600e6);
    },
  );

  it('goes on without it, and says so once', async () => {
    const environment = { ...process.env, NOTIFY_SOCKET: join(folder, 'nobody'), WATCHDOG_USEC: '1000' };
    const ports = ['--port', 'a=memory:source,packets=500', '--port', 'b=memory:sink'];
    const forwarder = start(['forward', ...ports, '--no-control', '--json'], { environment });
    expect(await forwarder.ended).toEqual({ code: 0, signal: null });
    const warnings = forwarder.stderr.match(/^rxsteer: warning: the service manager .*$/gm);
    expect(warnings).toHaveLength(1);
    expect(warnings![0]).toContain(environment.NOTIFY_SOCKET);
    expect(JSON.parse(forwarder.stdout).totals.received).toBe(500);
  });
});

describe('a service manager', () => {
  const told: string[] = [];
  const manager = (watchdogUs: number | null = null) =>
    new ServiceManager(
      (message) => told.push(message.split('\n')[0]!),
      () => {},
      watchdogUs,
    );
  beforeEach(() => {
    told.length = 0;
  });

  it('hears of the end of reloads that overlap when the last has ended', async () => {
    let end = () => {};
    const first = new Promise<void>((resolve) => {
      end = resolve;
    });
    const one = manager();
    const running = one.reload(() => first);
    await one.reload(async () => {});
    expect(told).toEqual(['RELOADING=1', 'RELOADING=1']);
    end();
    await running;
    expect(told).toEqual(['RELOADING=1', 'RELOADING=1', 'READY=1']);
  });

  it('hears of the end of a reload that fails', async () => {
    await expect(manager().reload(() => Promise.reject(new Error('no')))).rejects.toThrow('no');
    expect(told).toEqual(['RELOADING=1', 'READY=1']);
  });

  it('is none where none has started this process, and leaves nothing to programs that are started', () => {
    const environment: NodeJS.ProcessEnv = { WATCHDOG_USEC: '5', WATCHDOG_PID: '1', NOTIFY_SOCKET: '' };
    expect(serviceManager(environment, () => {})).toBeNull();
    expect(environment).toEqual({});
  });

  it.skipIf(loadNative() === null)('is told of addresses that are none', () => {
    const notify = (address: string) => () => loadNative()!.notifyService(address, 'READY=1');
    expect(notify('relative')).toThrow(/begins with \/ or @/);
    expect(notify(`/${'x'.repeat(107)}`)).toThrow(/2 to 107 bytes/);
    expect(notify('')).toThrow(/2 to 107 bytes/);
    expect(notify('/no/such/socket')).toThrow(expect.objectContaining({ code: 'ENOENT' }));
  });
});
