/** Frames, bursts and models for tests of the NIC. */
import { randomKey } from '#rxsteer/hash/keys.js';
import { NicModel, type NicModelOptions } from '#rxsteer/nic/model.js';
import { parseNtuple } from '#rxsteer/nic/ntuple-text.js';
import { nicProfile } from '#rxsteer/nic/profiles.js';
import { concatBytes, ethernet, ipv4, TcpFlag, tcp } from '#rxsteer/packet/build.js';
import { Burst } from '#rxsteer/packet/burst.js';
import { dissectBurst } from '#rxsteer/packet/dissect.js';

/** A dissected burst of these frames. */
export function burstOf(...frames: readonly Uint8Array[]): Burst {
  const burst = new Burst(concatBytes(...frames));
  let at = 0;
  for (const frame of frames) {
    burst.add(at, frame.length);
    at += frame.length;
  }
  dissectBurst(burst);
  return burst;
}

export function model(nic: string, options: Partial<NicModelOptions> = {}): NicModel {
  const profile = nicProfile(nic);
  return new NicModel({ profile, queues: 8, key: randomKey(profile.keyBytes, 1), ...options });
}

/** Adds a rule in ethtool's words; gives its location. */
export function addRule(nic: NicModel, text: string): number {
  return nic.rules.add(parseNtuple(text, 'test'));
}

export interface SegmentOptions {
  readonly src?: string;
  readonly dst?: string;
  readonly sport?: number;
  readonly dport?: number;
  readonly flags?: number;
  readonly vlans?: number[];
  readonly dstMac?: string;
}

/** A TCP segment; ACK by default. */
export function segment(options: SegmentOptions = {}): Uint8Array {
  const { src = '10.0.0.1', dst = '10.0.0.2', sport = 1000, dport = 80, flags = TcpFlag.ack } = options;
  const { vlans = [], dstMac } = options;
  return ethernet(
    { vlans, ...(dstMac === undefined ? {} : { dst: dstMac }) },
    ipv4({ src, dst }, tcp({ sport, dport, flags })),
  );
}
