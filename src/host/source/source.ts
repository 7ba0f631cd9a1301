/**
 * Where facts come from: the running host, a folder, or an archive.
 *
 * Promise: every source reads only. Paths begin with `/`; links are followed inside the source. What cannot be read is
 * an `Unknown` that names the path and the reason. Nothing throws.
 */
import type { EthtoolFacts, Statistics } from '../ask/ethtool-facts.js';
import type { NetdevFacts } from '../ask/netdev.js';
import type { Fact } from '../fact.js';

/** A place that facts are read from. */
export interface Source {
  /** True where the running kernel is asked, so that a second look shows what moves. */
  readonly isLive: boolean;
  /** The place for people: `this host`, `tree.tar.gz`. */
  readonly name: string;
  /** Text of a file. */
  read(path: string): Fact<string>;
  /** A file line by line, without the line's end: for those that are large. Lines seen before a fault are lost with it. */
  eachLine(path: string, see: (line: string) => void): Fact<true>;
  /** Names in a folder, sorted; numbers by value. */
  list(path: string): Fact<string[]>;
  /** Last part of what a link points to: `igb` of `device/driver`. */
  linkName(path: string): Fact<string>;
  /** Path that a path leads to, all links followed; null where it leads nowhere. */
  resolve(path: string): string | null;
  /** Answers of the netlink family `netdev`. */
  netdev(): Fact<NetdevFacts>;
  /** Answers of ethtool about a device. */
  ethtool(device: string): Fact<EthtoolFacts>;
  /** The driver's counters. */
  statistics(device: string): Fact<Statistics>;
  /** Answer of a control socket or command, under the command's line: `ovs-appctl dpif-netdev/pmd-rxq-show`. */
  answer(command: string): Fact<string>;
}

/** Ascending, numbers in names by value: rx-2 before rx-10. */
export function byName(a: string, b: string): number {
  const x = /^(.*?)(\d+)$/.exec(a);
  const y = /^(.*?)(\d+)$/.exec(b);
  if (x !== null && y !== null && x[1] === y[1]) return Number(x[2]) - Number(y[2]);
  return a < b ? -1 : a > b ? 1 : 0;
}

/** The lines of a text that is there already. */
export function linesOf(text: string, see: (line: string) => void): true {
  for (let at = 0; at < text.length; ) {
    const end = text.indexOf('\n', at);
    see(text.slice(at, end < 0 ? text.length : end));
    at = end < 0 ? text.length : end + 1;
  }
  return true;
}

/** First known of several files. */
export function readFirst(source: Source, paths: readonly string[]): Fact<string> {
  let last: Fact<string> | null = null;
  for (const path of paths) {
    last = source.read(path);
    if (typeof last === 'string') return last;
  }
  return last!;
}
