// Which key, how much is luck, and what do more queues bring: a grid of replays.   node examples/sweep.mjs
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { CaptureWriter, makeTraffic, sweep } from 'rxsteer';

const folder = mkdtempSync(join(tmpdir(), 'rxsteer-example-'));
const percent = (part) => `${(100 * part).toFixed(1)} %`;
try {
  const file = join(folder, 'made.pcap');
  const writer = CaptureWriter.create(file);
  for (const { frame, time } of makeTraffic({ packets: 10_000, flows: 200, zipf: 1, rate: 1e6, seed: 1 })) {
    writer.write(frame, 0, frame.length, frame.length, Math.floor(time / 1e9), time % 1e9);
  }
  writer.close();
  const { sections, skipped, axes } = await sweep({
    captures: [file],
    policies: ['rss', 'rps'],
    queues: [4, 8],
    keys: ['microsoft', 'random'],
    seeds: [1, 2, 3],
  });
  for (const { workers, places } of sections) {
    console.log(`${workers} workers, best first`);
    for (const { name, lines, range } of places) {
      console.log(`  ${name.padEnd(26)} over ${lines.length} seeds: ${range.map(percent).join(' to ')}`);
    }
  }
  const limits = await sweep({
    captures: [file],
    policies: ['rss'],
    nics: ['ixgbe-82599'],
    queues: [16, 32],
  });
  for (const reason of [...skipped, ...limits.skipped]) console.log(`left out: ${reason}`);
  for (const { axis, value, mean } of axes.filter((row) => row.axis === 'queues')) {
    console.log(`${axis} ${value}: fullest ${mean.toFixed(2)} x fair on average`);
  }
} finally {
  rmSync(folder, { recursive: true });
}
