/** Captures as lists of packets, in hex. */
import { CaptureFile } from '#rxsteer/capture/file.js';

export function readCapture(path: string): string[] {
  const file = CaptureFile.open(path);
  const packets: string[] = [];
  try {
    for (let batch = file.next(); batch !== null; batch = file.next()) {
      for (let i = 0; i < batch.n; i++) {
        const { bytes, off, len } = batch;
        packets.push(Buffer.from(bytes.buffer, bytes.byteOffset + off[i]!, len[i]!).toString('hex'));
      }
    }
  } finally {
    file.close();
  }
  return packets;
}
