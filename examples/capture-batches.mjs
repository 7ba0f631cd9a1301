// A capture written and read back by the batch, without an object per packet.   node examples/capture-batches.mjs [FILE]
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { CaptureWriter, flowFrame, LinkType, openCapture, parseFlow } from 'rxsteer';

const folder = mkdtempSync(join(tmpdir(), 'rxsteer-example-'));
try {
  const file = process.argv[2] ?? join(folder, 'made.pcapng');
  if (process.argv[2] === undefined) {
    const frame = flowFrame(parseFlow('tcp 192.0.2.1:40000 > 192.0.2.2:443', 'flow'));
    const writer = CaptureWriter.create(file);
    for (let n = 0; n < 1000; n++)
      writer.write(frame, 0, frame.length, frame.length, 1_700_000_000, n * 1000);
    writer.close();
  }
  const capture = await openCapture(file);
  let bytes = 0;
  for await (const { n, original } of capture) for (let i = 0; i < n; i++) bytes += original[i];
  const link = Object.keys(LinkType).find((name) => LinkType[name] === capture.linkType);
  console.log(
    `${capture.status.packets} packets, ${bytes} bytes on the wire, ${link}, warning: ${capture.status.warning}`,
  );
} finally {
  rmSync(folder, { recursive: true });
}
