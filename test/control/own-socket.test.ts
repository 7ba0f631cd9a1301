/** A socket file replaces nothing, and only the one that was made here is removed. */
import { existsSync, lstatSync, mkdtempSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { listenAt, removeSocket, socketFile } from '#rxsteer/control/own-socket.js';
import { probeSocket } from '#rxsteer/control/socket.js';

let folder: string;
const servers: Server[] = [];

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'rxsteer-own-'));
});
afterEach(async () => {
  for (const server of servers.splice(0)) await close(server);
  rmSync(folder, { recursive: true, force: true });
});

const close = (server: Server) => new Promise((resolve) => server.close(resolve));

function makeServer(): Server {
  const server = createServer();
  servers.push(server);
  return server;
}

it('listens from the moment that it is there, and is gone by its removal, not by the end of the server', async () => {
  const path = join(folder, 'a.sock');
  const server = makeServer();
  const file = await listenAt(server, path);
  expect(lstatSync(path).mode & 0o777).toBe(0o600);
  expect(readdirSync(folder)).toEqual(['a.sock']);
  expect(await probeSocket(path)).toBe('alive');
  await close(server);
  expect(existsSync(path)).toBe(true);
  expect(removeSocket(file)).toBe(true);
  expect(removeSocket(file)).toBe(false);
  expect(readdirSync(folder)).toEqual([]);
});

it('is refused where something lies, and the server can go to another place', async () => {
  const [taken, free] = [join(folder, 'a.sock'), join(folder, 'b.sock')];
  await listenAt(makeServer(), taken);
  const before = lstatSync(taken).ino;
  const second = makeServer();
  await expect(listenAt(second, taken)).rejects.toThrow('EEXIST');
  writeFileSync(join(folder, 'file'), '');
  await expect(listenAt(second, join(folder, 'file'))).rejects.toThrow('EEXIST');
  await listenAt(second, free);
  expect(lstatSync(taken).ino).toBe(before);
  expect(await probeSocket(free)).toBe('alive');
});

it('of a successor stays', async () => {
  const path = join(folder, 'a.sock');
  const first = makeServer();
  const file = await listenAt(first, path);
  rmSync(path);
  await listenAt(makeServer(), path);
  expect(removeSocket(file)).toBe(false);
  await close(first);
  expect(await probeSocket(path)).toBe('alive');
  // Also one that came by renaming.
  const other = socketFile(path)!;
  await listenAt(makeServer(), join(folder, 'b.sock'));
  renameSync(join(folder, 'b.sock'), path);
  expect(removeSocket(other)).toBe(false);
  expect(await probeSocket(path)).toBe('alive');
  expect(readdirSync(folder)).toEqual(['a.sock']);
});

it('fits a path at the limit of a socket address', async () => {
  const path = join(folder, 'x'.repeat(107 - folder.length - 1));
  await listenAt(makeServer(), path);
  expect(await probeSocket(path)).toBe('alive');
});
