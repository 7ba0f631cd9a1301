/**
 * The main thread's side of a vhost-user port: its socket, the guest that is connected, what workers know of it.
 *
 * Promise: one guest at a time; a second one waits until the first has left. A guest that leaves, or does what cannot be,
 * leaves nothing behind: its rings are stopped and its memory unmapped before another is let in. Workers keep what they
 * are attached to whoever comes and goes; the rings say whether there is anybody.
 */
import { existsSync, rmSync } from 'node:fs';
import type { Native, NativeVhostBackend } from '../../../addon/native.js';
import { UserError } from '../../../errors.js';
import { cpuOfQueue } from '../../../linux/virtio-net.js';
import {
  type CountedWarning,
  type LinkChange,
  LivePort,
  NO_DESCRIPTORS,
  type OldDescriptors,
  type PortHost,
  type PortReader,
} from '../live-port.js';
import { Connection } from './connection.js';
import { enabledWords } from './data.js';
import { guestThreads } from './guest-threads.js';
import type { VhostUserDetail, VhostUserPortSpec } from './kind.js';
import { featureNames, type VirtioFeature } from './protocol.js';
import { Session } from './session.js';
import { forget, listen } from './socket-events.js';

/** A client tries to connect in this interval. */
const CONNECT_MS = 1000;

const ALWAYS: readonly VirtioFeature[] = [
  ...(['mtu', 'guestAnnounce', 'logAll'] as const),
  ...(['indirect', 'eventIdx', 'protocol', 'version1'] as const),
];
const OFFLOADS: readonly VirtioFeature[] = [
  ...(['csum', 'guestCsum', 'guestTso4', 'guestTso6', 'guestEcn'] as const),
  ...(['hostTso4', 'hostTso6', 'hostEcn'] as const),
];

/** What a port offers to its guest. */
function offeredBy({ offload, mergeable, queues }: VhostUserPortSpec): VirtioFeature[] {
  return [
    ...ALWAYS,
    ...(offload ? OFFLOADS : []),
    ...(mergeable ? (['mergeable'] as const) : []),
    ...(queues > 1 ? (['multiQueue'] as const) : []),
  ];
}

export class VhostUserPort extends LivePort {
  readonly backend: NativeVhostBackend;
  /** See `VhostData`. */
  readonly enabled: SharedArrayBuffer;
  readonly readersOn: SharedArrayBuffer;
  private readonly words: Int32Array;
  private readonly offered: VirtioFeature[];
  private session: Session | null = null;
  private connection: Connection | null = null;
  private listening = -1;
  private host: PortHost | null = null;
  private timer: NodeJS.Timeout | null = null;
  private connections = 0;
  private refused = 0;
  private lastRefusal = '';
  private isClosed = false;
  /** Process at the other end of the connection; its readers by the pairs that were enabled then; null: to be looked up. */
  private peer = 0;
  private reading: readonly PortReader[] | null = null;
  private saidOfPeer = '';

  /** @throws UserError where the socket cannot be made */
  constructor(
    private readonly native: Native,
    readonly spec: VhostUserPortSpec,
    private readonly warn: (message: string) => unknown,
  ) {
    super();
    this.offered = offeredBy(spec);
    this.enabled = enabledWords(spec.queues);
    this.readersOn = new SharedArrayBuffer(spec.queues * Int32Array.BYTES_PER_ELEMENT);
    this.words = new Int32Array(this.enabled);
    this.state = 'down';
    this.carrier = false;
    try {
      this.backend = new native.VhostBackend(spec.queues);
      if (spec.mode === 'server') this.listening = native.listenUnix(spec.path);
    } catch (error) {
      throw new UserError(`--port ${spec.name}: ${(error as Error).message}`, { code: 'RXS_OPEN' });
    }
  }

  get device(): string {
    return this.spec.path;
  }

  private get title(): string {
    return `${this.spec.path} (port ${this.spec.name})`;
  }

  override follow(host: PortHost): void {
    this.host = host;
    listen(this.native, this.backend.trouble, () => this.troubled());
    if (this.listening >= 0) this.listenAgain();
    else this.connect();
  }

  /** A guest may come. What waits in the socket's queue comes next. */
  private listenAgain(): void {
    this.timer = null;
    listen(this.native, this.listening, () => {
      if (this.connection === null && !this.accept()) this.listenLater();
    });
    this.accept();
  }

  /** False where nobody is there, or no descriptor is left. */
  private accept(): boolean {
    const fd = this.native.acceptUnix(this.listening);
    if (fd >= 0) this.welcome(fd);
    return fd >= 0;
  }

  /** Somebody waits and cannot be let in: not tried again and again. */
  private listenLater(): void {
    forget(this.listening);
    this.timer = setTimeout(() => this.listenAgain(), CONNECT_MS).unref();
  }

  private connect(): void {
    this.timer = null;
    try {
      this.welcome(this.native.connectUnix(this.spec.path));
    } catch {
      // Nobody there yet.
      this.connectLater();
    }
  }

  private connectLater(): void {
    if (this.isClosed) return;
    this.timer = setTimeout(() => this.connect(), CONNECT_MS).unref();
  }

