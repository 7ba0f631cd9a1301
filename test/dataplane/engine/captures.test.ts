/** Captures in and out of the engine: what goes in comes out, byte for byte. */
import { appendFileSync, mkdtempSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { CaptureFile } from '#rxsteer/capture/file.js';
import { pcap } from '../../capture/files.js';
import { expectConservation, expectNoDrops } from '../../support/summary.js';
import { readCapture } from './captures.js';
import { ROOMY, runEngine } from './run-engine.js';

const PACKETS = 6000;
let folder: string;
let input: string;
let packets: string[];

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'rxsteer-captures-'));
  input = join(folder, 'in.pcap');
  const source = `s=memory:source,packets=${PACKETS},flows=61,guests=7,size=imix`;
  await runEngine({ ports: [source, `o=pcap:${input},mode=write`] });
  packets = readCapture(input);
});
afterAll(() => rmSync(folder, { recursive: true }));

/** Packets of each flow (the generator's stamp), in order. */
function byFlow(list: readonly string[]): Map<string, string[]> {
  const flows = new Map<string, string[]>();
  for (const packet of list) {
    const flow = packet.slice(88, 96);
    flows.set(flow, [...(flows.get(flow) ?? []), packet]);
  }
  return flows;
}

describe('captures', () => {
  it('hold what the generator gave', () => {
    expect(packets).toHaveLength(PACKETS);
    expect(new Set(packets).size).toBe(PACKETS);
    expect(byFlow(packets).size).toBe(61);
  });

  it.each(['out.pcap', 'out.pcapng'])('are copied whole and in order by one worker, to %s', async (name) => {
    const output = join(folder, name);
    const { summary } = await runEngine({ ports: [`i=pcap:${input}`, `o=pcap:${output},mode=write`] });
    expectConservation(summary);
    expectNoDrops(summary);
    expect(summary.totals.delivered).toBe(PACKETS);
    expect(readCapture(output)).toEqual(packets);
    if (name.endsWith('.pcap')) expect(statSync(output).size).toBe(statSync(input).size);
  });

  it.each([2, 4])('are copied flow by flow by %i workers that share the writer', async (workers) => {
    const output = join(folder, `out${workers}.pcap`);
    const { summary } = await runEngine({
      ports: [`i=pcap:${input}`, `o=pcap:${output},mode=write`],
      policy: `rps:cpus=0-${workers - 1}`,
      workers,
      more: ROOMY,
    });
    expectConservation(summary);
    // A worker that is descheduled while it holds the writer's lock may cost others their wait.
    expectNoDrops(summary, 'txFull');
    expect(summary.totals.delivered + summary.totals.dropped.txFull).toBe(PACKETS);
    expect(summary.totals.reordered).toBe(0);
    const got = readCapture(output);
    expect(got).toHaveLength(summary.totals.delivered);
    if (summary.totals.dropped.txFull > 0) return;
    expect([...got].sort()).toEqual([...packets].sort());
    const wanted = byFlow(packets);
    for (const [flow, list] of byFlow(got)) expect(list).toEqual(wanted.get(flow));
  });

  it('packets that were captured short are told of, and keep their length on the wire', async () => {
    const short = join(folder, 'short.pcap');
    const records = Array.from({ length: 10 }, (_, i) => ({
      data: Buffer.from(packets[i]!, 'hex').subarray(0, i < 4 ? 48 : undefined),
      original: packets[i]!.length / 2,
    }));
    writeFileSync(short, pcap(records));
    for (const name of ['kept.pcap', 'kept.pcapng']) {
      const output = join(folder, name);
      const { summary, warnings } = await runEngine({
        ports: [`i=pcap:${short}`, `o=pcap:${output},mode=write`],
      });
      expectConservation(summary);
      const missing = records.reduce((sum, { data, original }) => sum + original - data.length, 0);
      expect(warnings).toEqual([
        `${short}: 4 packets were captured short (${missing} bytes are missing): they are sent as short as they are`,
      ]);
      const written = CaptureFile.open(output);
      const batch = written.next()!;
      const lengths = records.map((_, i) => [batch.len[i], batch.original[i]]);
      written.close();
      expect(lengths).toEqual(records.map(({ data, original }) => [data.length, original]));
    }
  });

  it('that are cut off end the run with a warning, and give what is whole', async () => {
    const damaged = join(folder, 'cut.pcap');
    writeFileSync(damaged, '');
    appendFileSync(damaged, await import('node:fs').then((fs) => fs.readFileSync(input)));
    truncateSync(damaged, statSync(input).size - 10);
    const { summary, warnings } = await runEngine({ ports: [`i=pcap:${damaged}`, 'o=memory:sink'] });
    expectConservation(summary);
    expect(summary.totals.delivered).toBe(PACKETS - 1);
    expect(warnings).toHaveLength(1);
    expect(warnings[0]).toMatch(/cut\.pcap/);
  });

  it('a disk that is full costs frames, which are counted, and says so', async () => {
    const { summary, warnings } = await runEngine({
      ports: [`i=pcap:${input}`, 'o=pcap:/dev/full,mode=write'],
    }).catch((error: Error) => ({ summary: null, warnings: [error.message] }));
    expect(warnings.join()).toMatch(/\/dev\/full/);
    if (summary === null) return;
    expectConservation(summary);
    expect(summary.totals.dropped.portDown).toBe(PACKETS);
  });
});
