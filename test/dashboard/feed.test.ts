/** What pages are told: nothing of a forwarder that is gone, nothing piled up for one that does not read. */
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Writable } from 'node:stream';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { Feed } from '#rxsteer/dashboard/feed.js';

let folder: string;
let socket: string;
let server: Server;
let feed: Feed;
/** What the forwarder says: when it started, and its next row. */
let run = { started: 1000, next: 5 };
const asked: string[] = [];

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'rxsteer-feed-'));
  socket = join(folder, 's');
  server = createServer((request, response) => {
    asked.push(request.url!);
    response.setHeader('content-type', 'application/json');
    response.end(JSON.stringify(request.url!.startsWith('/history') ? { ...run, nextEvent: 0 } : {}));
  });
  await new Promise<void>((resolve) => server.listen(socket, resolve));
  feed = new Feed(socket);
});
afterEach(async () => {
  feed.close();
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
  rmSync(folder, { recursive: true, force: true });
});

/** A page, and what it was told; one that does not read keeps it waiting. */
function page(reads = true) {
  const told: string[] = [];
  const response = new Writable({
    decodeStrings: false,
    write(text: string, _encoding, done) {
      told.push(text);
      if (reads) done();
    },
  });
  feed.add(response as never);
  return { response, told };
}
const histories = () => asked.filter((url) => url.startsWith('/history'));

it('a page gets all of a forwarder that was started anew, however many rows that has', async () => {
  run = { started: 1000, next: 5 };
  asked.length = 0;
  const { told } = page();
  await vi.waitFor(() => expect(told).toHaveLength(1), { timeout: 20_000 });
  run = { started: 2000, next: 50 };
  await vi.waitFor(() => expect(told.length).toBeGreaterThan(1), { timeout: 20_000 });
  expect(histories().slice(0, 3)).toEqual([
    '/history?since=0&events=0',
    '/history?since=5&events=0',
    '/history?since=0&events=0',
  ]);
  expect(told[1]).toContain('"started":2000');
}, 60_000);

it('a page that takes nothing is let go, for it has a place that others want', async () => {
  vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] });
  try {
    const { response, told } = page(false);
    await vi.waitFor(() => expect(told).toHaveLength(1), { timeout: 20_000 });
    server.closeAllConnections();
    server.close();
    rmSync(socket, { force: true });
    for (let turn = 0; turn < 40 && !response.destroyed; turn++) {
      vi.advanceTimersByTime(1000);
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
    expect(response.destroyed).toBe(true);
    expect(feed.watching).toBe(0);
  } finally {
    vi.useRealTimers();
  }
}, 60_000);
