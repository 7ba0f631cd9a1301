/** Control sockets as files: whose they are, which are stale, and who answers. */
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { liveSockets, placeSocket, probeSocket, removeStale, socketPid } from '#rxsteer/control/socket.js';
import { Process } from '../support/processes.js';

let folder: string;
const servers: Server[] = [];

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'rxsteer-control-'));
});
afterEach(async () => {
  await Promise.all(servers.splice(0).map((server) => new Promise((resolve) => server.close(resolve))));
  rmSync(folder, { recursive: true, force: true });
});

/** Listens on a path in this process. */
async function listen(name: string): Promise<string> {
  const path = join(folder, name);
  const server = createServer();
  servers.push(server);
  await new Promise<void>((resolve) => server.listen(path, resolve));
  return path;
}

/** A socket whose listener was killed; its file is `age` milliseconds old. */
async function dead(name: string, age = 60_000): Promise<string> {
  const path = join(folder, name);
  const code = `require('net').createServer().listen(${JSON.stringify(path)}, () => console.log('listening'))`;
  const listener = new Process([process.execPath, '-e', code]);
  await listener.line(/listening/);
  listener.kill();
  await listener.ended;
  const made = (Date.now() - age) / 1000;
  utimesSync(path, made, made);
  return path;
}

describe('stale sockets', () => {
  it('are removed when nobody listens, and live ones and other files are not touched', async () => {
    const live = await listen('11.sock');
    // Its age does not make it stale.
    utimesSync(live, 1, 1);
    const stale = await dead('12.sock');
    // However long this test takes.
    const young = await dead('13.sock', -3_600_000);
    const file = join(folder, '14.sock');
    writeFileSync(file, '');
    const other = await dead('mine.sock');
    expect(await removeStale(folder)).toEqual([stale]);
    expect([live, young, file, other].map((path) => existsSync(path))).toEqual([true, true, true, true]);
    expect(existsSync(stale)).toBe(false);
    expect(await removeStale(join(folder, 'absent'))).toEqual([]);
  });

  it('are told from live ones by a connection', async () => {
    expect(await probeSocket(await listen('1.sock'))).toBe('alive');
    expect(await probeSocket(await dead('2.sock'))).toBe('dead');
    expect(await probeSocket(join(folder, '3.sock'))).toBe('dead');
  });
});

describe('the place that was asked for', () => {
  it('is taken when it is free or stale', async () => {
    const free = join(folder, 'free');
    expect(await placeSocket(free)).toEqual({ path: free });
    const stale = await dead('stale', 0);
    expect(await placeSocket(stale)).toEqual({ path: stale });
    expect(existsSync(stale)).toBe(false);
  });

  it('is refused when somebody listens there, it is another file, or its name is too long', async () => {
    const live = await listen('live');
    await expect(placeSocket(live)).rejects.toThrow(`--control ${live}: another instance listens there`);
    const directory = join(folder, 'directory');
    mkdirSync(directory);
    await expect(placeSocket(directory)).rejects.toThrow(
      `--control ${directory}: exists and is not a socket`,
    );
    await expect(placeSocket(join(folder, 'none', 'x.sock'))).rejects.toThrow(
      `--control ${folder}/none/x.sock: there is no folder ${folder}/none`,
    );
    const long = join(folder, 'x'.repeat(107));
    await expect(placeSocket(long)).rejects.toThrow("a socket's path has at most 107 bytes");
    expect(existsSync(live)).toBe(true);
  });
});

describe('the default place', () => {
  const { RXSTEER_RUN: before } = process.env;
  afterEach(() => {
    if (before === undefined) delete process.env.RXSTEER_RUN;
    else process.env.RXSTEER_RUN = before;
  });

  it('is a directory that nobody else can look into, cleared of the dead', async () => {
    const directory = join(folder, 'run');
    process.env.RXSTEER_RUN = directory;
    const path = join(directory, `${process.pid}.sock`);
    expect(await placeSocket(null)).toEqual({ path });
    expect(statSync(directory).mode & 0o777).toBe(0o700);
    expect(socketPid(path)).toBe(process.pid);
    expect(socketPid('/tmp/other.sock')).toBeNull();
    // A dead one of our own id, whatever its age, and another one.
    const stale = [await dead(`run/${process.pid}.sock`, 0), await dead('run/1.sock')];
    expect(await placeSocket(null)).toEqual({ path });
    expect(stale.map((one) => existsSync(one))).toEqual([false, false]);
  });

  it('is another one beside a live instance of the same process id, as in another container', async () => {
    const directory = join(folder, 'run');
    process.env.RXSTEER_RUN = directory;
    mkdirSync(directory, { mode: 0o700 });
    const live = await listen(`run/${process.pid}.sock`);
    const second = join(directory, `${process.pid}-2.sock`);
    expect(await placeSocket(null)).toEqual({ path: second });
    await listen(`run/${process.pid}-2.sock`);
    expect(await placeSocket(null)).toEqual({ path: join(directory, `${process.pid}-3.sock`) });
    expect(await liveSockets()).toEqual([second, live].sort());
    expect(socketPid(second)).toBe(process.pid);
  });

  it('is refused where others may write, and where it is no directory', async () => {
    const directory = join(folder, 'run');
    process.env.RXSTEER_RUN = directory;
    mkdirSync(directory);
    chmodSync(directory, 0o777);
    expect(await placeSocket(null)).toEqual({
      problem: `${directory}: others may enter it (mode 777): chmod 700 ${directory}`,
    });
    rmSync(directory, { recursive: true });
    writeFileSync(directory, '');
    expect(await placeSocket(null)).toEqual({ problem: `${directory}: not a directory` });
    process.env.RXSTEER_RUN = join(folder, 'no', 'where');
    expect(await placeSocket(null)).toEqual({ problem: `${join(folder, 'no', 'where')}: ENOENT` });
  });
});
