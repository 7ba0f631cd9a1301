// How would the packets of a capture have spread under several policies?   node examples/capture-spread.mjs [FILE]
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { CaptureWriter, captureFrames, Experiment, flowFrame, parseFlow } from 'rxsteer';

const folder = mkdtempSync(join(tmpdir(), 'rxsteer-example-'));
try {
  const file = process.argv[2] ?? join(folder, 'made.pcap');
  if (process.argv[2] === undefined) makeCapture(file);
  for (const policy of [
    'rss:nic=ixgbe-82599,queues=4',
    'rss:nic=ice-e810,queues=4',
    'rps:cpus=0-3',
    'round-robin',
  ]) {
    const experiment = new Experiment(policy, { workers: 4 });
    for await (const frame of captureFrames(file)) experiment.add(frame);
    const { packets, flows, fullestOverFair, gini } = experiment.spread();
    console.log(
      `${policy}: ${packets} packets of ${flows} flows, fullest ${fullestOverFair.toFixed(2)} of fair, gini ${gini.toFixed(3)}`,
    );
  }
} finally {
  rmSync(folder, { recursive: true });
}

/** Few heavy flows and many light ones: flow n has 1000 / (n + 1) packets. */
function makeCapture(path) {
  const writer = CaptureWriter.create(path);
  for (let n = 0; n < 100; n++) {
    const frame = flowFrame(parseFlow(`udp 10.0.0.${n}:${1024 + n} > 10.1.0.1:53`, 'flow'));
    for (let k = 0; k < 1000 / (n + 1); k++) writer.write(frame, 0, frame.length, frame.length, 0, k);
  }
  writer.flush();
  writer.close();
}
