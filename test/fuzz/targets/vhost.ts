/**
 * Messages of a vhost-user front-end, byte by byte and with any descriptors.
 *
 * Promises: a message is answered, ignored, or refused with a `ProtocolError` (or what the addon says of its rings), never
 * with a fault of the program; what the addon is told are rings and sizes that a session may name; a reply is as long as
 * its header says; pairs that count as enabled are pairs that were offered.
 */
import type { NativeVhostBackend } from '#rxsteer/addon/native.js';
import {
  Flag,
  HEADER_BYTES,
  ProtocolError,
  Request,
  readHeader,
  replyTo,
  word64,
} from '#rxsteer/dataplane/ports/vhost-user/protocol.js';
import { Session } from '#rxsteer/dataplane/ports/vhost-user/session.js';
import type { FuzzTarget } from '../driver.js';
import { must } from '../promise.js';

const PAIRS = 2;
/** What the addon says no with. */
class Refused extends Error {}

/** A back-end that takes what can be, and refuses some of it as the addon may at any time. */
function backend(says: () => number): NativeVhostBackend {
  const ring = (index: number) => {
    must(Number.isInteger(index) && index >= 0 && index < 2 * PAIRS, `ring ${index} reached the addon`);
    if (says() === 0xff) throw new Refused('a ring that lies outside');
  };
  const words = (array: BigUint64Array, least: number) =>
    must(array.length >= least, `${array.length} words reached the addon`);
  return {
    number: 1,
    event: 3,
    trouble: 4,
    setFeatures: (features) => words(features, 1),
    setMemory: (fds, regions) => words(regions, 4 * fds.length),
    addRegion: (_fd, region) => words(region, 4),
    removeRegion: (region) => words(region, 4),
    setLog: (fd, place) => must(fd >= 0 && place.length === 2, 'a log without descriptor'),
    setSize: (index) => ring(index),
    setBase: (index) => ring(index),
    setAddresses(index, addresses) {
      ring(index);
      words(addresses, 4);
    },
    start(index, kick) {
      must(kick >= -1, 'a kick');
      ring(index);
    },
    setCall(index, call) {
      must(call >= -1, 'a call');
      ring(index);
    },
    enable: (index) => ring(index),
    stop(index) {
      ring(index);
      return 7;
    },
    reset() {},
    broken: () => null,
    close() {},
  };
}

/** A message of an input: how many descriptors come along, then the message. */
function message(request: number, payload: Uint8Array, fds = 0, flags: number = Flag.version): Uint8Array {
  const header = new Uint8Array(Uint32Array.of(request, flags, payload.length).buffer);
  return Uint8Array.from([fds, ...header, ...payload]);
}

const ringWords = (ring: number, value: number) => new Uint8Array(Uint32Array.of(ring, value).buffer);

/** What a front-end says until its rings run. */
function start(): Uint8Array {
  const region = new Uint8Array(40);
  region[0] = 1;
  return Uint8Array.from(
    [
      message(Request.getFeatures, new Uint8Array(0)),
      message(Request.setProtocolFeatures, word64(0b1000_0000_0001_1011)),
      message(Request.setFeatures, word64(1 << 30), 0, Flag.version | Flag.needReply),
      message(Request.setMemoryTable, region, 1),
      message(Request.setRingSize, ringWords(0, 256)),
      message(Request.setRingAddress, new Uint8Array(40)),
      message(Request.setRingKick, word64(0), 1),
      message(Request.setRingEnable, ringWords(0, 1)),
      message(Request.setLogBase, new Uint8Array(16), 1),
      message(Request.getRingBase, ringWords(0, 0)),
    ].flatMap((one) => [...one]),
  );
}

export const vhostMessages: FuzzTarget = {
  name: 'vhost-messages',
  covers: /\/dist\/dataplane\/ports\/vhost-user\//,
  maxBytes: 600,
  seeds: () => [
    start(),
    ...Object.values(Request).map((request) =>
      message(request, new Uint8Array(40), 1, Flag.version | Flag.needReply),
    ),
  ],
  check(input) {
    let at = 0;
    const session = new Session({
      backend: backend(() => input[at - 1] ?? 0),
      pairs: PAIRS,
      offered: ['mtu', 'guestAnnounce', 'logAll', 'multiQueue', 'protocol', 'version1', 'csum'],
    });
    while (input.length - at > HEADER_BYTES) {
      const fds = Array.from({ length: input[at]! % 18 }, (_, k) => 10 + k);
      const rest = Uint8Array.from(input.subarray(at + 1));
      try {
        const { request, flags, length } = readHeader(new DataView(rest.buffer));
        const whole = new Uint8Array(length);
        whole.set(rest.subarray(HEADER_BYTES, HEADER_BYTES + length));
        at += 1 + HEADER_BYTES + length;
        const reply = session.handle({ request, flags, payload: new DataView(whole.buffer), fds });
        if (reply === null) continue;
        const sent = new DataView(replyTo(request, reply).buffer);
        must(sent.getUint32(8, true) === sent.byteLength - HEADER_BYTES, 'a reply of another length');
      } catch (error) {
        if (!(error instanceof ProtocolError || error instanceof Refused)) throw error;
        must(
          error.message !== '' && error.message.length < 200,
          `a refusal of ${error.message.length} bytes`,
        );
        // It ends the connection.
        return;
      } finally {
        must(
          session.receiving.every((pair) => pair >= 0 && pair < PAIRS),
          'pairs that there are not',
        );
        must(Number.isFinite(session.memory), `memory of ${session.memory} bytes`);
      }
    }
  },
};
