/**
 * What the kernel answers to the doctor: netlink messages, and structures of ethtool, however long and whatever is in them.
 *
 * Promises: nothing throws; what is told has the shape that a collection of it must have (`source/collected`), or a reason
 * of one line; no byte outside a reply has any say.
 */
import { askEthtool, askStatistics } from '#rxsteer/host/ask/ethtool-ioctl.js';
import { askNetdev } from '#rxsteer/host/ask/netdev.js';
import { attributesOf, genlMessage, replyAttributes, text, u32 } from '#rxsteer/host/ask/netlink.js';
import { collectedEthtool, collectedNetdev, collectedStatistics } from '#rxsteer/host/source/collected.js';
import type { FuzzTarget } from '../driver.js';
import { must } from '../promise.js';

/** More questions than one device can be worth. */
const QUESTIONS_MAX = 300_000;
/** A byte before and behind each reply. */
const EDGES = [0, 0xff] as const;

/** Bytes with others around them. */
function framed(bytes: Uint8Array, edge: number): Uint8Array {
  const whole = new Uint8Array(bytes.length + 128).fill(edge);
  whole.set(bytes, 64);
  return whole.subarray(64, 64 + bytes.length);
}

/** Reasons are one line each, and none says that the doctor would not take its own words. */
function reasonable(facts: unknown): void {
  const walk = (value: unknown): void => {
    if (typeof value !== 'object' || value === null) return;
    if ('unknown' in value && typeof value.unknown === 'string') {
      must(
        value.unknown !== '' && !value.unknown.includes('\n'),
        `a reason: ${JSON.stringify(value.unknown)}`,
      );
      must(!value.unknown.includes('not what the doctor writes'), value.unknown);
    }
    Object.values(value).forEach(walk);
  };
  walk(facts);
}

/** The same whatever lies around the replies. */
function alike<T extends object>(run: (edge: number) => T, collected: (value: object) => object): void {
  const [one, other] = EDGES.map((edge) => JSON.stringify(run(edge))) as [string, string];
  must(one === other, `bytes outside of a reply count: ${one} ${other}`);
  const facts = JSON.parse(one) as object;
  reasonable(facts);
  if (!('unknown' in facts)) reasonable(collected(facts));
}

/** Replies of one call each, behind each other: a byte with the length, the bytes; a length of 0 ends a call's replies. */
function* calls(input: Uint8Array): Generator<Uint8Array[]> {
  let replies: Uint8Array[] = [];
  for (let at = 0; at < input.length; ) {
    const length = input[at++]!;
    if (length === 0) {
      yield replies;
      replies = [];
    } else {
      replies.push(input.subarray(at, at + length));
      at += length;
    }
  }
  yield replies;
}

const call = (...replies: Uint8Array[]) =>
  Buffer.concat([...replies.map((reply) => Buffer.concat([Buffer.of(reply.length), reply])), Buffer.of(0)]);
const reply = (...attributes: [type: number, value: number][]) =>
  genlMessage(
    20,
    1,
    0,
    attributes.map(([type, value]) => u32(type, value)),
  );

export const netlinkReplies: FuzzTarget = {
  name: 'netlink',
  covers: /\/dist\/host\/ask\/net/,
  maxBytes: 700,
  seeds: () => [
    Buffer.concat([
      call(genlMessage(16, 1, 0, [text(2, 'netdev'), { type: 1, bytes: Buffer.from([20, 0]) }])),
      call(reply([1, 0], [2, 3], [3, 0], [4, 77]), reply([1, 1], [2, 3], [3, 1])),
      call(reply([1, 3], [2, 77], [3, 40], [4, 900], [5, 1], [6, 20_000])),
      call(
        genlMessage(20, 12, 0, [
          ...[u32(1, 3), u32(2, 0), u32(3, 1)],
          { type: 8, bytes: Buffer.from('0807060504030201', 'hex') },
          { type: 12, bytes: Buffer.from('01000000', 'hex') },
        ]),
      ),
    ]),
    call(reply([1, 20])),
    Buffer.of(0),
  ],
  check(input) {
    alike(
      (edge) => {
        const answers = calls(input);
        return askNetdev({
          netlink: () => ((answers.next().value ?? []) as Uint8Array[]).map((one) => framed(one, edge)),
          ethtool: () => new Uint8Array(0),
        });
      },
      (facts) => collectedNetdev(facts, 'x'),
    );
    // Attributes lie within their message.
    const lengths = [...replyAttributes(input).values(), ...attributesOf(input).values()].map(
      (b) => b.length,
    );
    must(Math.max(0, ...lengths) <= input.length, 'an attribute longer than its message');
  },
};

