/**
 * Queues, their NAPI contexts and counters, from the netlink family `netdev`.
 *
 * Promise: three requests ("get", all devices of this network namespace), nothing else. Kernels before 6.8 do not have
 * the family's queues, before 6.10 not its counters, and not every driver fills them in: what is missing is an empty list
 * or an `Unknown`, never a zero.
 *
 * Source: Documentation/netlink/specs/netdev.yaml (Linux 6.18).
 */
import { type Fact, known, unknown } from '../fact.js';
import type { Asker } from './asker.js';
import { genlMessage, NETLINK_GENERIC, NLM_F_DUMP, numberOf, replyAttributes, text, u32 } from './netlink.js';

/** A receive or transmit queue and the NAPI context that serves it. */
export interface NetdevQueue {
  readonly ifindex: number;
  readonly type: 'rx' | 'tx';
  readonly id: number;
  readonly napi: number | null;
}

/** A NAPI context: the interrupt that wakes it, the thread that polls it. */
export interface NetdevNapi {
  readonly ifindex: number;
  readonly id: number;
  readonly irq: number | null;
  /** Of the thread, where NAPI is threaded. */
  readonly pid: number | null;
  readonly deferHardIrqs: number | null;
  readonly groFlushTimeout: number | null;
}

/** Counters of a queue. */
export interface NetdevCounters {
  readonly ifindex: number;
  readonly type: 'rx' | 'tx';
  readonly id: number;
  readonly packets: number | null;
  readonly bytes: number | null;
  readonly allocFail: number | null;
  readonly hwDrops: number | null;
}

/** What the family answered. */
export interface NetdevFacts {
  readonly queues: Fact<NetdevQueue[]>;
  readonly napis: Fact<NetdevNapi[]>;
  readonly counters: Fact<NetdevCounters[]>;
}

const GENL_ID_CTRL = 16;
const CTRL_CMD_GETFAMILY = 3;
const CTRL_ATTR_FAMILY_ID = 1;
const CTRL_ATTR_FAMILY_NAME = 2;

const QUEUE_GET = 10;
const NAPI_GET = 11;
const QSTATS_GET = 12;
const QSTATS_SCOPE = 4;
const SCOPE_QUEUE = 1;

function problem(error: unknown, what: string): ReturnType<typeof unknown> {
  const { code, message } = error as NodeJS.ErrnoException;
  if (code === 'EOPNOTSUPP' || code === 'ENOENT') return unknown(`${what}: this kernel has it not`, 'absent');
  if (code === 'EPERM' || code === 'EACCES') return unknown(`${what}: no right to ask`, 'denied');
  return unknown(`${what}: ${message}`);
}

function familyId(asker: Asker): number | undefined {
  const message = genlMessage(GENL_ID_CTRL, CTRL_CMD_GETFAMILY, 0, [text(CTRL_ATTR_FAMILY_NAME, 'netdev')]);
  const [reply] = asker.netlink(NETLINK_GENERIC, message);
  return reply === undefined ? undefined : numberOf(replyAttributes(reply).get(CTRL_ATTR_FAMILY_ID));
}

/** Asks for everything. */
export function askNetdev(asker: Asker): Fact<NetdevFacts> {
  let family: number | undefined;
  try {
    family = familyId(asker);
  } catch (error) {
    return problem(error, 'netlink family netdev');
  }
  if (family === undefined) return unknown('netlink family netdev: no answer');
  const dump = <T>(
    command: number,
    what: string,
    read: (at: (n: number) => number | undefined) => T | null,
  ): Fact<T[]> => {
    const scope = command === QSTATS_GET ? [u32(QSTATS_SCOPE, SCOPE_QUEUE)] : [];
    try {
      const replies = asker.netlink(NETLINK_GENERIC, genlMessage(family, command, NLM_F_DUMP, scope));
      return replies.flatMap((reply) => {
        const attributes = replyAttributes(reply);
        return read((n) => numberOf(attributes.get(n))) ?? [];
      });
    } catch (error) {
      return problem(error, `netlink ${what}`);
    }
  };
  const typeOf = (n: number | undefined) => (n === 1 ? 'tx' : 'rx');
  return {
    queues: dump(QUEUE_GET, 'queue-get', (at) => {
      const ifindex = at(2);
      return ifindex === undefined
        ? null
        : { ifindex, type: typeOf(at(3)), id: at(1) ?? 0, napi: at(4) ?? null };
    }),
    napis: dump(NAPI_GET, 'napi-get', (at) => {
      const ifindex = at(1);
      if (ifindex === undefined) return null;
      return {
        ifindex,
        id: at(2) ?? 0,
        irq: at(3) ?? null,
        pid: at(4) ?? null,
        deferHardIrqs: at(5) ?? null,
        groFlushTimeout: at(6) ?? null,
      };
    }),
    counters: dump(QSTATS_GET, 'qstats-get', (at) => {
      const ifindex = at(1);
      if (ifindex === undefined) return null;
      const type = typeOf(at(2));
      return {
        ifindex,
        type,
        id: at(3) ?? 0,
        packets: at(type === 'rx' ? 8 : 10) ?? null,
        bytes: at(type === 'rx' ? 9 : 11) ?? null,
        allocFail: at(12) ?? null,
        hwDrops: at(13) ?? null,
      };
    }),
  };
}

/** The interrupt of a queue, by its NAPI context; null where the kernel does not tell. */
export function irqOfQueue(
  facts: Fact<NetdevFacts>,
  ifindex: number,
  type: 'rx' | 'tx',
  id: number,
): number | null {
  if (!known(facts) || !known(facts.queues) || !known(facts.napis)) return null;
  const queue = facts.queues.find((q) => q.ifindex === ifindex && q.type === type && q.id === id);
  if (queue?.napi === undefined || queue.napi === null) return null;
  return facts.napis.find((napi) => napi.id === queue.napi)?.irq ?? null;
}
