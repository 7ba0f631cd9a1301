/** Whom both ends of a control socket talk to. */
import { spawn } from 'node:child_process';
import { chmodSync, chownSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { loadNative } from '#rxsteer/addon/native.js';
import { ask, findSocket } from '#rxsteer/control/client.js';
import { trustPeers } from '#rxsteer/control/http-errors.js';
import { closeServer, jsonServer } from '#rxsteer/control/http-server.js';
import { placeSocket } from '#rxsteer/control/socket.js';
import { givenBy } from '#rxsteer/control/trust.js';

const isRoot = process.getuid?.() === 0 && loadNative() !== null;
if (!isRoot)
  process.stderr.write('tests with processes of other users are skipped: need root and the addon\n');
/** Nobody, on all systems with users. */
const STRANGER = 65_534;

let folder: string;
const closing: (() => unknown)[] = [];
const { XDG_RUNTIME_DIR, RXSTEER_RUN } = process.env;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'rxsteer-trust-'));
});
afterEach(async () => {
  for (const close of closing.splice(0)) await close();
  for (const [name, value] of Object.entries({ XDG_RUNTIME_DIR, RXSTEER_RUN })) {
    if (value === undefined) delete process.env[name];
    else process.env[name] = value;
  }
  rmSync(folder, { recursive: true, force: true });
});

/** A server that would answer anything; counts who came. */
async function listener(path: string): Promise<{ connections: number }> {
  const seen = { connections: 0 };
  const server: Server = createServer((socket) => {
    seen.connections++;
    socket.resume().end('HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 2\r\n\r\n{}');
  });
  await new Promise<void>((resolve) => server.listen(path, resolve));
  closing.push(() => new Promise((resolve) => server.close(resolve)));
  return seen;
}

/** Runs code as another user, with `path` as its argument; what it printed. */
function asStranger(code: string, path: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, ['-e', code, path], {
      uid: STRANGER,
      gid: STRANGER,
      stdio: 'pipe',
      cwd: '/',
    });
    let text = '';
    child.stdout.setEncoding('utf8').on('data', (part) => {
      text += part;
    });
    child.stderr.setEncoding('utf8').on('data', (part) => {
      text += part;
    });
    child.on('error', reject).on('close', () => resolve(text));
  });
}

