/**
 * The two calls of the addon that ask the kernel.
 *
 * Promise: both only ask. `ethtool` refuses every command that is not in the addon's list of those that read; the
 * messages that go out by `netlink` are made in this folder, all of them "get".
 */
import { loadNative, nativeProblem } from '../../addon/native.js';
import { type Fact, unknown } from '../fact.js';

/** Asks the kernel. Failed calls throw errors with `code`. */
export interface Asker {
  /** Sends one message to a netlink protocol; gives the replies' bodies, headers included, until the kernel is done. */
  netlink(protocol: number, message: Uint8Array): Uint8Array[];
  /** The ioctl SIOCETHTOOL: gives the structure back as the kernel filled it. */
  ethtool(device: string, command: Uint8Array): Uint8Array;
}

/** The addon's calls, or why there are none. */
export function liveAsker(): Fact<Asker> {
  const native = loadNative();
  return native === null ? unknown(`the native addon is needed: ${nativeProblem()}`) : native;
}
