/**
 * The kinds of ports that there are: the one list of them.
 *
 * Promise: parser, help, schema, documents and engines read it, and nothing else names a kind. A program may register
 * kinds of its own before it parses ports of them and starts engines.
 */
import { captureKind } from './capture/kind.js';
import type { AnyPortSpec, DetailOf, PortKind, SpecOf } from './kind.js';
import { memoryKind } from './memory/kind.js';
import { packetKind } from './packet/kind.js';
import { tapKind } from './tap/kind.js';
import { vhostUserKind } from './vhost-user/kind.js';
import { xdpKind } from './xdp/kind.js';

/** In the order in which they are shown. */
const BUILT_IN = [packetKind, xdpKind, tapKind, vhostUserKind, captureKind, memoryKind] as const;

/** A port of the forwarder, parsed and complete. Made by `parsePort`. */
export type PortSpec = SpecOf<(typeof BUILT_IN)[number]>;

/** What `detail` may hold in the summary of a port. */
export type PortDetail = DetailOf<(typeof BUILT_IN)[number]>;

const registered: PortKind[] = [...(BUILT_IN as readonly unknown[] as readonly PortKind[])];

/** All kinds, in the order in which they are shown. */
export function portKinds(): readonly PortKind[] {
  return registered;
}

/** The kind of this name, or undefined. */
export function findKind(name: string): PortKind | undefined {
  return registered.find((kind) => kind.name === name);
}

/** The kind of a port that was parsed. */
export function kindOf({ kind }: Pick<AnyPortSpec, 'kind'>): PortKind {
  const found = findKind(kind);
  if (found === undefined) throw new Error(`no kind of ports is called ${kind}`);
  return found;
}

/**
 * Adds a kind of ports, for engines that are started from now on. Returns what takes it away again.
 * @throws Error where there is one of that name, or the name is none
 */
export function registerPortKind<S extends AnyPortSpec>(kind: PortKind<S>): () => void {
  if (!/^[a-z][a-z0-9_-]*$/.test(kind.name)) throw new Error(`"${kind.name}" is no name of a kind of ports`);
  if (findKind(kind.name) !== undefined) throw new Error(`a kind of ports is called ${kind.name} already`);
  const entry = kind as unknown as PortKind;
  registered.push(entry);
  return () => void registered.splice(registered.indexOf(entry), 1);
}
