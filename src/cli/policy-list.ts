/**
 * The policies in a line each: for `rxsteer policies` and for the end of every help that takes one.
 *
 * Promise: every policy that exists is here (a type says so); nothing is loaded for it.
 */
import type { PolicyName } from '../policy/spec.js';

/** What a policy does with a packet, and an example. */
export interface PolicyLine {
  readonly does: string;
  readonly example: string;
}

export const POLICY_LINES: Readonly<Record<PolicyName, PolicyLine>> = {
  single: { does: 'worker 0 does everything', example: 'single' },
  rss: {
    does: "what a NIC's RSS chooses: hash, indirection table, queue",
    example: 'rss:nic=mlx5,queues=16',
  },
  rps: { does: 'what Linux RPS chooses: the flow hash over CPUs', example: 'rps:cpus=0-3' },
  rfs: { does: "RPS, then where the flow's application runs", example: 'rfs:cpus=0-3' },
  mac: { does: 'the owner of the destination MAC: one worker a guest', example: 'mac:assign=least-loaded' },
  'mac-hash': { does: 'a hash of the MAC address', example: 'mac-hash:fields=dst' },
  pools: {
    does: "the NIC's pools (VMDq, SR-IOV), then RSS inside",
    example: 'pools:nic=igb-82576',
  },
  'round-robin': { does: 'the next worker, packet by packet: reorders', example: 'round-robin' },
  js: { does: 'what your own module says', example: 'js:./mine.mjs' },
};
