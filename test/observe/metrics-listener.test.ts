/** The listener for Prometheus: it answers one question, and whoever asks anything else costs only itself. */
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { isExpectedHost, parseListen } from '#rxsteer/observe/listen.js';
import { listenForMetrics, type MetricsListener } from '#rxsteer/observe/metrics-listener.js';

let listener: MetricsListener | null = null;
const open: Socket[] = [];
const failures: Error[] = [];

afterEach(async () => {
  for (const socket of open.splice(0)) socket.destroy();
  await listener?.close();
  listener = null;
  expect(failures.splice(0)).toEqual([]);
});

async function start(read?: () => string): Promise<URL> {
  listener = await listenForMetrics({ host: '127.0.0.1', port: 0 }, (error) => failures.push(error));
  if (read !== undefined) listener.serve(read);
  return new URL(listener.url);
}

/** What comes back for these bytes until the server ends the connection. */
async function raw(url: URL, bytes: string): Promise<string> {
  const socket = connect(Number(url.port), url.hostname);
  open.push(socket);
  let text = '';
  socket.setEncoding('latin1').on('data', (part: string) => {
    text += part;
  });
  // What is refused in the middle may end in a reset; `once` would take that for its own error.
  const closed = new Promise((resolve) => socket.on('error', () => {}).once('close', resolve));
  socket.write(bytes);
  await closed;
  return text;
}

const request = (line: string, host = 'localhost') => `${line} HTTP/1.1\r\nhost: ${host}\r\n\r\n`;
const status = (answer: string) => Number(/^HTTP\/1\.1 (\d+)/.exec(answer)?.[1]);

describe('the metrics listener', () => {
  it('answers GET and HEAD of /metrics and nothing else', async () => {
    const url = await start(() => 'a 1\n');
    const answer = await fetch(url);
    expect([answer.status, await answer.text()]).toEqual([200, 'a 1\n']);
    expect(answer.headers.get('content-type')).toContain('version=0.0.4');
    expect(await raw(url, request('HEAD /metrics'))).not.toContain('a 1');
    expect(status(await raw(url, request('POST /metrics')))).toBe(405);
    // Prometheus sends the parameters that it was told.
    expect(status(await raw(url, request('GET /metrics?collect=all')))).toBe(200);
    for (const path of [
      '/',
      '/apply',
      '/stats',
      '/metrics/',
      '//metrics',
      '//',
      '*',
      'http://localhost/metrics',
    ]) {
      expect(status(await raw(url, request(`POST ${path}`)))).toBe(404);
      expect(status(await raw(url, request(`GET ${path}`)))).toBe(404);
    }
  });

  it('says so before it is ready', async () => {
    const url = await start();
    expect((await fetch(url)).status).toBe(503);
  });

  it('does not answer a page whose name means this machine', async () => {
    const url = await start(() => 'a 1\n');
    for (const host of [
      'evil.example',
      `evil.example:${url.port}`,
      '127.0.0.1.evil.example',
      '10.0.0.1',
      '',
    ]) {
      expect(status(await raw(url, request('GET /metrics', host))), host).toBe(403);
    }
    for (const host of ['localhost', `127.0.0.1:${url.port}`, '[::1]:9464']) {
      expect(status(await raw(url, request('GET /metrics', host))), host).toBe(200);
    }
  });

  it('outlives garbage, huge headers, hundreds of requests at once and clients that say nothing', async () => {
    let reads = 0;
    const url = await start(() => `a ${++reads}\n`);
    expect(status(await raw(url, '\0\xff\r\n\r\n'))).toBe(400);
    await raw(url, `GET /metrics HTTP/1.1\r\nhost: localhost\r\nx: ${'y'.repeat(1 << 20)}\r\n\r\n`);
    await raw(
      url,
      'GET /metrics HTTP/1.1\r\nhost: localhost\r\nupgrade: websocket\r\nconnection: upgrade\r\n\r\n',
    );
    const flood = await raw(url, request('GET /metrics').repeat(500));
    expect(flood.match(/^a \d+$/gm)!.length).toBeLessThan(3);
    // Connections beyond the limit are closed at once; those that say nothing are forgotten some time.
    const idle = Array.from({ length: 40 }, () =>
      connect(Number(url.port), url.hostname).on('error', () => {}),
    );
    open.push(...idle);
    await Promise.race(idle.map((socket) => once(socket, 'close')));
    for (const socket of idle) socket.destroy();
    await expect
      .poll(async () => (await fetch(url).catch(() => null))?.status, { timeout: 25_000 })
      .toBe(200);
    expect(reads).toBeLessThan(10);
  }, 60_000);

  it('hears on loopback unless it is told another address', () => {
    expect(parseListen('--metrics', '9464')).toEqual({ host: '127.0.0.1', port: 9464 });
    expect(parseListen('--metrics', '[::1]:0')).toEqual({ host: '::1', port: 0 });
    expect(parseListen('--metrics', '0.0.0.0:1')).toEqual({ host: '0.0.0.0', port: 1 });
    for (const wrong of [
      '',
      'x',
      'example.org:80',
      '::1:80',
      '1.2.3.4',
      '1.2.3.4:99999',
      ':80',
      '[1.2.3.4]',
    ]) {
      expect(() => parseListen('--metrics', wrong), wrong).toThrow(`--metrics ${wrong}: expected PORT`);
    }
    // A listener for others is called by any name.
    expect(isExpectedHost({ host: '10.0.0.1', port: 1 }, 'host.example')).toBe(true);
    expect(isExpectedHost({ host: '127.0.0.1', port: 1 }, undefined)).toBe(false);
    // However loopback is written, it is loopback.
    for (const host of ['::1', '0:0:0:0:0:0:0:1', '0::1', '::ffff:127.0.0.1', '::FFFF:7f00:1', '127.1.2.3']) {
      expect(isExpectedHost({ host, port: 1 }, 'evil.example'), host).toBe(false);
      expect(isExpectedHost({ host, port: 1 }, '[0::1]:9464'), host).toBe(true);
    }
    for (const host of ['::', '::2', '::ffff:10.0.0.1', '128.0.0.1'])
      expect(isExpectedHost({ host, port: 1 }, 'host.example'), host).toBe(true);
  });

  it('says in one line who is there already', async () => {
    const url = await start();
    const taken = listenForMetrics({ host: '127.0.0.1', port: Number(url.port) }, () => {});
    await expect(taken).rejects.toThrow(
      `--metrics http://127.0.0.1:${url.port}: another process listens there`,
    );
  });
});
