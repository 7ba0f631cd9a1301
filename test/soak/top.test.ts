/** `rxsteer top` in a real terminal (tmux): it draws, obeys keys, follows the size, and leaves the terminal as it was. */
import { execFileSync } from 'node:child_process';
import { afterEach, describe, expect, it } from 'vitest';
import { endAll, start } from '../cli/run-cli.js';
import { CLI } from '../support/forwarder.js';

function hasTmux(): boolean {
  try {
    execFileSync('tmux', ['-V']);
    return true;
  } catch {
    return false;
  }
}
const there = hasTmux();
if (!there) console.warn('top not tried in a terminal: tmux is missing');

const server = `rxsteer-${process.pid}`;
const tmux = (...args: string[]) => execFileSync('tmux', ['-L', server, ...args], { encoding: 'utf8' });
const shown = () => tmux('capture-pane', '-p');

afterEach(async () => {
  if (there) {
    try {
      tmux('kill-server');
    } catch {
      // It never started.
    }
  }
  await endAll();
});

describe.skipIf(!there)('top in a terminal', () => {
  it('draws, obeys and leaves', async () => {
    const socket = `/tmp/rxsteer-top-soak-${process.pid}.sock`;
    const forwarder = start([
      ...['forward', '--port', 'a=memory:source,rate=5000,guests=4', '--port', 'b=memory:sink'],
      ...['--workers', '2', '--policy', 'rss:queues=2', '--control', socket],
    ]);
    await expect.poll(() => forwarder.stderr, { timeout: 60_000 }).toContain('ready');
    const command = `'${process.execPath}' '${CLI}' top --socket ${socket}; echo ENDED $?; stty -a | tr ' ' '\\n' | grep -x -E -e '-?echo;?|-?icanon;?'; sleep 600`;
    tmux('new-session', '-d', '-x', '80', '-y', '24', command);
    const until = (text: string) => expect.poll(shown, { timeout: 60_000 }).toContain(text);
    await until('1 overview');
    await until('02:00:00:00:00:01');
    tmux('send-keys', '2', 's', 's', 's');
    await until('recv/s▼');
    tmux('send-keys', 'h');
    await until('pause and go on');
    tmux('send-keys', '5');
    await until('from\\to');
    tmux('resize-window', '-x', '130', '-y', '30');
    tmux('send-keys', '2');
    await until('last ten minutes');
    tmux('send-keys', 'p');
    await until('PAUSED');
    tmux('send-keys', 'q');
    await until('ENDED 0');
    await until('echo');
    expect(shown()).not.toMatch(/-echo|-icanon|1 overview/);
  });

  it('is stopped and goes on, follows a storm of sizes down to nothing, and ends in one line with the forwarder', async () => {
    const socket = `/tmp/rxsteer-top-stop-${process.pid}.sock`;
    const forwarder = start([
      ...['forward', '--port', 'a=memory:source,rate=5000,guests=4', '--port', 'b=memory:sink'],
      ...['--workers', '2', '--policy', 'rss:queues=2', '--control', socket],
    ]);
    await expect.poll(() => forwarder.stderr, { timeout: 60_000 }).toContain('ready');
    tmux('new-session', '-d', '-x', '80', '-y', '24', 'env PS1=READY- bash --norc -i');
    const until = (text: string) => expect.poll(shown, { timeout: 60_000 }).toContain(text);
    const type = (line: string) => tmux('send-keys', line, 'Enter');
    await until('READY-');
    type(`'${process.execPath}' '${CLI}' top --socket ${socket}`);
    await until('1 overview');
    const pid = () =>
      execFileSync('pgrep', ['-f', `top --socket ${socket}`], { encoding: 'utf8' })
        .trim()
        .split('\n')[0]!;
    const top = Number(pid());
    // By key, by signal, and by the signal that nobody can see.
    for (const stop of [() => tmux('send-keys', 'C-z'), () => process.kill(top, 'SIGTSTP')]) {
      stop();
      await until('Stopped');
      expect(shown()).not.toContain('1 overview');
      type('clear; stty -a | grep -o -E -e "-?(echo|icanon)\\b"');
      await until('icanon');
      expect(shown()).not.toMatch(/-echo|-icanon/);
      type('fg');
      await until('1 overview');
    }
    process.kill(top, 'SIGSTOP');
    await expect.poll(shown, { timeout: 60_000 }).toContain('Stopped');
    type('stty sane; fg');
    await until('1 overview');
    for (let n = 0; n < 60; n++)
      tmux('resize-window', '-x', String(20 + ((n * 37) % 100)), '-y', String(5 + (n % 30)));
    tmux('resize-window', '-x', '20', '-y', '5');
    await until('rxsteer');
    for (const view of '1234567') tmux('send-keys', view, 'Down', 'PageDown', 'h', 'h');
    tmux('resize-window', '-x', '130', '-y', '24');
    tmux('send-keys', '2');
    await until('last ten minutes');
    await forwarder.stop('SIGTERM');
    await until('READY-');
    expect(shown()).toMatch(/^rxsteer: .*$/m);
    expect(shown()).not.toMatch(/at .*\.js:|1 overview/);
  });
});
