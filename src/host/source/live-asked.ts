/** The running host with those that answer for it: the kernel through the addon, Open vSwitch through its control socket. */
import { liveAsker } from '../ask/asker.js';
import { askOpenVswitch } from '../ask/unixctl.js';
import { LiveSource } from './live.js';

/** Open vSwitch is asked now; the kernel when something is read. */
export async function liveSource(): Promise<LiveSource> {
  return new LiveSource(liveAsker(), await askOpenVswitch());
}