const ERRORS = ['EOPNOTSUPP', 'EPERM', 'ENODEV', 'EINVAL'] as const;

/** What an input makes of each structure that is sent: its first byte says how. */
const How = { refused: 0, whole: 4, cut: 5 } as const;

/** Answers as an input has them: refusals, structures with bytes written over them, or cut short. */
function answering(input: Uint8Array, edge: number) {
  let at = 0;
  let questions = 0;
  const next = () => input[at++] ?? 0;
  return (_: string, command: Uint8Array): Uint8Array => {
    must(++questions <= QUESTIONS_MAX, 'it never stops asking');
    const how = next() % 6;
    if (how < How.whole || at > input.length) {
      throw Object.assign(new Error('refused'), { code: ERRORS[at > input.length ? 0 : how] });
    }
    const [offset, length] = [4 * next(), next()];
    if (how === How.cut) return framed(command.subarray(0, offset), edge);
    const answer = framed(command, edge);
    const room = Math.max(0, answer.length - offset);
    const written = input.subarray(at, at + Math.min(length, room));
    at += length;
    if (room > 0) answer.set(written, offset);
    return answer;
  };
}

const write = (at: number, ...words: number[]) => {
  const bytes = Buffer.alloc(3 + 4 * words.length);
  bytes.set([How.whole, at / 4, 4 * words.length]);
  for (const [i, value] of words.entries()) bytes.writeUInt32LE(value >>> 0, 3 + 4 * i);
  return bytes;
};
const name = (at: number, value: string) => {
  const words = Buffer.alloc(32);
  words.write(value);
  return Buffer.concat([Buffer.of(How.whole, at / 4, 32), words]);
};
const REFUSED = Buffer.of(How.refused);

export const ethtoolReplies: FuzzTarget = {
  name: 'ethtool-replies',
  covers: /\/dist\/host\/ask\/ethtool/,
  maxBytes: 900,
  seeds: () => [
    // The whole of a device, in the order in which it is asked.
    Buffer.concat([
      ...[name(4, 'ixgbe'), write(4, 8, 8, 0, 16, 4, 4, 0, 4), write(4, 4096, 0, 0, 0, 512)],
      ...[
        write(4, 10, 20, 0, 0, 0, 0, 0, 0, 0, 1),
        write(8, 16, 0, 1),
        name(12, 'rx-hashing'),
        write(8, 3, 3, 3, 0),
      ],
      ...[
        write(8, 4, 40),
        write(8, 4, 40, 0, 0, 0, 1, 0, 1),
        write(8, 0x30),
        write(8, 0xf0),
        REFUSED,
        write(8, 0x30),
      ],
      ...[write(184, 1), write(184, 1, 7), write(168, 3, 0)],
    ]),
    // A rule of a context, the context's table behind it.
    Buffer.concat([
      ...Array.from({ length: 13 }, () => REFUSED),
      ...[
        write(184, 1),
        write(184, 1, 7),
        Buffer.concat([write(16, 0x2000_0006)]),
        write(8, 4, 0),
        write(8, 4, 0),
      ],
    ]),
    // Statistics of two names.
    Buffer.concat([write(8, 2, 0, 2), name(12, 'rx_packets'), write(4, 2, 5, 0, 6, 0)]),
    Buffer.of(How.cut, 2, 0, How.cut, 0, 0),
  ],
  check(input) {
    const asker = (edge: number) => ({ netlink: () => [], ethtool: answering(input, edge) });
    alike(
      (edge) => askEthtool(asker(edge), 'eth0'),
      (facts) => collectedEthtool(facts, 'x'),
    );
    alike(
      (edge) => askStatistics(asker(edge), 'eth0'),
      (facts) => collectedStatistics(facts, 'x') as object,
    );
  },
};
