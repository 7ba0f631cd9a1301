/**
 * The control server: HTTP with JSON on a Unix socket.
 *
 * Promise: nothing but the socket is listened on, and only its owner and root may connect: it has mode 0600, and whoever
 * comes in all the same is known by its user and turned away. Every wrong request
 * gets one line that says what is permitted, `{ "error": "…", "code": "RXS_…" }`; none can stop the forwarder or grow without bound
 * (bodies, connections and waits are limited). This server's socket is gone when `close` resolves, no other's.
 *
 * Threads: the main thread, which is never in the data path; what a request reads are counters, what it changes goes
 * through the engine's live changes.
 */
import type { Server, ServerResponse } from 'node:http';
import type { Engine } from '../dataplane/engine/engine.js';
import { Guard } from '../dataplane/engine/guarded.js';
import { UserError } from '../errors.js';
import { toHex } from '../hash/hex.js';
import { historyOf } from '../observe/history.js';
import { Recorder } from '../observe/recorder.js';
import { METRICS_TYPE, scrape } from '../observe/scrape.js';
import { inBackground } from './background.js';
import { Controller } from './controller.js';
import { FLOWS_MAX, heavyFlows } from './flows.js';
import { BODY_BYTES_MAX, trustPeers } from './http-errors.js';
import { ANSWERED, closeServer, jsonServer, type Route } from './http-server.js';
import type { RebalanceMode } from './modes.js';
import { listenAt, removeSocket, type SocketFile } from './own-socket.js';
import { type BodyName, parseBody } from './requests.js';
import type { SocketPlace } from './socket.js';
import { Watcher } from './watcher.js';

export { BODY_BYTES_MAX };

const CONNECTIONS_MAX = 64;
/** Flows that are told where nobody says how many. */
const FLOWS_DEFAULT = 20;
/** Interval of streamed statistics in seconds. */
const WATCH_SECONDS = { least: 0.05, most: 3600 } as const;

export interface ControlOptions {
  /** Where to listen; the file must not exist. */
  readonly path: string;
  /** Another place, where there is something at the path by now; without it that is an error. */
  readonly another?: () => Promise<SocketPlace>;
  readonly version: string;
  readonly rebalance: RebalanceMode;
  /** Policies `js:FILE` may come through the socket; else only the one that the engine was started with. */
  readonly allowJs?: boolean;
  /** A dashboard may change the policy; `GET /status` tells it. */
  readonly allowApply?: boolean;
  /** What has been seen so far; absent: this server records for itself. */
  readonly recorder?: Recorder;
  /** The configuration of what runs, as a file would have it; absent: it cannot be saved. */
  readonly config?: () => unknown;
  /** Gets one line for people. */
  readonly say: (line: string) => void;
}

/** A listening control server. */
export interface ControlServer {
  readonly path: string;
  readonly controller: Controller;
  readonly watcher: Watcher;
  /** Refuses further changes, ends connections, removes the socket. */
  close(): Promise<void>;
  /** Removes the socket at once: for an end without time. */
  remove(): void;
}

/** Starts listening. Throws UserError where the path cannot be listened on. */
export async function startControl(engine: Engine, options: ControlOptions): Promise<ControlServer> {
  const recorder = options.recorder ?? new Recorder(engine);
  const controller = new Controller(engine, options.version, options.allowJs, recorder.events);
  const watcher = new Watcher(controller, options.say, options.rebalance);
  const streams = new Set<ServerResponse>();
  const guard = new Guard((line) => options.say(`warning: ${line}`));
  const server = jsonServer(
    routesOf({
      controller,
      watcher,
      recorder,
      streams,
      guard,
      config: options.config,
      allowApply: options.allowApply === true,
    }),
  );
  trustPeers(server);
  server.maxConnections = CONNECTIONS_MAX;
  let file: SocketFile;
  try {
    file = await claim(server, options);
  } catch (error) {
    watcher.close();
    if (options.recorder === undefined) recorder.close();
    await closeServer(server);
    throw error;
  }
  // A connection that cannot be accepted (no descriptor left) is its client's misfortune.
  server.on('error', (error) => {
    guard.run('control socket', () => {
      throw error;
    });
  });
  const remove = () => void removeSocket(file);
  process.once('exit', remove);
  return {
    path: file.path,
    controller,
    watcher,
    async close() {
      watcher.close();
      if (options.recorder === undefined) recorder.close();
      controller.close();
      for (const stream of streams) stream.destroy();
      await closeServer(server);
      remove();
      process.off('exit', remove);
    },
    remove,
  };
}

