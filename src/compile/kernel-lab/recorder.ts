/**
 * A program that notes where each frame was processed: on which CPU, with which hash of the kernel's.
 *
 * Promise: a frame's number stands in the last four bytes of its source address; frames with other numbers are passed by.
 * The packet socket that it filters gets nothing. Pure.
 */
import { Label, type Program } from '../../bpf/assembler.js';
import { Helper, MapType, ProgramType, Reg, SkBuff } from '../../bpf/opcodes.js';
import { FrameAssembler, HEADER } from '../../programs/frame.js';

const { r0, r1, r2, r6, r7, r8, fp } = Reg;

/** Offset of the number in a frame. */
export const NUMBER_AT = 8;
const VALUE_BYTES = 12;

/** What was noted of a frame. */
export interface Landing {
  /** How often it was seen. */
  readonly times: number;
  readonly cpu: number;
  readonly hash: number;
}

/** For so many frames. */
export function recorder(frames: number): Program {
  const p = new FrameAssembler('mac');
  const map = p.map({
    name: 'landings',
    type: MapType.array,
    keyBytes: 4,
    valueBytes: VALUE_BYTES,
    entries: frames,
    content: [],
  });
  const done = new Label();
  p.fetch(NUMBER_AT, null, HEADER, 4, done);
  p.loadNetwork('w', r0, HEADER);
  p.store('w', fp, HEADER, r0);
  p.load('w', r7, r6, SkBuff.hash);
  p.call(Helper.getSmpProcessorId);
  p.move(r8, r0);
  p.loadMap(r1, map);
  p.move(r2, fp);
  p.alu('add', r2, HEADER);
  p.call(Helper.mapLookup);
  p.jumpIf('eq', r0, 0, done);
  p.load('w', r1, r0, 0);
  p.alu('add', r1, 1);
  p.store('w', r0, 4, r8);
  p.store('w', r0, 8, r7);
  p.store('w', r0, 0, r1);
  p.place(done);
  p.set(r0, 0);
  p.exit();
  return p.finish('rxsteer_note', ProgramType.socketFilter);
}

/** Reads an entry of the map. */
export function landingOf(value: Uint8Array): Landing {
  const view = new DataView(value.buffer, value.byteOffset, value.byteLength);
  return { times: view.getUint32(0, true), cpu: view.getUint32(4, true), hash: view.getUint32(8, true) };
}
