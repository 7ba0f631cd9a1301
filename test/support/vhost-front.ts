/**
 * A guest without a guest: a vhost-user front-end in a process of its own (`vhost-front.py`), which shares no code with
 * the back-end.
 *
 * Promise: a call is answered when the front-end has done it; what it could not do is an Error. `end` ends the process.
 */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { createInterface, type Interface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { python } from './python.js';

const PROGRAM = fileURLToPath(new URL('./vhost-front.py', import.meta.url));

/** Why there can be none here, or null: Python since 3.10 has eventfds. */
export function noFrontEnd(): string | null {
  try {
    execFileSync(python() ?? 'python3', ['-c', 'import os; os.eventfd'], { stdio: 'ignore' });
    return null;
  } catch {
    return 'no python3 of 3.10 or later';
  }
}

/** A frame as the guest got it. */
export interface GuestFrame {
  /** The virtio-net header, in hexadecimal. */
  readonly header: string;
  readonly frame: string;
  /** Bytes written into each of its buffers. */
  readonly buffers: readonly number[];
}

export class FrontEnd {
  private readonly child: ChildProcess;
  private readonly lines: Interface;
  private readonly waiting: ((line: string) => void)[] = [];

  constructor() {
    this.child = spawn(python() ?? 'python3', ['-S', PROGRAM], { stdio: ['pipe', 'pipe', 'inherit'] });
    this.lines = createInterface({ input: this.child.stdout! });
    this.lines.on('line', (line) => this.waiting.shift()?.(line));
    this.child.on('close', () => {
      for (const answer of this.waiting.splice(0)) answer('{"error":"it has ended"}');
    });
  }

  /** Gives an order (`op_…` of the program). @throws Error with what the program says */
  async call<T = Record<string, never>>(op: string, given: Record<string, unknown> = {}): Promise<T> {
    const answer = new Promise<string>((resolve) => this.waiting.push(resolve));
    this.child.stdin!.write(`${JSON.stringify({ op, ...given })}\n`);
    const result = JSON.parse(await answer) as T & { error?: string };
    if (result.error !== undefined) throw new Error(`front-end: ${op}: ${result.error}`);
    return result;
  }

  /** Connects to a port and starts its rings, with buffers to receive into. */
  async begin(path: string, given: Record<string, unknown> = {}): Promise<void> {
    await this.call('connect', { path });
    await this.start(given);
  }

  async start(given: Record<string, unknown> = {}): Promise<void> {
    await this.call('start', given);
    for (let pair = 0; pair < ((given.pairs as number) ?? 1); pair++) await this.call('fill', { pair });
  }

  async send(frames: readonly Uint8Array[], given: Record<string, unknown> = {}): Promise<void> {
    await this.call('send', { frames: frames.map((frame) => Buffer.from(frame).toString('hex')), ...given });
  }

  async receive(count: number, pair = 0): Promise<readonly GuestFrame[]> {
    return (await this.call<{ frames: GuestFrame[] }>('receive', { count, pair })).frames;
  }

  async end(): Promise<void> {
    if (this.child.exitCode !== null || this.child.signalCode !== null) return;
    const ended = new Promise((resolve) => this.child.once('close', resolve));
    this.child.kill('SIGKILL');
    await ended;
  }
}
