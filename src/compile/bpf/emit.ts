/**
 * A policy as a socket filter: for AF_PACKET fanout, for the queues of a TAP, for SO_REUSEPORT.
 *
 * Promise: the commands load, verify and pin the program; who attaches it is the program that has the sockets, so those
 * steps are comments. Pure.
 */
import type { Program } from '../../bpf/assembler.js';
import { quoted } from '../../host/remedy.js';
import type { MacSpec } from '../../policy/spec.js';
import { HEADERS_MAX, TAGS_MAX } from '../../programs/dissect.js';
import type { FrameStart } from '../../programs/frame.js';
import { isProgram, type NoProgram, policyProgram } from '../../programs/policy-program.js';
import { type Cannot, type Compiled, Inexpressible, type Request, type Target } from '../back-end.js';
import { noteLearning } from '../ethtool/emit.js';

/** Where programs are pinned. */
export const PIN_FOLDER = '/sys/fs/bpf';

/** A program or the refusal. @throws Inexpressible */
export function programOr(made: Program | NoProgram, target: Target, { spec }: Request): Program {
  if (!isProgram(made)) throw new Inexpressible(target, spec, made.why);
  return made;
}

/** A TAP gives its programs whole frames, everything else may begin them at the network header. */
export function startFor({ now }: Request): FrameStart {
  return now?.kind === 'tap' ? 'data' : 'mac';
}

/** The program of a request. @throws Inexpressible */
export function bpfProgram(request: Request): Program {
  return programOr(policyProgram(request.steering, { start: startFor(request) }), 'bpf', request);
}

/** What no program does. */
export function noteProgram({ spec, steering }: Request, cannot: Cannot[]): void {
  if (spec.policy === 'mac') noteLearning(spec as MacSpec, cannot);
  if (spec.policy === 'rss' || spec.policy === 'rps') {
    cannot.push({
      what: `more than ${TAGS_MAX} VLAN tags or ${HEADERS_MAX} IPv6 extension headers`,
      why: 'the verifier follows each of them: such a frame is hashed without what lies behind',
    });
  }
  if (spec.order === 'strict') {
    cannot.push({ what: 'order=strict', why: 'a program chooses; it holds no frame back' });
  }
  if (steering.spec.policy === 'rss' && steering.spec.stage === 'cpu') {
    cannot.push({ what: 'stage=cpu', why: 'the queue is chosen before any CPU has the frame' });
  }
}

/** What a program is, for `--json`. */
export function describeProgram({ name, type, code, maps, uses }: Program) {
  return {
    name,
    type,
    instructions: code.length / 8,
    /** Maps are loaded by number where `uses` says so. */
    code: Buffer.from(code).toString('hex'),
    uses,
    maps: maps.map(({ name: map, type: kind, keyBytes, valueBytes, entries }) => ({
      name: map,
      type: kind,
      keyBytes,
      valueBytes,
      entries,
    })),
  };
}

/** Pins of a program: its own, and one for each map that can be written while it runs. */
export function pinsOf(path: string, program: Program): string[] {
  return [path, ...program.maps.map(({ name }) => `${path}-${name}`)];
}

/** The command that loads and pins. */
export function pinCommand({ spec, steering, device }: Request, target: Target, path: string): string {
  const dev = device === null ? '' : ` --dev ${quoted(device)}`;
  return `rxsteer compile --policy ${quoted(spec.text)} --workers ${steering.workers} --to ${target}${dev} --pin ${path}`;
}

/** @throws Inexpressible */
export function emitBpf(request: Request): Compiled {
  const program = bpfProgram(request);
  const cannot: Cannot[] = [];
  noteProgram(request, cannot);
  const path = `${PIN_FOLDER}/rxsteer-${request.device ?? 'steer'}`;
  const pins = pinsOf(path, program);
  return {
    target: 'bpf',
    commands: [
      pinCommand(request, 'bpf', path),
      `# program: ${program.code.length / 8} instructions, a socket filter; its result is the queue, modulo the number of queues`,
      `# fanout: fd = bpf(BPF_OBJ_GET, "${path}"); setsockopt(socket, SOL_PACKET, PACKET_FANOUT_DATA, &fd, 4), mode PACKET_FANOUT_EBPF`,
      '# a multi-queue TAP: ioctl(tap, TUNSETSTEERINGEBPF, &fd)',
      '# SO_REUSEPORT: setsockopt(socket, SOL_SOCKET, SO_ATTACH_REUSEPORT_EBPF, &fd, 4)',
    ],
    undo: [`rm -f ${pins.join(' ')}`, '# a TAP: fd = -1; ioctl(tap, TUNSETSTEERINGEBPF, &fd)'],
    cannot,
    more: { program: describeProgram(program) },
  };
}
