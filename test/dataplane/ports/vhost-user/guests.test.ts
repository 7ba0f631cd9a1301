/** Guests behind vhost-user ports, as they see it: what they send arrives, whole and once, whatever they agreed on. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { loadNative } from '#rxsteer/addon/native.js';
import type { Engine } from '#rxsteer/index.js';
import { startForwarder, summarize } from '#rxsteer/index.js';
import { ethernet, ipv4, tcp, udp } from '#rxsteer/packet/build.js';
import { inSoak, matrix } from '../../../support/matrix.js';
import { FrontEnd, type GuestFrame, noFrontEnd } from '../../../support/vhost-front.js';

const missing = loadNative() === null ? 'no addon' : noFrontEnd();
const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString('hex');
const GUEST = (n: number) => `02:00:00:00:00:0${n}`;

/** A frame of so many bytes of flow k, from the guest behind a to the one behind b. */
function frame(k: number, bytes = 60): Uint8Array {
  const packet = ipv4(
    { src: '10.0.0.1', dst: '10.0.0.2' },
    udp({ sport: 1000 + k, dport: 80 }, Buffer.alloc(bytes - 42, k)),
  );
  return ethernet({ src: GUEST(1), dst: GUEST(2), padTo: 60 }, packet);
}

/** The header of virtio-net in front of a frame: flags, type, and what follows. */
function vnet(flags: number, type: number, fields: readonly [number, number, number, number]): string {
  const bytes = Buffer.alloc(10);
  bytes[0] = flags;
  bytes[1] = type;
  fields.forEach((value, i) => {
    bytes.writeUInt16LE(value, 2 + 2 * i);
  });
  return bytes.toString('hex');
}

const FEATURE = {
  csum: 1,
  guestCsum: 2,
  guestTso4: 1 << 7,
  mergeable: 1 << 15,
  indirect: 1 << 28,
  eventIdx: 1 << 29,
};

