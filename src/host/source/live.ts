/**
 * The running host.
 *
 * Promise: files are opened read-only and without waiting, at most 32 MiB of one is read (a host with 1152 CPUs has
 * 25 MiB of /proc/interrupts); the kernel gets only requests that ask (see `ask/`). No right is needed beyond what a
 * file itself asks for.
 */
import { closeSync, constants, openSync, readdirSync, readlinkSync, realpathSync } from 'node:fs';
import { basename } from 'node:path';
import type { Asker } from '../ask/asker.js';
import type { EthtoolFacts, Statistics } from '../ask/ethtool-facts.js';
import { askEthtool, askStatistics } from '../ask/ethtool-ioctl.js';
import { askNetdev, type NetdevFacts } from '../ask/netdev.js';
import { type Fact, unknown } from '../fact.js';
import { faultOf } from './faults.js';
import { eachLineOfFd, readFd } from './read-fd.js';
import { byName, type Source } from './source.js';

/** Reads an open file. */
function reading<T>(path: string, read: (fd: number) => T): T {
  const fd = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK | constants.O_NOCTTY);
  try {
    return read(fd);
  } finally {
    closeSync(fd);
  }
}

/** Reads /proc and /sys, and asks the kernel. */
export class LiveSource implements Source {
  readonly isLive = true;
  readonly name = 'this host';

  /** @param answers what control sockets answered, by command: asked for beforehand, since that takes waiting */
  constructor(
    private readonly asker: Fact<Asker>,
    private readonly answers: ReadonlyMap<string, string> = new Map(),
  ) {}

  read(path: string): Fact<string> {
    try {
      return reading(path, (fd) => readFd(fd));
    } catch (error) {
      return faultOf(error, path);
    }
  }

  eachLine(path: string, see: (line: string) => void): Fact<true> {
    try {
      return reading(path, (fd) => eachLineOfFd(fd, see));
    } catch (error) {
      return faultOf(error, path);
    }
  }

  list(path: string): Fact<string[]> {
    try {
      return readdirSync(path).sort(byName);
    } catch (error) {
      return faultOf(error, path);
    }
  }

  linkName(path: string): Fact<string> {
    try {
      return basename(readlinkSync(path));
    } catch (error) {
      return faultOf(error, path);
    }
  }

  resolve(path: string): string | null {
    try {
      return realpathSync(path);
    } catch {
      // What leads nowhere is a result, not a failure.
      return null;
    }
  }

  netdev(): Fact<NetdevFacts> {
    return 'unknown' in this.asker ? this.asker : askNetdev(this.asker);
  }

  ethtool(device: string): Fact<EthtoolFacts> {
    return 'unknown' in this.asker ? this.asker : askEthtool(this.asker, device);
  }

  statistics(device: string): Fact<Statistics> {
    return 'unknown' in this.asker ? this.asker : askStatistics(this.asker, device);
  }

  answer(command: string): Fact<string> {
    return this.answers.get(command) ?? unknown(`${command}: nothing answers`, 'absent');
  }
}
