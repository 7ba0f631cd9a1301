/**
 * Asks Open vSwitch over its control socket, as `ovs-appctl` does.
 *
 * Promise: two commands that only show; no answer within a second is none. Needs the right to open the socket (root).
 *
 * Source: lib/unixctl.c: JSON-RPC, `{"id":0,"method":"…","params":[]}`.
 */
import { readdirSync } from 'node:fs';
import { createConnection } from 'node:net';
import { PMD_QUEUES, PMD_STATISTICS } from '../read/ovs.js';

const FOLDERS = ['/var/run/openvswitch', '/run/openvswitch'];
const PATIENCE_MS = 1000;
const ANSWER_MAX = 1 << 20;

function socketPath(): string | null {
  for (const folder of FOLDERS) {
    try {
      const name = readdirSync(folder).find((file) => /^ovs-vswitchd\.\d+\.ctl$/.test(file));
      if (name !== undefined) return `${folder}/${name}`;
    } catch {
      // No such folder: no Open vSwitch.
    }
  }
  return null;
}

/** One question; null where nobody answers. */
function ask(path: string, method: string): Promise<string | null> {
  return new Promise((resolve) => {
    const socket = createConnection(path);
    let text = '';
    const end = (answer: string | null) => {
      clearTimeout(timer);
      socket.destroy();
      resolve(answer);
    };
    const timer = setTimeout(() => end(null), PATIENCE_MS);
    socket.on('error', () => end(null));
    socket.on('close', () => end(null));
    socket.on('connect', () => socket.write(JSON.stringify({ id: 0, method, params: [] })));
    socket.setEncoding('utf8').on('data', (part: string) => {
      text += part;
      if (text.length > ANSWER_MAX) end(null);
      try {
        const { result } = JSON.parse(text) as { result?: unknown };
        end(typeof result === 'string' ? result : null);
      } catch {
        // Not the whole of it yet.
      }
    });
  });
}

/** What Open vSwitch answers, by command; empty where there is none. */
export async function askOpenVswitch(): Promise<ReadonlyMap<string, string>> {
  const found = new Map<string, string>();
  const path = socketPath();
  if (path === null) return found;
  for (const command of [PMD_QUEUES, PMD_STATISTICS]) {
    const answer = await ask(path, command.replace('ovs-appctl ', ''));
    if (answer !== null) found.set(command, answer);
  }
  return found;
}
