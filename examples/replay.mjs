// One capture through three policies: how even each is, and what it does to order.   node examples/replay.mjs [CAPTURE]
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { CaptureWriter, makeTraffic, replay } from 'rxsteer';

const folder = mkdtempSync(join(tmpdir(), 'rxsteer-example-'));
try {
  const file = process.argv[2] ?? join(folder, 'made.pcap');
  if (process.argv[2] === undefined) {
    // Few clients, many UDP flows: what a NIC that hashes UDP by addresses alone does not like.
    const writer = CaptureWriter.create(file);
    const traffic = { packets: 20_000, flows: 500, clients: 4, protocols: { udp: 1 }, rate: 4e6, seed: 1 };
    for (const { frame, time } of makeTraffic(traffic)) {
      writer.write(frame, 0, frame.length, frame.length, Math.floor(time / 1e9), time % 1e9);
    }
    writer.close();
  }
  const names = ['rss:nic=ixgbe-82599,queues=4', 'rss:queues=4,types=ipv4+udp-ipv4', 'round-robin'];
  const { capture, policies } = await replay([file], names, { workers: 4 });
  console.log(`${capture.packets} packets, ${capture.flows} flows`);
  for (const { policy, fullestOverFair, reordered } of policies) {
    console.log(
      `${policy.padEnd(33)} fullest ${fullestOverFair.toFixed(2)} x fair, reordered ${reordered.packets}`,
    );
  }
} finally {
  rmSync(folder, { recursive: true });
}
