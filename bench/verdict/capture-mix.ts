/**
 * A mix of guests and flows like that of a capture.
 *
 * Promise: guests are the destination MAC addresses, flows the directed 5-tuples, the size is the mean frame; the
 * elephant is the largest flow or the largest guest, where it has clearly more than its share. Everything that the
 * mix leaves out is said.
 */
import { UserError } from '#rxsteer/errors.js';
import { gatherFacts } from '#rxsteer/replay/advice/gather.js';
import { replay } from '#rxsteer/replay/replay.js';
import type { MixWish } from '../runner.js';

/** Ports of the engine: more guests are counted as so many. */
const GUESTS_MAX = 48;
const FLOWS_MAX = 4096;
const SIZE = { least: 60, most: 1514 };
/** A flow with this share is an elephant; a guest with so many times its fair share. */
const FLOW_LEAST = 0.2;
const GUEST_LEAST = 1.5;

const percent = (share: number) => Math.max(1, Math.min(99, Math.round(100 * share)));

/** @throws UserError where the capture cannot be read, or has no guests. */
export async function mixOfCapture(file: string): Promise<{ wish: MixWish; notes: string[] }> {
  const { capture } = await replay([file], ['single']);
  const { macs, largestFlows } = await gatherFacts([file], capture.packets, [], null, 2);
  if (macs.length === 0) {
    throw new UserError(
      `--capture ${file}: no unicast destination MAC addresses, so no guests: give --guests`,
    );
  }
  const notes = [...capture.warnings];
  const guests = Math.min(GUESTS_MAX, macs.length);
  if (macs.length > guests) notes.push(`${macs.length} destination MAC addresses: ${guests} guests at most`);
  const unicast = macs.reduce((sum, [, packets]) => sum + packets, 0);
  const flow = largestFlows[0]?.share ?? 0;
  const guest = macs[0]![1] / unicast;
  const elephant =
    flow >= FLOW_LEAST ? 'flow' : guests > 1 && guest * guests >= GUEST_LEAST ? 'guest' : 'none';
  const mean = Math.round(capture.bytes / Math.max(1, capture.packets));
  const wish: MixWish = {
    guests,
    flowsPerGuest: Math.max(1, Math.min(FLOWS_MAX, Math.round(capture.flows / macs.length))),
    size: Math.max(SIZE.least, Math.min(SIZE.most, mean)),
    elephant,
    ...(elephant === 'none' ? {} : { share: percent(elephant === 'flow' ? flow : guest) }),
  };
  return { wish, notes };
}
