/** Small captures, and grids over them. */

import type { SweepGrid } from '#rxsteer/sweep/grid.js';
import type { SweepLine } from '#rxsteer/sweep/result-file.js';
import { TrafficMaker } from '#rxsteer/traffic/maker.js';
import { planTraffic, type TrafficOptions } from '#rxsteer/traffic/options.js';
import { RecordEncoder } from '#rxsteer/traffic/records.js';
import { openSink } from '#rxsteer/traffic/sink.js';
import { writeTraffic } from '#rxsteer/traffic/write.js';

export async function makeCapture(path: string, options: TrafficOptions): Promise<void> {
  const sink = openSink(path, false);
  await writeTraffic(new TrafficMaker(planTraffic(options)), new RecordEncoder('pcap'), sink);
  await sink.close();
}

export function grid(
  captures: string[],
  policies: (string | object)[],
  axes: Partial<SweepGrid> = {},
): SweepGrid {
  const none = {
    nics: [],
    queues: [],
    keys: [],
    seeds: [],
    workers: null,
    speed: 1,
    gapUs: 0,
    model: null,
    apps: null,
  };
  return { captures, policies, ...none, ...axes };
}

/** A result as it could be, for files and summaries. */
export function line(values: Partial<SweepLine> = {}): SweepLine {
  return {
    key: '0123456789abcdef0123456789abcdef',
    capture: 'a.pcap',
    policy: 'rss:queues=4',
    nic: null,
    queues: 4,
    hashKey: null,
    seed: 1,
    workers: 4,
    packets: 1000,
    bytes: 60_000,
    flows: 10,
    fullestOverFair: 1.5,
    gini: 0.25,
    handoffsPerPacket: 0.5,
    wakeupsPerPacket: 0.125,
    reorderedPackets: 0,
    reorderedRatio: 0,
    reorderedMaxExtent: 0,
    movesInFlight: 0,
    backlogDrops: 0,
    busiest: 0.5,
    elephants: 1,
    loads: [375, 250, 250, 125],
    warnings: [],
    ...values,
  };
}
