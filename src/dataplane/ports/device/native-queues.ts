/**
 * Native receivers and senders as a worker uses them.
 *
 * Promise: objects of one worker thread; what they hold (duplicated descriptors, mappings) is given back by `close`.
 */
import type { NativeReceiver, NativeSender } from '../../../addon/native.js';
import type { Receiver, Sender } from '../port.js';

/** A native receiver as a `Receiver`: always ready to be asked, never finished. */
export class NativeQueue implements Receiver {
  constructor(
    private readonly native: NativeReceiver,
    readonly descriptor: number,
    readonly waits = false,
    readonly cheap = false,
  ) {}
  receive(max: number): number {
    return this.native.receive(max);
  }
  arm(): void {
    this.native.arm?.();
  }
  finished(): boolean {
    return false;
  }
  dueInMs(): number {
    return Infinity;
  }
  close(): void {
    this.native.close();
  }
}

/** A native sender as a `Sender`. */
export class NativeSendQueue implements Sender {
  readonly delivers = false;
  constructor(
    private readonly native: NativeSender,
    readonly arrays: Sender['arrays'],
    readonly offload: boolean,
  ) {}
  send(from: number, to: number): number {
    return this.native.send(from, to);
  }
  close(): void {
    this.native.close();
  }
}
