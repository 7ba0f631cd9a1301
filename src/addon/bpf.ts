/**
 * The addon's face of bpf(2), and loading of programs that were assembled here.
 *
 * Promise: what the kernel refuses is an `Error` with `code` and, of a program, the last lines of the verifier's log.
 * Descriptors belong to the calling thread; `close` gives back those of a loaded program.
 */
import { linked, type Program } from '../bpf/assembler.js';

/** The result of a frame that the kernel would not try. */
export const NOT_TRIED = 0xffff_ffff;

/** Calls of bpf(2). */
export interface NativeBpf {
  /** A map; returns its descriptor. */
  makeBpfMap(options: {
    readonly type: number;
    readonly keyBytes: number;
    readonly valueBytes: number;
    readonly entries: number;
    readonly name: string;
  }): number;
  updateBpfMap(map: number, key: Uint8Array, value: Uint8Array): void;
  /** Null where there is no such key. */
  lookupBpfMap(map: number, key: Uint8Array): Uint8Array | null;
  /** Loads instructions; returns the program's descriptor. */
  loadBpfProgram(type: number, name: string, code: Uint8Array, licence: string): number;
  /**
   * Runs a program over frames that lie one behind the other (frame i is `offsets[i]` … `offsets[i + 1] - 1`) and writes
   * what it returned; nothing is delivered anywhere. Of some frames the kernel makes no packet (below 14 bytes; for a
   * socket filter IP with less than its header): those get `NOT_TRIED`. Returns how many.
   */
  tryBpfProgram(program: number, frames: Uint8Array, offsets: Uint32Array, results: Uint32Array): number;
  /** Gives a program or map a name in a bpf file system, under which others find it. */
  pinBpf(fd: number, path: string): void;
  /**
   * Attaches a program to a device as long as the descriptor that it returns is open.
   * @param type an `AttachType`
   * @param flags of XDP: 2: generic, 4: driver, 0: either
   */
  linkBpf(program: number, ifindex: number, type: number, flags: number): number;
  /** Another program of the same type takes the place of an attached one; no frame is without one meanwhile. */
  updateBpfLink(link: number, program: number): void;
  /**
   * What the running kernel tells of its types (BTF; takes tens of milliseconds): bytes from the start of a structure to a
   * member, by names such as `sk_buff.head`, and values of enumerators; null for what it has not, and for all where it does
   * not tell.
   */
  kernelTypes(
    members: readonly string[],
    enumerators: readonly string[],
  ): { readonly offsets: readonly (number | null)[]; readonly values: readonly (number | null)[] } | null;
  /** The name of a program by its number; empty where it has none, or it is not told. */
  bpfProgramName(id: number): string;
  /** The program of a fanout group in mode ebpf. */
  setFanoutProgram(socket: number, program: number): void;
  /** The program of a group of sockets with SO_REUSEPORT. */
  setReusePortProgram(socket: number, program: number): void;
  /** The program that chooses a queue of a multi-queue TAP; -1: none. False where the kernel refuses it. */
  setTapSteering(tap: number, program: number): boolean;
}

/** The addon, as far as loading needs it. */
type Loader = NativeBpf & { closeDescriptor(fd: number): void };

/** A program in the kernel, and its maps in the order of `Program.maps`. */
export interface LoadedProgram {
  readonly program: number;
  readonly maps: readonly number[];
  /** Closes all descriptors; what is attached or pinned stays. */
  close(): void;
}

/** Makes the maps, fills them, loads the program. @throws Error with the kernel's reason */
export function loadProgram(native: Loader, program: Program): LoadedProgram {
  const open: number[] = [];
  const close = () => {
    for (const fd of open.splice(0)) native.closeDescriptor(fd);
  };
  try {
    for (const map of program.maps) {
      const fd = native.makeBpfMap(map);
      open.push(fd);
      for (const [key, value] of map.content) native.updateBpfMap(fd, key, value);
    }
    const maps = [...open];
    const fd = native.loadBpfProgram(program.type, program.name, linked(program, maps), program.licence);
    open.push(fd);
    return { program: fd, maps, close };
  } catch (error) {
    close();
    throw error;
  }
}