  private welcome(fd: number): void {
    // One at a time: others wait in the socket's queue.
    if (this.listening >= 0) forget(this.listening);
    this.connections++;
    this.peer = this.native.peerOfUnix(fd);
    const session = new Session({
      backend: this.backend,
      pairs: this.spec.queues,
      offered: this.offered,
    });
    this.session = session;
    this.connection = new Connection(
      this.native,
      fd,
      session,
      () => this.tell(),
      (why) => this.left(why),
    );
    this.connection.begin();
    this.tell();
  }

  /** The guest is gone, or has to go. */
  private left(why: string | null): void {
    this.connection?.close();
    this.connection = null;
    this.session = null;
    this.words.fill(0);
    this.peer = 0;
    if (why !== null) {
      this.refused++;
      this.lastRefusal = why;
    }
    try {
      this.backend.reset();
    } catch (error) {
      // A worker stands still on one of its rings: what it holds stays until it goes on.
      this.warn(`${this.title}: ${(error as Error).message}`);
    }
    this.tell();
    if (this.isClosed) return;
    if (this.listening >= 0) this.listenAgain();
    else this.connectLater();
  }

  /** Workers are to see what the guest has enabled, and the engine is to look. */
  private tell(): void {
    const pairs = this.session?.receiving ?? [];
    const { queues } = this.spec;
    for (let q = 0; q < queues; q++) this.words[1 + queues + q] = pairs.includes(q) ? 1 : 0;
    this.words.set(pairs, 1);
    Atomics.store(this.words, 0, pairs.length);
    this.reading = null;
    this.host?.changed();
  }

  /** A worker has met a ring that is broken, or memory that is gone. */
  private troubled(): void {
    try {
      const why = this.backend.broken();
      if (why !== null && this.connection !== null) this.left(why);
    } catch (error) {
      // A worker stands still on a ring; it tells again with its next burst.
      this.warn(`${this.title}: ${(error as Error).message}`);
    }
  }

  override check(): { change: LinkChange; old: OldDescriptors } {
    this.carrier = this.words[0]! > 0;
    const state = this.carrier ? 'up' : 'down';
    if (state === this.state) return { change: 'none', old: NO_DESCRIPTORS };
    this.state = state;
    this.warn(
      state === 'up'
        ? `${this.title}: a guest has started its rings`
        : `${this.title}: no guest has its rings started: frames to it are dropped as portDown`,
    );
    return { change: 'state', old: NO_DESCRIPTORS };
  }

  /**
   * Of each pair whose rings run the virtual CPU that reads it. Looked up anew for every guest, after every message of its
   * front-end, and when one of the threads has ended: virtual CPUs come and go.
   */
  override readers(): readonly PortReader[] {
    if (this.reading?.every(({ task }) => existsSync(`/proc/${task}`)) !== true)
      this.reading = this.findReaders();
    return this.reading;
  }

  private findReaders(): readonly PortReader[] {
    const pairs = this.session?.receiving ?? [];
    if (pairs.length === 0) return [];
    const found = guestThreads(this.peer);
    if ('why' in found) {
      if (this.saidOfPeer !== found.why) this.warn(`${this.title}: follow=guest: ${found.why}: not followed`);
      this.saidOfPeer = found.why;
      return [];
    }
    const { tasks } = found;
    return pairs.map((queue, k) => ({ queue, task: tasks[cpuOfQueue(k, pairs.length, tasks.length)]! }));
  }

  override placeReaders(readers: readonly PortReader[], workers: readonly number[]): void {
    const words = new Int32Array(this.readersOn);
    const now = new Int32Array(words.length);
    readers.forEach(({ queue }, k) => {
      now[queue] = workers[k]! + 1;
    });
    words.set(now);
  }

  override counted(): readonly CountedWarning[] {
    if (this.refused === 0) return [];
    return [{ kind: 'refused', count: this.refused, text: `a guest was sent away for ${this.lastRefusal}` }];
  }

  override detail(): VhostUserDetail {
    const { session } = this;
    return {
      connected: session !== null,
      features: featureNames(session?.features ?? 0n),
      queues: this.spec.queues,
      enabled: session?.receiving ?? [],
      readers: this.readerDetails(),
      memory: session?.memory ?? 0,
      mtu: this.mtu,
      connections: this.connections,
      refused: this.refused,
    };
  }

  private readerDetails(): VhostUserDetail['readers'] {
    const on = new Int32Array(this.readersOn);
    const workerOf = (queue: number) => (on[queue]! > 0 ? on[queue]! - 1 : null);
    return (this.reading ?? []).map(({ queue, task }) => ({ pair: queue, task, worker: workerOf(queue) }));
  }

  override publish(): void {}

  override get mtu(): number | null {
    return this.session?.mtu ?? null;
  }

  override close(): void {
    if (this.isClosed) return;
    this.isClosed = true;
    if (this.timer !== null) clearTimeout(this.timer);
    this.connection?.close();
    this.connection = null;
    if (this.listening >= 0) {
      forget(this.listening);
      this.native.closeDescriptor(this.listening);
      rmSync(this.spec.path, { force: true });
    }
    forget(this.backend.trouble);
    this.backend.close();
  }
}
