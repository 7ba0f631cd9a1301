/** What is compared: a way to get frames from f0 to f1 and back, inside the forwarder's namespace. */
import type { Topology } from './topology.js';

export interface Running {
  /** Process whose CPU time is the forwarder's; null where there is none (the kernel forwards). */
  readonly pid: number | null;
  /** Ends it and undoes what it did to the links. */
  stop(): Promise<void>;
}

export interface Forwarder {
  readonly name: string;
  /** One line for people: what it is and its settings. */
  readonly settings: string;
  /** Super-frames and partial checksums pass. */
  readonly offloads: boolean;
  /** Polls without ever sleeping. */
  readonly polls: boolean;
  /** Why it cannot be measured here, with the package that brings it; null when it can. */
  missing(): string | null;
  /** Resolves when it forwards. */
  start(topology: Topology): Promise<Running>;
}
