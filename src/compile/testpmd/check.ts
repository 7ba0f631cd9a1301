/**
 * Asks a real testpmd: table and key are written into its null port and read back.
 *
 * Promise: no huge pages, no devices (`net_null`), gone when it has answered. The null port keeps a table of 128 entries and a
 * key; flow rules it has none.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { toHex } from '../../hash/hex.js';
import { hashTypeList } from '../../nic/hash-types.js';
import { compilePolicy } from '../../policy/compile.js';
import { parsePolicy } from '../../policy/parse.js';
import { type RssSteering, rssKey } from '../../policy/rss.js';
import { agreement } from '../agreement.js';
import { type Check, type Compiled, type Request, Uncheckable } from '../back-end.js';
import { runTool } from '../run-tool.js';

const TARGET = 'testpmd';
const NULL_ENTRIES = 128;
const ALL = '(0xffffffffffffffff,0xffffffffffffffff)';

/**
 * Table and key in what testpmd shows; the key is empty where it shows none. Its prompt and the echo of commands pass the
 * buffer of its output, and so stand in the middle of lines.
 */
export function parseShown(text: string): { entries: number[]; key: string } {
  const entries: number[] = [];
  const lines = text.replace(/testpmd> [^\n]*\n/g, '');
  for (const [, i, queue] of lines.matchAll(/^RSS RETA configuration: hash index=(\d+), queue=(\d+)/gm)) {
    entries[Number(i)] = Number(queue);
  }
  return { entries, key: (/^RSS key:\s*\n?([0-9A-F]+)/im.exec(lines)?.[1] ?? '').toLowerCase() };
}

/** The check of the target. @throws Uncheckable */
export async function checkTestpmd(
  request: Request,
  { commands }: Compiled,
  packets: number,
): Promise<Check> {
  const { spec } = request;
  if (spec.policy !== 'rss') throw new Uncheckable(TARGET, 'its null port has no flow rules');
  const steering = request.steering as RssSteering;
  if (steering.table.size !== NULL_ENTRIES) {
    throw new Uncheckable(
      TARGET,
      `its null port has a table of ${NULL_ENTRIES} entries, the policy ${steering.table.size}`,
    );
  }
  const script = [
    ...commands.filter((line) => !line.startsWith('#')),
    `show port 0 rss reta ${NULL_ENTRIES} ${ALL}`,
    'show port 0 rss-hash key',
    'quit',
    '',
  ].join('\n');
  const folder = mkdtempSync(join(tmpdir(), 'rxsteer-testpmd-'));
  try {
    const queues = steering.table.queues;
    // Two threads on one CPU: it wants a main core and another.
    const words = ['dpdk-testpmd', '--no-huge', '--no-pci', '-m', '128', '--vdev=net_null0', '--no-shconf'];
    const own = ['--', '-i', `--rxq=${queues}`, `--txq=${queues}`, '--total-num-mbufs=4096'];
    const shown = await runTool(TARGET, [...words, '--lcores', '(0-1)@0', ...own], {
      from: 'dpdk',
      input: script,
      cwd: folder,
    });
    const { entries, key } = parseShown(shown);
    if (entries.length !== NULL_ENTRIES) throw new Uncheckable(TARGET, 'testpmd shows no table');
    const { options } = steering.rssHash;
    const found = {
      policy: 'rss',
      nic: spec.nic,
      seed: spec.seed,
      types: hashTypeList(options.types),
      symmetric: options.symmetric,
      key: key === '' ? toHex(rssKey(spec, steering.profile, options.types)) : key,
      entries,
      queues,
    };
    const back = compilePolicy(parsePolicy(found), { workers: steering.workers });
    const what = key === '' ? 'the table (its null port shows no key)' : 'table and key';
    return agreement(spec, steering, back, packets, `${what}, read back from testpmd`);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
