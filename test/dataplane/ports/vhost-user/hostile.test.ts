/** Guests and front-ends that break every rule: they are sent away, and nobody else notices. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { loadNative } from '#rxsteer/addon/native.js';
import type { Engine } from '#rxsteer/index.js';
import { startForwarder, summarize } from '#rxsteer/index.js';
import { ethernet, ipv4, udp } from '#rxsteer/packet/build.js';
import { matrix } from '../../../support/matrix.js';
import { FrontEnd, noFrontEnd } from '../../../support/vhost-front.js';

const missing = loadNative() === null ? 'no addon' : noFrontEnd();
const GPA = 0x1_0000_0000n;
const [NEXT, WRITE, INDIRECT] = [1, 2, 4];

const frame = (k: number, from: number, to: number) =>
  ethernet(
    { src: `02:00:00:00:00:0${from}`, dst: `02:00:00:00:00:0${to}`, padTo: 60 },
    ipv4({ src: '10.0.0.1', dst: '10.0.0.2' }, udp({ sport: 1000 + k, dport: 80 })),
  );

const u16 = (value: number) => Buffer.from(Uint16Array.of(value).buffer).toString('hex');

/** A descriptor in hexadecimal. */
function descriptor(address: bigint, length: number, flags: number, next = 0): string {
  const bytes = Buffer.alloc(16);
  bytes.writeBigUInt64LE(address & 0xffff_ffff_ffff_ffffn);
  bytes.writeUInt32LE(length, 8);
  bytes.writeUInt16LE(flags, 12);
  bytes.writeUInt16LE(next, 14);
  return bytes.toString('hex');
}

type Poke = [area: 'desc' | 'avail', offset: number, data: string];

/** One chain that begins at descriptor 0 is available. */
const chain = (...descriptors: string[]): Poke[] => [
  ['desc', 0, descriptors.join('')],
  ['avail', 4, u16(0)],
  ['avail', 2, u16(1)],
];

/** What a guest writes into the ring that it sends on. */
const RINGS: Record<string, Poke[]> = {
  'an available index that jumps': [['avail', 2, u16(1000)]],
  'a head that there is not': [
    ['avail', 4, u16(0xffff)],
    ['avail', 2, u16(1)],
  ],
  'a chain that is a circle': chain(descriptor(GPA, 64, NEXT, 0)),
  'a chain that is a longer circle': chain(descriptor(GPA, 64, NEXT, 1), descriptor(GPA, 64, NEXT, 0)),
  'a next descriptor beyond the table': chain(descriptor(GPA, 64, NEXT, 64)),
  'an indirect table of no bytes': chain(descriptor(GPA, 0, INDIRECT)),
  'an indirect table of 15 bytes': chain(descriptor(GPA, 15, INDIRECT)),
  'an indirect table of 4 GiB': chain(descriptor(GPA, 0xffff_fff0, INDIRECT)),
  'an indirect table in a hole': chain(descriptor(0x10n, 48, INDIRECT)),
  'an indirect table that goes on behind itself': chain(descriptor(GPA, 48, INDIRECT | NEXT, 1)),
  'an indirect table that names itself': chain(descriptor(GPA + 0x10000n, 16, INDIRECT)),
  'a buffer in a hole': chain(descriptor(0n, 100, 0)),
  'a buffer that wraps': chain(descriptor(-64n, 128, 0)),
  'a buffer that ends outside': chain(descriptor(GPA, 0xffff_ffff, 0)),
  'a frame of more descriptors than one can have': [
    // Ring 1 lies at 0x10000: the table is at 0x100000.
    [
      'desc',
      0xf0000,
      Array.from({ length: 3000 }, (_, k) => descriptor(GPA, 0, k < 2999 ? NEXT : 0, k + 1)).join(''),
    ],
    ...chain(descriptor(GPA + 0x100000n, 16 * 3000, INDIRECT)),
  ],
  'a buffer that may only be written': chain(descriptor(GPA, 100, WRITE)),
};

/** Messages that cannot be: request, payload, and what else `op_raw` takes. */
const MESSAGES: Record<string, Record<string, unknown>> = {
  'another version': { request: 1, flags: 2 },
  'a ring that there is not': { request: 8, payload: '0a00000040000000' },
  'a ring size of 3': { request: 8, payload: '0000000003000000' },
  'a base while the ring runs': { request: 10, payload: '0000000003000000' },
  'features that were not offered': { request: 2, payload: 'ffffffffffffffff' },
  'protocol features that were not offered': { request: 16, payload: 'ffffffffffffffff' },
  'a payload that is cut short': { request: 2, payload: '00' },
  'a memory table without descriptors': { request: 5, payload: `0100000000000000${'00'.repeat(32)}` },
  'a memory table of more than there is': {
    request: 5,
    payload: `ffffffff00000000${'00'.repeat(32)}`,
    fds: 1,
  },
  'no memory any more': { request: 5, payload: '0000000000000000' },
  'a region of an empty file': { request: 37, payload: `${'00'.repeat(16)}0010${'00'.repeat(22)}`, fds: 1 },
  'a kick that is no eventfd': { request: 12, payload: '0000000000000000', fds: 1 },
  'a call that is no eventfd': { request: 13, payload: '0000000000000000', fds: 1 },
  'descriptors that nobody asked for': { request: 3, fds: 5 },
  'a removed region that there was not': { request: 38, payload: '00'.repeat(40) },
  'ring addresses in a hole': { request: 9, payload: '00'.repeat(40) },
  'an MTU of 1': { request: 20, payload: '0100000000000000' },
};

