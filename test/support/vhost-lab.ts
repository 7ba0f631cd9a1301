/**
 * A forwarder in this process whose ports are vhost-user sockets, and front-ends to connect to them.
 *
 * Promise: sockets lie in a folder of its own; `end` ends every front-end, stops the forwarder and removes the folder,
 * also where the test failed.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Engine } from '#rxsteer/index.js';
import { startForwarder, summarize } from '#rxsteer/index.js';
import { ethernet, ipv4, udp } from '#rxsteer/packet/build.js';
import { FrontEnd, type GuestFrame } from './vhost-front.js';

export const GUEST = (n: number) => `02:00:00:00:00:0${n}`;
export const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString('hex');

/** A frame of so many bytes of flow k, from guest `from` to guest `to`. */
export function guestFrame(k: number, bytes = 60, from = 1, to = 2): Uint8Array {
  const packet = ipv4(
    { src: `10.0.0.${from}`, dst: `10.0.0.${to}` },
    udp({ sport: 1000 + k, dport: 80 }, Buffer.alloc(bytes - 42, k)),
  );
  return ethernet({ src: GUEST(from), dst: GUEST(to), padTo: 60 }, packet);
}

/** The flow (its source port) of frames that a guest got. */
export const flowsOf = (frames: readonly GuestFrame[]) =>
  frames.map((one) => Number.parseInt(one.frame.slice(68, 72), 16) - 1000);

export class VhostLab {
  engine!: Engine;
  private readonly folder = mkdtempSync(join(tmpdir(), 'rxsteer-vhost-'));
  private readonly fronts: FrontEnd[] = [];

  path(name: string): string {
    return join(this.folder, `${name}.sock`);
  }

  front(): FrontEnd {
    const made = new FrontEnd();
    this.fronts.push(made);
    return made;
  }

  /** @param options of both ports, after the path; @param more of the forwarder */
  async start(options = '', more: Record<string, unknown> = {}): Promise<void> {
    this.engine = await startForwarder({
      ports: ['a', 'b'].map((name) => `${name}=vhost-user:${this.path(name)}${options}`),
      policy: 'mac',
      workers: 2,
      warn: () => {},
      ...more,
    } as never);
  }

  /** Two guests, one behind each port. */
  async pair(first = {}, second = {}): Promise<[FrontEnd, FrontEnd]> {
    const [a, b] = [this.front(), this.front()];
    await a.begin(this.path('a'), first);
    await b.begin(this.path('b'), second);
    return [a, b];
  }

  summary() {
    return summarize(this.engine);
  }

  detail(name: string) {
    return this.summary().ports.find((one) => one.name === name)!.detail as {
      connected: boolean;
      enabled: readonly number[];
      connections: number;
      refused: number;
      memory: number;
      readers: readonly { pair: number; task: number; worker: number | null }[];
      mtu: number | null;
      features: readonly string[];
    };
  }

  async end(): Promise<void> {
    for (const one of this.fronts) await one.end();
    await this.engine?.stop();
    rmSync(this.folder, { recursive: true, force: true });
  }
}
