/**
 * The packets of a scenario's captures, read before the clock starts.
 *
 * Promise: all packets in file order at the file's times (`speed` times as fast), one flow for each directed flow of the
 * file; a time that goes back counts as that of the packet before.
 */
import { ethernetLength, writeEthernet } from '../../capture/ethernet.js';
import { openCapture } from '../../capture/stream.js';
import { UserError } from '../../errors.js';
import { PS, SECOND } from '../machine/sim.js';
import type { CapturedPackets } from '../model/loads.js';
import { FRAME_BYTES, FrameBurst } from '../model/policy-runner.js';
import { placedLater } from './place.js';
import type { Scenario } from './schema.js';

/**
 * Reads the captures that a scenario's loads name, by number of the load.
 *
 *     simulate(scenario, { captures: await readCaptures(scenario) });
 *
 * @throws UserError for files that cannot be read or hold no packet
 */
export async function readCaptures(scenario: Scenario): Promise<Map<number, CapturedPackets>> {
  const captures = new Map<number, CapturedPackets>();
  for (const [number, load] of scenario.load.entries()) {
    if (load.kind !== 'capture') continue;
    // A scenario that was parsed names one.
    const { file = '', speed } = load;
    captures.set(number, await placedLater(`load[${number}].file`, () => readOne(file, speed)));
  }
  return captures;
}

async function readOne(file: string, speed: number): Promise<CapturedPackets> {
  const times: number[] = [];
  const flows: number[] = [];
  const bytes: number[] = [];
  const frames: Uint8Array[] = [];
  const known = new Map<number, number>();
  const view = new FrameBurst();
  let start: readonly [number, number] | null = null;
  let last = 0;
  for await (const batch of await openCapture(file)) {
    for (let i = 0; i < batch.n; i++) {
      const length = ethernetLength(batch.linkType[i]!, batch.len[i]!);
      if (length < 14) continue;
      const whole = new Uint8Array(length);
      writeEthernet(batch.linkType[i]!, batch.bytes, batch.off[i]!, batch.len[i]!, whole, 0);
      const frame = whole.slice(0, FRAME_BYTES);
      const key = view.fill(frame, 0, 0).flow[0]!;
      let flow = known.get(key);
      if (flow === undefined) {
        flow = frames.push(frame) - 1;
        known.set(key, flow);
      }
      start ??= [batch.seconds[i]!, batch.nanoseconds[i]!];
      const elapsed = (batch.seconds[i]! - start[0]) * SECOND + (batch.nanoseconds[i]! - start[1]) * PS;
      last = Math.max(last, Math.round(elapsed / speed));
      times.push(last);
      flows.push(flow);
      bytes.push(Math.max(length, batch.original[i]!));
    }
  }
  if (times.length === 0) throw new UserError(`${file}: no packet that could be sent`);
  return {
    times: Float64Array.from(times),
    flows: Int32Array.from(flows),
    bytes: Int32Array.from(bytes),
    frames,
  };
}
