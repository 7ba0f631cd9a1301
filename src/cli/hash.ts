/**
 * `rxsteer hash`: one hash value of given bytes, or a batch of them.
 *
 * Promise: `--implementation` decides which code computes it (the byte tables that steering uses, the bitwise
 * definition, or the addon's carry-less multiplication); all are exact. In a batch a bad line yields an error object on its line and the batch goes on.
 */
import { createReadStream, type Stats, statSync } from 'node:fs';
import { createInterface } from 'node:readline';
import type { Command } from 'commander';
import { loadNative, nativeProblem } from '../addon/native.js';
import { UserError } from '../errors.js';
import { crc32, crc32Bitwise, crc32c, crc32cBitwise, xorHash } from '../hash/crc.js';
import { hex32, parseHex } from '../hash/hex.js';
import { KEY_NAMES, parseKey } from '../hash/keys.js';
import { keyBytesFor, Toeplitz, toeplitzBitwise } from '../hash/toeplitz.js';
import { fileFault } from '../text-file.js';
import { print, printJson, printJsonLine } from './output.js';

const FUNCTIONS = ['toeplitz', 'crc32c', 'crc32', 'xor'] as const;
const IMPLEMENTATIONS = ['table', 'bitwise', 'native'] as const;
type HashFunction = (typeof FUNCTIONS)[number];
type Implementation = (typeof IMPLEMENTATIONS)[number];

/** What is asked for, as text; the same fields as options and as a line of a batch. */
export interface HashRequest {
  readonly input?: unknown;
  readonly key?: unknown;
  readonly init?: unknown;
  readonly function?: unknown;
  readonly implementation?: unknown;
}

export interface HashResult {
  readonly value: string;
  readonly implementation: Implementation;
}

/** Inputs beyond this are no packet headers; it bounds the tables (1 KiB a byte). */
const INPUT_BYTES_MAX = 65536;

function choose<const T extends readonly string[]>(value: unknown, names: T, place: string): T[number] {
  if (value === undefined) return names[0]!;
  if (typeof value === 'string' && names.includes(value)) return value;
  throw new UserError(`${place}: "${String(value)}" is not one of ${names.join(', ')}`);
}

function text(value: unknown, place: string): string {
  if (typeof value === 'string') return value;
  throw new UserError(`${place}: hex digits in quotes are expected`);
}

function parseInit(value: unknown, place: string): number {
  const given = text(value, place).replace(/^0x/i, '');
  if (!/^[0-9a-f]{1,8}$/i.test(given)) {
    throw new UserError(`${place}: "${given}" is not a start value of 1 to 8 hex digits`);
  }
  return Number.parseInt(given, 16) | 0;
}

/** Keeps the tables of the last key: batches mostly repeat one. */
class ToeplitzCache {
  #toeplitz: Toeplitz | null = null;
  #name = '';

  hash(key: Uint8Array, input: Uint8Array, init: number): number {
    const name = `${Buffer.from(key).toString('hex')}/${init}`;
    if (this.#toeplitz === null || this.#name !== name || this.#toeplitz.inputBytes < input.length) {
      this.#toeplitz = new Toeplitz(key, input.length, init);
      this.#name = name;
    }
    return this.#toeplitz.hash(input);
  }
}

/** @throws UserError where there is no native code for the function, or none at all. */
function checkNative(name: HashFunction, place: string): void {
  if (name !== 'toeplitz') throw new UserError(`${place}: there is no native ${name}; use table or bitwise`);
  if (loadNative() === null)
    throw new UserError(`${place}: native: ${nativeProblem()}; table and bitwise work without it`, {
      code: 'RXS_NO_ADDON',
    });
}

/** @throws UserError for a key too short, in the words of the other implementations. */
function hashNatively(key: Uint8Array, input: Uint8Array, init: number): number {
  if (input.length > 0 && key.length < keyBytesFor(input.length)) return toeplitzBitwise(key, input, init);
  return loadNative()!.toeplitz(key, input, init);
}