/** Listens at the place given, or at the next one where another instance was faster. */
async function claim(server: Server, options: ControlOptions): Promise<SocketFile> {
  let { path } = options;
  for (;;) {
    try {
      return await listenAt(server, path);
    } catch (error) {
      const { code, message } = error as NodeJS.ErrnoException;
      if (code !== 'EEXIST' || options.another === undefined) {
        throw new UserError(
          `control socket ${path}: ${code === 'EEXIST' ? 'EADDRINUSE' : (code ?? message)}`,
          { code: 'RXS_SOCKET' },
        );
      }
      const place = await options.another();
      if ('problem' in place) {
        throw new UserError(`control socket: ${place.problem}`, { code: 'RXS_SOCKET' });
      }
      path = place.path;
    }
  }
}

interface Behind {
  readonly controller: Controller;
  readonly watcher: Watcher;
  readonly recorder: Recorder;
  readonly streams: Set<ServerResponse>;
  readonly guard: Guard;
  readonly config: (() => unknown) | undefined;
  readonly allowApply: boolean;
}

function routesOf({
  controller,
  watcher,
  recorder,
  streams,
  guard,
  config,
  allowApply,
}: Behind): Map<string, Route> {
  const post = <N extends BodyName>(
    name: N,
    run: (body: ReturnType<typeof parseBody<N>>, gone: AbortSignal) => unknown,
  ): [string, Route] => [`POST /${name}`, async ({ body, gone }) => run(parseBody(name, body), gone)];

  return new Map<string, Route>([
    ['GET /status', () => ({ ...controller.status(), rebalance: watcher.state().mode, allowApply })],
    [
      'GET /stats',
      ({ request, response, query }) => {
        const watch = query.get('watch');
        const stats = () => ({ ...controller.stats(), rebalance: watcher.state() });
        if (watch === null || request.method === 'HEAD') return stats();
        const seconds = Number(watch);
        if (!(seconds >= WATCH_SECONDS.least && seconds <= WATCH_SECONDS.most)) {
          throw new UserError(
            `stats watch=${watch}: expected seconds from ${WATCH_SECONDS.least} to ${WATCH_SECONDS.most}`,
          );
        }
        stream(response, { streams, guard, read: stats, ms: seconds * 1000 });
        return ANSWERED;
      },
    ],
    [
      'GET /history',
      ({ query }) => {
        const since = wholeOf('history', query, 'since');
        const sinceEvent = wholeOf('history', query, 'events');
        return inBackground(() => historyOf(recorder, controller.engine.owners(), { since, sinceEvent }));
      },
    ],
    [
      'GET /flows',
      ({ query }) => {
        const most = query.get('n') === null ? FLOWS_DEFAULT : wholeOf('flows', query, 'n');
        if (most < 1 || most > FLOWS_MAX) {
          throw new UserError(`flows n=${most}: expected 1 to ${FLOWS_MAX}`, { code: 'RXS_REQUEST' });
        }
        return inBackground(() => heavyFlows(controller.engine, most));
      },
    ],
    [
      'GET /metrics',
      ({ request, response }) => {
        const text = scrape(recorder, controller.version);
        response.writeHead(200, { 'content-type': METRICS_TYPE, 'content-length': Buffer.byteLength(text) });
        response.end(request.method === 'HEAD' ? undefined : text);
        return ANSWERED;
      },
    ],
    ['GET /policy', () => controller.policy()],
    ['GET /rebalance', () => watcher.state()],
    ...(config === undefined ? [] : [['GET /config', config] as [string, Route]]),
    post('plan', (body) => controller.plan(body)),
    post('apply', (body) => controller.apply(body)),
    post('rollback', () => controller.rollback()),
    post('owner', (body) => controller.owner(body)),
    post('worker', (body) => controller.worker(body)),
    post('port', (body) => controller.port(body)),
    post('rebalance', (body) => watcher.configure(body)),
    post('trace', async (body, gone) => {
      const entries = await controller.trace(body, gone);
      return entries.map((entry) => ({ ...entry, frame: toHex(entry.frame) }));
    }),
  ]);
}

/** A number of a query; 0 where it is not there. @throws UserError */
function wholeOf(route: string, query: URLSearchParams, name: string): number {
  const text = query.get(name) ?? '0';
  if (/^\d{1,15}$/.test(text)) return Number(text);
  throw new UserError(`${route} ${name}=${text}: expected a whole number`, { code: 'RXS_REQUEST' });
}

interface StreamOptions {
  readonly streams: Set<ServerResponse>;
  readonly guard: Guard;
  readonly read: () => unknown;
  readonly ms: number;
}

/** One JSON document a line at an interval, until the client goes. A client that does not read is left behind. */
function stream(raw: ServerResponse, { streams, guard, read, ms }: StreamOptions): void {
  streams.add(raw);
  raw.writeHead(200, { 'content-type': 'application/x-ndjson' });
  const write = () =>
    guard.run('streamed statistics', () => {
      // What it has not read yet must not pile up here.
      if (raw.writableLength === 0) raw.write(`${JSON.stringify(read())}\n`);
    });
  write();
  const timer = setInterval(write, ms);
  const end = () => {
    clearInterval(timer);
    streams.delete(raw);
  };
  raw.once('close', end);
  raw.on('error', end);
}
