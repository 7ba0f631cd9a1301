/**
 * The program in front of AF_XDP sockets: each frame goes to the first socket of its receive queue.
 *
 * Promise: what has no socket, or comes before there is one, is the kernel's. Pure.
 */
import { Assembler, type Program } from '../bpf/assembler.js';
import { Helper, MapType, ProgramType, Reg, Xdp, XdpContext } from '../bpf/opcodes.js';
import { SOCKETS } from './policy-program.js';

const { r1, r2, r3 } = Reg;

/** The program. Its map has the descriptors of `each` sockets for each of so many queues, queue by queue. */
export function xskProgram(queues: number, each = 1): Program {
  const p = new Assembler();
  const sockets = p.map({
    ...{ name: SOCKETS, type: MapType.xskmap, keyBytes: 4, valueBytes: 4, entries: queues * each },
    content: [],
  });
  p.load('w', r2, r1, XdpContext.rxQueueIndex);
  if (each > 1) p.alu('mul', r2, each);
  p.loadMap(r1, sockets);
  p.set(r3, Xdp.pass);
  p.call(Helper.redirectMap);
  p.exit();
  return p.finish('rxsteer_xsk', ProgramType.xdp);
}