describe.skipIf(!isRoot)('the command', () => {
  it('does not talk to a socket of another user', async () => {
    const path = join(folder, '1.sock');
    const seen = await listener(path);
    expect(await ask(path, 'GET', '/status')).toEqual({});
    chownSync(path, STRANGER, STRANGER);
    await expect(ask(path, 'GET', '/status')).rejects.toThrow(
      `${path}: belongs to user ${STRANGER}, whom this command`,
    );
    expect(seen.connections).toBe(1);
  });

  it('nor to one in a folder that another user has, or anybody may write to', async () => {
    const inner = join(folder, 'rxsteer');
    mkdirSync(inner);
    const seen = await listener(join(inner, '1.sock'));
    chownSync(inner, STRANGER, STRANGER);
    await expect(ask(join(inner, '1.sock'), 'GET', '/status')).rejects.toThrow(`belongs to user ${STRANGER}`);
    chownSync(inner, 0, 0);
    chmodSync(inner, 0o777);
    await expect(ask(join(inner, '1.sock'), 'GET', '/status')).rejects.toThrow('everybody may write to it');
    expect(seen.connections).toBe(0);
  });

  it('nor looks into the runtime folder of another user, which sudo -E leaves in the environment', async () => {
    delete process.env.RXSTEER_RUN;
    const runtime = join(folder, 'runtime');
    mkdirSync(join(runtime, 'rxsteer'), { recursive: true });
    const seen = await listener(join(runtime, 'rxsteer', '1.sock'));
    chownSync(join(runtime, 'rxsteer'), STRANGER, STRANGER);
    chownSync(join(runtime, 'rxsteer', '1.sock'), STRANGER, STRANGER);
    process.env.XDG_RUNTIME_DIR = runtime;
    // There may be forwarders of this machine's root.
    const found = await findSocket().catch((error: Error) => error.message);
    expect(found).not.toContain(join(runtime, 'rxsteer', '1.sock'));
    expect(seen.connections).toBe(0);
  });

  it('but to the user to whom root gave a folder that nobody else can have made', () => {
    const outer = join(folder, 'outer');
    const inner = join(outer, 'service');
    mkdirSync(inner, { recursive: true });
    chmodSync(outer, 0o755);
    expect([givenBy(inner), givenBy(join(outer, 'absent'))]).toEqual([0, null]);
    chownSync(inner, STRANGER, STRANGER);
    expect(givenBy(inner)).toBe(STRANGER);
    // Others could have made it, or put theirs in its place.
    chmodSync(outer, 0o1777);
    expect(givenBy(inner)).toBe(null);
    chmodSync(outer, 0o755);
    chownSync(outer, STRANGER, STRANGER);
    expect(givenBy(inner)).toBe(null);
  });

  it('says that a folder is closed to this user, rather than that no forwarder runs', async () => {
    mkdirSync(join(folder, 'run'), { mode: 0o700 });
    chmodSync(folder, 0o755);
    process.env.RXSTEER_RUN = join(folder, 'run');
    const client = import.meta.resolve('#rxsteer/control/client.js');
    const code = `import(${JSON.stringify(client)}).then((c) => c.findSocket()).catch((e) => console.log(e.message))`;
    const said = await asStranger(code, '');
    expect(said).toBe(
      `no forwarder of this user is running, and ${folder}/run is for its owner only: ask as that user (sudo rxsteer ctl …)\n`,
    );
  });

  it('nor to a process of another user behind a socket that is its own', async () => {
    chmodSync(folder, 0o755);
    const inner = join(folder, 'open');
    mkdirSync(inner);
    chmodSync(inner, 0o1777);
    const path = join(inner, '1.sock');
    const code = `require('net').createServer((s) => s.end()).listen(process.argv[1], () => console.log('listening'))`;
    const child = spawn(process.execPath, ['-e', code, path], {
      uid: STRANGER,
      gid: STRANGER,
      stdio: 'pipe',
      cwd: '/',
    });
    closing.push(() => child.kill('SIGKILL'));
    await new Promise((resolve) => child.stdout.once('data', resolve));
    chownSync(path, 0, 0);
    await expect(ask(path, 'GET', '/status')).rejects.toThrow(`a process of user ${STRANGER} listens there`);
  });
});

describe.skipIf(!isRoot)('the forwarder', () => {
  it('turns away other users, whatever the mode of its socket', async () => {
    chmodSync(folder, 0o755);
    const path = join(folder, 'c.sock');
    let asked = 0;
    const server = jsonServer(new Map([['POST /', () => ({ asked: ++asked })]]));
    trustPeers(server);
    closing.push(() => closeServer(server));
    await new Promise<void>((resolve) => server.listen(path, resolve));
    chmodSync(path, 0o666);
    expect(await ask(path, 'POST', '/')).toEqual({ asked: 1 });
    const code = `require('http').request({ socketPath: process.argv[1], method: 'POST', path: '/' }, (r) => r.pipe(process.stdout)).on('error', (e) => console.log(e.code)).end()`;
    const answer = await asStranger(code, path);
    expect(answer).toBe(
      '{"error":"only the user of the forwarder and root may ask it","code":"RXS_NOT_TRUSTED"}',
    );
    // It never came as far as a route.
    expect(asked).toBe(1);
  });

  it('uses a folder of its own only, which nobody else may enter', async () => {
    const own = join(folder, 'run');
    process.env.RXSTEER_RUN = own;
    expect(await placeSocket(null)).toEqual({ path: join(own, `${process.pid}.sock`) });
    for (const mode of [0o755, 0o710, 0o701]) {
      chmodSync(own, mode);
      expect(await placeSocket(null)).toEqual({
        problem: `${own}: others may enter it (mode ${mode.toString(8)}): chmod 700 ${own}`,
      });
    }
    chmodSync(own, 0o700);
    chownSync(own, STRANGER, STRANGER);
    expect(await placeSocket(null)).toEqual({ problem: `${own}: belongs to user ${STRANGER}` });
    chownSync(own, 0, 0);
    chownSync(folder, STRANGER, STRANGER);
    expect(await placeSocket(null)).toMatchObject({ problem: expect.stringContaining('not to be trusted') });
    const asked = placeSocket(join(folder, 'c.sock'));
    await expect(asked).rejects.toThrow(
      `--control ${join(folder, 'c.sock')}: its folder is not to be trusted`,
    );
    chownSync(folder, 0, 0);
  });
});