/** Computes one request. `place` turns a field's name into what errors name. @throws UserError */
export function computeHash(
  request: HashRequest,
  place: (field: string) => string,
  cache = new ToeplitzCache(),
): HashResult {
  const name: HashFunction = choose(request.function, FUNCTIONS, place('function'));
  const implementation: Implementation = choose(
    request.implementation,
    IMPLEMENTATIONS,
    place('implementation'),
  );
  if (implementation === 'native') checkNative(name, place('implementation'));
  if (request.input === undefined) throw new UserError(`${place('input')} is missing: hex digits`);
  const input = parseHex(text(request.input, place('input')), place('input'));
  if (input.length > INPUT_BYTES_MAX) {
    throw new UserError(`${place('input')}: ${input.length} bytes; at most ${INPUT_BYTES_MAX} are permitted`);
  }
  if (name !== 'toeplitz' && request.key !== undefined) {
    throw new UserError(`${place('key')}: ${name} has no key; only toeplitz does`);
  }
  const crc = name === 'crc32' || name === 'crc32c';
  const init = request.init === undefined ? (crc ? -1 : 0) : parseInit(request.init, place('init'));
  const bitwise = implementation === 'bitwise';
  let value: number;
  if (name === 'toeplitz') {
    const key = parseKey(text(request.key ?? 'microsoft', place('key')), place('key'));
    if (implementation === 'native') value = hashNatively(key, input, init);
    else value = bitwise ? toeplitzBitwise(key, input, init) : cache.hash(key, input, init);
  } else if (name === 'crc32c') value = bitwise ? crc32cBitwise(input, init) : crc32c(input, init);
  else if (name === 'crc32') value = bitwise ? crc32Bitwise(input, init) : crc32(input, init);
  else value = xorHash(input, init);
  return { value: hex32(value), implementation };
}

/** One line of a batch: never throws for what the line says. */
function computeLine(
  line: string,
  number: number,
  cache: ToeplitzCache,
): { value: string } | { error: string } {
  try {
    let request: unknown;
    try {
      request = JSON.parse(line);
    } catch {
      throw new UserError(`line ${number}: not JSON`);
    }
    if (typeof request !== 'object' || request === null || Array.isArray(request)) {
      throw new UserError(`line ${number}: an object is expected`);
    }
    return { value: computeHash(request, (field) => field, cache).value };
  } catch (error) {
    if (error instanceof UserError) return { error: error.message };
    throw error;
  }
}

async function runBatch(file: string): Promise<void> {
  if (file !== '-') {
    let stats: Stats;
    try {
      stats = statSync(file);
    } catch (error) {
      throw new UserError(`--batch ${file}: ${fileFault(error)}`);
    }
    if (!stats.isFile() && !stats.isFIFO()) {
      throw new UserError(
        `--batch ${file}: ${stats.isDirectory() ? 'a directory' : 'a device'}, not a file of JSON lines`,
      );
    }
  }
  const stream = file === '-' ? process.stdin : createReadStream(file);
  const lines = createInterface({ input: stream, crlfDelay: Number.POSITIVE_INFINITY });
  const cache = new ToeplitzCache();
  let number = 0;
  for await (const line of lines) {
    number++;
    if (line.trim() !== '') printJsonLine(computeLine(line, number, cache));
  }
}

interface Flags {
  readonly input?: string;
  readonly key?: string;
  readonly init?: string;
  readonly function?: string;
  readonly implementation?: string;
  readonly batch?: string;
  readonly json?: boolean;
}

export function register(program: Command): void {
  program
    .command('hash')
    .description('hash bytes as a NIC does')
    .option('--input <hex>', 'bytes to hash')
    .option('--key <hex|name>', `Toeplitz key (default microsoft): hex, or ${KEY_NAMES.join(', ')}`)
    .option('--init <hex>', 'start value (default 0, ffffffff for the CRCs)')
    .option('--function <name>', `${FUNCTIONS.join(', ')} (default toeplitz)`)
    .option('--implementation <name>', `${IMPLEMENTATIONS.join(', ')} (default table)`)
    .option('--batch <file>', 'JSON lines with the same fields, - for standard input; one JSON line each')
    .option('--json', 'print JSON')
    .allowExcessArguments(false)
    .action(async (flags: Flags) => {
      if (flags.batch !== undefined) {
        const other = Object.keys(flags).find((name) => name !== 'batch' && name !== 'json');
        if (other !== undefined)
          throw new UserError(`--${other} does not go with --batch: give it in each line`);
        await runBatch(flags.batch);
        return;
      }
      const result = computeHash(flags, (field) => `--${field}`);
      if (flags.json === true) printJson(result);
      else print(result.value);
    });
}
