/**
 * The main thread's side of a vhost-user port: its socket, the guest that is connected, what workers know of it.
 *
 * Promise: one guest at a time; a second one waits until the first has left. A guest that leaves, or does what cannot be,
 * leaves nothing behind: its rings are stopped and its memory unmapped before another is let in. Workers keep what they
 * are attached to whoever comes and goes; the rings say whether there is anybody.
 */
import { rmSync } from 'node:fs';
import type { Native, NativeVhostBackend } from '../../../addon/native.js';
import { UserError } from '../../../errors.js';
import {
  type CountedWarning,
  type LinkChange,
  LivePort,
  NO_DESCRIPTORS,
  type OldDescriptors,
  type PortHost,
} from '../live-port.js';
import { Connection } from './connection.js';
import { enabledWords } from './data.js';
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
  /** See `VhostData.enabled`. */
  readonly enabled: SharedArrayBuffer;
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

  /** @throws UserError where the socket cannot be made */
  constructor(
    private readonly native: Native,
    readonly spec: VhostUserPortSpec,
    private readonly warn: (message: string) => unknown,
  ) {
    super();
    this.offered = offeredBy(spec);
    this.enabled = enabledWords(spec.queues);
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
      memory: session?.memory ?? 0,
      mtu: this.mtu,
      connections: this.connections,
      refused: this.refused,
    };
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
