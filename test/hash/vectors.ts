/** The published and derived verification values, with the name of their source. */
import { readFileSync } from 'node:fs';

export interface HashVector {
  readonly id: string;
  readonly source: string;
  readonly algorithm: 'toeplitz' | 'crc32c' | 'crc32' | 'ixgbe_atr_signature';
  readonly published: boolean;
  readonly key: Uint8Array;
  readonly type: string;
  readonly src?: string;
  readonly dst?: string;
  readonly sport?: number;
  readonly dport?: number;
  readonly input: Uint8Array;
  readonly init: number;
  readonly hash: number;
  readonly input_transform?: 'sym_xor' | 'sym_or_xor' | 'sym_sort';
  readonly table_size?: number;
  readonly queues?: number;
  readonly table_index?: number;
  readonly queue?: number;
  readonly vlan?: number;
  readonly bucket?: number;
  readonly signature?: number;
  readonly note?: string;
}

interface RawVector extends Omit<HashVector, 'source' | 'key' | 'input' | 'init' | 'hash'> {
  readonly source: number;
  readonly key?: number;
  readonly input?: string;
  readonly init?: string;
  readonly hash: string;
}

const file = JSON.parse(readFileSync(new URL('./vectors.json', import.meta.url), 'utf8')) as {
  sources: string[];
  keys: string[];
  vectors: RawVector[];
};

const bytes = (hex: string) => Uint8Array.from(Buffer.from(hex, 'hex'));

export const vectors: readonly HashVector[] = file.vectors.map((raw) => ({
  ...raw,
  source: file.sources[raw.source]!,
  key: bytes(raw.key === undefined ? '' : file.keys[raw.key]!),
  input: bytes(raw.input ?? ''),
  init: Number.parseInt(raw.init ?? '0', 16),
  hash: Number.parseInt(raw.hash, 16),
}));