describe.skipIf(missing !== null)(
  `guests behind vhost-user ports${missing === null ? '' : `: ${missing}`}`,
  () => {
    let folder: string;
    let engine: Engine;
    let fronts: FrontEnd[];
    const path = (name: string) => join(folder, `${name}.sock`);
    const front = (): FrontEnd => {
      const made = new FrontEnd();
      fronts.push(made);
      return made;
    };

    beforeEach(() => {
      folder = mkdtempSync(join(tmpdir(), 'rxsteer-vhost-'));
      fronts = [];
    });

    afterEach(async () => {
      for (const one of fronts) await one.end();
      await engine?.stop();
      rmSync(folder, { recursive: true, force: true });
    });

    async function start(options = '', policy = 'mac', workers = 2): Promise<void> {
      engine = await startForwarder({
        ports: ['a', 'b'].map((name) => `${name}=vhost-user:${path(name)}${options}`),
        policy,
        workers,
        warn: () => {},
      } as never);
    }

    /** Two guests, the first of which drops features, and the second. */
    async function pair(first = {}, second = {}): Promise<[FrontEnd, FrontEnd]> {
      const [a, b] = [front(), front()];
      await a.begin(path('a'), first);
      await b.begin(path('b'), second);
      return [a, b];
    }

    const detail = (name: string) => {
      const port = summarize(engine).ports.find((one) => one.name === name)!;
      return port.detail as {
        connected: boolean;
        enabled: readonly number[];
        connections: number;
        refused: number;
      };
    };

    const pairs: [string, object, object][] = [
      ['as they are', {}, {}],
      ['without event indices', { drop: FEATURE.eventIdx }, { drop: FEATURE.eventIdx }],
      ['in rings that are about to wrap', { base: 65_530 }, { base: 65_500 }],
      ['in small rings', { size: 16 }, { size: 16 }],
    ];
    it.each(matrix(pairs, [2, 3]))('get each frame once, in order, %s', async (_, first, second) => {
      await start();
      const [a, b] = await pair(first, second);
      const sent: string[] = [];
      const got: GuestFrame[] = [];
      for (let round = 0; round < 8; round++) {
        const frames = Array.from({ length: 6 }, (_x, k) => frame(round, 60 + 20 * k));
        await a.send(frames, { split: round % 2 === 0, indirect: round % 4 === 1 && !('size' in first) });
        sent.push(...frames.map(hex));
        got.push(...(await b.receive(frames.length)));
        // Every buffer comes back.
        await a.call('sent', { count: sent.length });
      }
      expect(got.map((one) => one.frame)).toEqual(sent);
      // A guest may have a frame before it is counted.
      await expect
        .poll(() => summarize(engine).totals)
        .toMatchObject({ received: 48, transmitted: 48, reordered: 0 });
    });

    it('take a long frame in several buffers where these may be merged, else none', async () => {
      await start();
      const [a, b] = await pair();
      await a.send([frame(1, 9000)]);
      const [whole] = await b.receive(1);
      expect(whole!.frame).toBe(hex(frame(1, 9000)));
      expect(whole!.buffers).toEqual([2048, 2048, 2048, 2048, 12 + 9000 - 4 * 2048]);
      expect(whole!.header.slice(20)).toBe('0500');
      await b.call('close');
      await expect.poll(() => detail('b').connected).toBe(false);
      const c = front();
      await c.begin(path('b'), { drop: FEATURE.mergeable });
      await a.send([frame(2, 9000), frame(3, 1000)]);
      expect((await c.receive(1))[0]!.frame).toBe(hex(frame(3, 1000)));
      await expect.poll(() => summarize(engine).totals.dropped.tooLong).toBe(1);
    });

    it('get super-frames as they are, or what they take of them', async () => {
      await start();
      const [a, b] = await pair();
      const payload = Buffer.alloc(6000, 7);
      const packet = tcp({ sport: 1, dport: 2, checksum: 'partial' }, payload);
      const whole = ethernet(
        { src: GUEST(1), dst: GUEST(2) },
        ipv4({ src: '10.0.0.1', dst: '10.0.0.2' }, packet),
      );
      const header = vnet(1, 1, [54, 1448, 34, 16]);
      await a.send([whole], { header });
      const [got] = await b.receive(1);
      expect(got!.frame).toBe(hex(whole));
      expect(got!.header.slice(0, 20)).toBe(header);
      await b.call('close');
      await expect.poll(() => detail('b').connected).toBe(false);
      const c = front();
      await c.begin(path('b'), { drop: FEATURE.guestCsum | FEATURE.guestTso4 });
      await a.send([whole], { header });
      const segments = await c.receive(5);
      expect(segments.map((one) => one.frame.length / 2 - 54)).toEqual([1448, 1448, 1448, 1448, 208]);
      for (const { header: none, frame: text } of segments) {
        expect(none.slice(0, 20)).toBe('00'.repeat(10));
        expect(tcpSumIsRight(Buffer.from(text, 'hex'))).toBe(true);
      }
      // A partial checksum alone is completed, and left as it was for whoever else gets the frame.
      const small = ethernet(
        { src: GUEST(1), dst: GUEST(2) },
        ipv4({ src: '10.0.0.1', dst: '10.0.0.2' }, tcp({ sport: 1, dport: 2, checksum: 'partial' }, 'hello')),
      );
      await a.send([small], { header: vnet(1, 0, [0, 0, 34, 16]) });
      const [finished] = await c.receive(1);
      expect(tcpSumIsRight(Buffer.from(finished!.frame, 'hex'))).toBe(true);
      expect(finished!.header.slice(0, 20)).toBe('00'.repeat(10));
    });

    it('with several rings get a flow in one of those that they have enabled, whatever worker sends', async () => {
      await start(',queues=3', 'rss:queues=2');
      const [a, b] = await pair({ pairs: 3 }, { pairs: 3, enabled: [0, 2] });
      await expect.poll(() => detail('b').enabled).toEqual([0, 2]);
      const flows = 24;
      for (let k = 0; k < flows; k++) await a.send([frame(k), frame(k)], { pair: k % 3 });
      await expect.poll(() => summarize(engine).totals.transmitted).toBe(2 * flows);
      const rings = await Promise.all(
        [0, 1, 2].map(async (q) => (await b.call<{ frames: GuestFrame[] }>('drain', { pair: q })).frames),
      );
      const of = rings.map((frames) => frames.map((one) => Number.parseInt(one.frame.slice(68, 72), 16)));
      expect(of[1]).toEqual([]);
      expect([...of[0]!, ...of[2]!].sort()).toEqual(
        Array.from({ length: flows }, (_, k) => [1000 + k, 1000 + k]).flat(),
      );
      expect(new Set(of[0]).size + new Set(of[2]).size).toBe(flows);
      expect(new Set(of[0]).size).toBeGreaterThan(0);
      expect(new Set(of[2]).size).toBeGreaterThan(0);
      // A ring that it sends on and has disabled is emptied, and counted.
      await a.call('enable', { ring: 3, on: 0 });
      const before = (await a.call<{ used: number }>('sent', { pair: 1, count: 0 })).used;
      await a.send([frame(1)], { pair: 1 });
      await a.call('kick', { ring: 3 });
      await a.call('sent', { pair: 1, count: before + 1 });
      await engine.stop();
      expect(summarize(engine).ports[0]!.rx.kernelDrops).toBe(1);
    });

    inSoak('come and go; until one is there frames are dropped as portDown', async () => {
      await start();
      const a = front();
      await a.begin(path('a'));
      await a.send([frame(1)]);
      await expect.poll(() => summarize(engine).totals.dropped.portDown).toBe(1);
      for (let n = 1; n <= 5; n++) {
        const b = front();
        await b.begin(path('b'));
        await a.send([frame(n)]);
        expect((await b.receive(1))[0]!.frame).toBe(hex(frame(n)));
        if (n % 2 === 0) await b.call('close');
        await b.end();
        await expect.poll(() => detail('b').connected).toBe(false);
      }
      expect(detail('b')).toMatchObject({ connections: 5, refused: 0 });
    });

    it('find a port that connects to them', async () => {
      const b = front();
      const listening = b.call('listen', { path: path('b') });
      engine = await startForwarder({
        ports: [`a=vhost-user:${path('a')}`, `b=vhost-user:${path('b')},mode=client`],
        policy: 'mac',
        workers: 1,
        warn: () => {},
      } as never);
      await listening;
      await b.start();
      const a = front();
      await a.begin(path('a'));
      await a.send([frame(4)]);
      expect((await b.receive(1))[0]!.frame).toBe(hex(frame(4)));
    });
  },
);

/** Whether the checksum of a TCP segment in a plain IPv4 frame is what its bytes say. */
function tcpSumIsRight(bytes: Buffer): boolean {
  let sum = 6 + bytes.readUInt16BE(16) - 20;
  for (let at = 26; at < 34; at += 2) sum += bytes.readUInt16BE(at);
  for (let at = 34; at < 14 + bytes.readUInt16BE(16); at += 2)
    sum += at + 1 < bytes.length ? bytes.readUInt16BE(at) : bytes[at]! << 8;
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >> 16);
  return sum === 0xffff;
}