describe.skipIf(missing !== null)(`hostile guests${missing === null ? '' : `: ${missing}`}`, () => {
  let folder: string;
  let engine: Engine;
  let [b, c] = [] as unknown as [FrontEnd, FrontEnd];
  let guests: FrontEnd[] = [];
  const path = (name: string) => join(folder, `${name}.sock`);

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'rxsteer-vhost-'));
    engine = await startForwarder({
      ports: ['a', 'b', 'c'].map((name) => `${name}=vhost-user:${path(name)}`),
      policy: 'mac',
      workers: 2,
      warn: () => {},
    } as never);
    [b, c] = [new FrontEnd(), new FrontEnd()];
    await b.begin(path('b'));
    await c.begin(path('c'));
    await c.send([frame(0, 3, 2)]);
    await b.receive(1);
  });

  afterAll(async () => {
    for (const one of [b, c]) await one?.end();
    await engine?.stop();
    rmSync(folder, { recursive: true, force: true });
  });

  /** The others get their frames, and the port takes the next guest. */
  afterEach(async () => {
    await b.send([frame(7, 2, 3)]);
    expect((await c.receive(1))[0]!.frame).toBe(Buffer.from(frame(7, 2, 3)).toString('hex'));
    for (const one of guests) await one.end();
    guests = [];
    const next = new FrontEnd();
    await next.begin(path('a'));
    await next.send([frame(8, 1, 3)]);
    expect((await c.receive(1))[0]!.frame).toBe(Buffer.from(frame(8, 1, 3)).toString('hex'));
    await next.end();
    await c.call('drain');
  });

  const port = () => summarize(engine).ports[0]!;
  const refused = () => (port().detail as { refused: number }).refused;
  const guest = (): FrontEnd => {
    const made = new FrontEnd();
    guests.push(made);
    return made;
  };

  it.each(matrix(Object.entries(RINGS), [2, 7]))('%s', async (_, pokes) => {
    const before = refused();
    const a = guest();
    await a.begin(path('a'));
    for (const [area, offset, data] of pokes) await a.call('poke', { ring: 1, area, offset, data });
    await a.call('kick', { ring: 1 });
    await a.call('closed');
    await expect.poll(refused).toBe(before + 1);
  });

  it.each(matrix(Object.entries(MESSAGES), [3, 11]))('%s', async (_, message) => {
    const a = guest();
    await a.begin(path('a'));
    await a.call('raw', { ...message, reply: true });
    await a.call('closed');
  });

  const buffers: [string, Poke[]][] = [
    ['that may only be read', [['desc', 0, descriptor(GPA, 2048, 0)]]],
    ['in a hole', [['desc', 0, descriptor(0n, 2048, WRITE)]]],
    ['without room', [['desc', 0, descriptor(GPA, 0, WRITE)]]],
    ['that are as many as no ring has', [['avail', 2, u16(5000)]]],
  ];
  it.each(matrix(buffers, [3]))('buffers to receive into %s', async (_, pokes) => {
    const a = guest();
    await a.call('connect', { path: path('a') });
    await a.call('start');
    const one: Poke[] = [
      ['avail', 4, u16(0)],
      ['avail', 2, u16(1)],
    ];
    for (const [area, offset, data] of [...one, ...pokes])
      await a.call('poke', { ring: 0, area, offset, data });
    // An unknown address: flooded, to a as well.
    await b.send([frame(1, 2, 9)]);
    await a.call('closed');
    await c.receive(1);
  });

  it('frames that are none are dropped, and the guest stays', async () => {
    const before = summarize(engine).totals.dropped;
    const a = guest();
    await a.begin(path('a'));
    await a.send([Buffer.alloc(1), Buffer.alloc(13), Buffer.alloc(90_000)]);
    await a.call('sent', { count: 3 });
    const dropped = () => summarize(engine).totals.dropped;
    await expect.poll(() => dropped().malformed - before.malformed).toBe(2);
    await expect.poll(() => dropped().tooLong - before.tooLong).toBe(1);
    // A checksum outside the frame, a super-frame of segments without length.
    const headers = ['0100000000000000ff00', '00010000000000000000'];
    for (const header of headers) await a.send([frame(1, 1, 3)], { header });
    await expect.poll(() => summarize(engine).totals.dropped.malformed - before.malformed).toBe(4);
    await a.send([frame(2, 1, 3)]);
    expect((await c.receive(1))[0]!.frame).toBe(Buffer.from(frame(2, 1, 3)).toString('hex'));
  });

  it('memory that is cut short under its rings', async () => {
    const a = guest();
    await a.begin(path('a'));
    await a.call('truncate', { bytes: 4096 });
    await b.send([frame(1, 2, 9)]);
    await a.call('closed');
    await c.receive(1);
  });

  it('a message that never ends keeps nobody waiting, nor one that is not known', async () => {
    const a = guest();
    await a.begin(path('a'));
    expect(await a.call('raw', { request: 99, flags: 9, reply: true })).toEqual({
      reply: '0100000000000000',
    });
    await a.call('bytes', { data: '0100' });
  });
});
