/**
 * Who is told when a socket has something: one thread of the addon waits for all of them.
 *
 * Promise: each is called from the event loop, never from within another's call, and as long as it asks for it again. No
 * process is kept alive by it. Main thread only.
 */
import type { Native, NativeSocketEvents } from '../../../addon/native.js';

let events: NativeSocketEvents | null = null;
const callbacks = new Map<number, () => void>();

/** A descriptor that was closed and given again meanwhile is called for nothing, and finds nothing. */
function heard(): void {
  for (const fd of events?.take() ?? []) {
    const callback = callbacks.get(fd);
    if (callback === undefined) continue;
    callback();
    if (callbacks.get(fd) === callback) events?.arm(fd);
  }
}

/** Calls back whenever the descriptor is readable, until `forget`. @throws Error where nothing can wait for it */
export function listen(native: Native, fd: number, callback: () => void): void {
  events ??= new native.SocketEvents(heard);
  callbacks.set(fd, callback);
  events.arm(fd);
}

/** Before the descriptor is closed. */
export function forget(fd: number): void {
  if (!callbacks.delete(fd)) return;
  events?.remove(fd);
  if (callbacks.size > 0) return;
  events?.close();
  events = null;
}
