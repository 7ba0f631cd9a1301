/** Frames for the tests of the Linux model: byte arrays put together from parts. */

export type Part = readonly number[] | Uint8Array;

export const u16 = (v: number): number[] => [(v >> 8) & 255, v & 255];
export const u32 = (v: number): number[] => [...u16(v >>> 16), ...u16(v & 0xffff)];
export const join = (...parts: Part[]): Uint8Array => Uint8Array.from(parts.flatMap((p) => [...p]));
export const hex = (text: string): Uint8Array =>
  Uint8Array.from(Buffer.from(text.replace(/[\s|:]/g, ''), 'hex'));

const MACS = [2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1];

export const eth = (type: number, payload: Part): Uint8Array => join(MACS, u16(type), payload);

/** `tags` from the outermost: [TPID, TCI]. */
export const tagged = (
  tags: readonly (readonly [number, number])[],
  type: number,
  payload: Part,
): Uint8Array => join(MACS, ...tags.flatMap(([tpid, tci]) => [u16(tpid), u16(tci)]), u16(type), payload);

const v4 = (text: string): number[] => text.split('.').map(Number);

/** With a good header checksum: the kernel's tests want these packets received. */
export function ip4(
  src: string,
  dst: string,
  proto: number,
  payload: Part,
  { frag = 0, ttl = 64, id = 1, options = [] as Part } = {},
): Uint8Array {
  const header = join(
    [0x45 + options.length / 4, 0],
    u16(20 + options.length + payload.length),
    u16(id),
    u16(frag),
    [ttl, proto, 0, 0],
    v4(src),
    v4(dst),
    options,
  );
  let sum = 0;
  for (let i = 0; i < header.length; i += 2) sum += (header[i]! << 8) | header[i + 1]!;
  header.set(u16(~((sum % 0x10000) + Math.floor(sum / 0x10000))), 10);
  return join(header, payload);
}

/** Eight groups, `::` permitted. */
export function v6(text: string): number[] {
  const [left = '', right] = text.split('::');
  const groups = (t: string) => (t === '' ? [] : t.split(':').map((g) => Number.parseInt(g, 16)));
  const l = groups(left);
  const r = right === undefined ? [] : groups(right);
  return [...l, ...new Array<number>(8 - l.length - r.length).fill(0), ...r].flatMap(u16);
}

export const ip6 = (src: string, dst: string, next: number, payload: Part, label = 0): Uint8Array =>
  join(u32(0x60000000 + label), u16(payload.length), [next, 64], v6(src), v6(dst), payload);

export const udp = (sport: number, dport: number, payload: Part = [77, 65, 82, 75]): Uint8Array =>
  join(u16(sport), u16(dport), u16(8 + payload.length), [0, 0], payload);

export const tcp = (sport: number, dport: number, payload: Part = [77, 65, 82, 75]): Uint8Array =>
  join(u16(sport), u16(dport), u32(1), u32(1), [0x50, 0x10, 1, 0, 0, 0, 0, 0], payload);
