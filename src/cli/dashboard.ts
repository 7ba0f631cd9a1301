/**
 * `rxsteer dashboard`: a page in the browser for a running forwarder.
 *
 * Promise: a process of its own, which gives up all capabilities before it listens; it asks the forwarder through its
 * control socket and goes on when the forwarder is gone, until it is interrupted. It prints the address, which holds the
 * token, once.
 */
import { statSync } from 'node:fs';
import type { Command } from 'commander';
import { loadNative } from '../addon/native.js';
import { ask, findSocket } from '../control/client.js';
import { startDashboard } from '../dashboard/server.js';
import { isLoopback, parseListen } from '../observe/listen.js';
import { noteLine, print, printJson } from './output.js';

interface Flags {
  readonly socket?: string;
  readonly listen?: string;
  readonly json?: boolean;
  readonly endWithStdin?: boolean;
}

const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

/** A socket of this user's needs no capability; another one's would not be reached without. */
function giveUpCapabilities(socket: string): void {
  const native = loadNative();
  if (native !== null && statSync(socket).uid === process.geteuid?.()) native.limitCapabilities(0);
}

async function dashboard(flags: Flags): Promise<void> {
  const address = parseListen('--listen', flags.listen ?? '127.0.0.1:8030');
  const socket = flags.socket ?? (await findSocket());
  // It must be there, and ours to ask.
  await ask(socket, 'GET', '/status');
  giveUpCapabilities(socket);
  const server = await startDashboard(socket, address);
  const ended = new Promise<void>((resolve) => {
    for (const signal of SIGNALS) process.once(signal, () => resolve());
    if (flags.endWithStdin === true) process.stdin.resume().once('end', resolve).once('error', resolve);
  });
  if (!isLoopback(address.host)) {
    noteLine(
      'rxsteer: warning: whoever reaches this address can see the token on its way: HTTP is not encrypted',
    );
  }
  if (flags.json === true) printJson({ url: server.url, socket });
  else
    print(
      `dashboard: ${server.url}\n(the part behind # is the token: who has the address may use it; Ctrl-C ends)`,
    );
  await ended;
  if (flags.endWithStdin === true) process.stdin.pause();
  await server.close();
}

export function register(program: Command): void {
  program
    .command('dashboard')
    .description('serve a page that shows a running forwarder, for a browser on this machine')
    .option('--socket <path>', 'control socket (default: that of the one running forwarder)')
    .option('--listen <[ADDRESS:]PORT>', 'where to listen (default 127.0.0.1:8030; port 0: a free one)')
    .option('--json', 'print the address as one JSON document')
    .option('--end-with-stdin', 'stop when standard input ends (a parent process holds it)')
    .allowExcessArguments(false)
    .action(dashboard);
}
