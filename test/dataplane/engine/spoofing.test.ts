/** A port that names its addresses: what others receive of a guest that lies, read from their captures. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { CaptureWriter } from '#rxsteer/capture/writer.js';
import { MoveWatch } from '#rxsteer/dataplane/engine/move-watch.js';
import { MacControl } from '#rxsteer/forward/mac-control.js';
import { createMacTable, Header } from '#rxsteer/forward/mac-layout.js';
import { MacTable } from '#rxsteer/forward/mac-table.js';
import { arp, ethernet, ipv4, udp } from '#rxsteer/packet/build.js';
import { expectConservation } from '../../support/summary.js';
import { readCapture } from './captures.js';
import { runEngine } from './run-engine.js';

const directory = mkdtempSync(join(tmpdir(), `rxsteer-spoofing-${process.pid}-`));
afterAll(() => rmSync(directory, { recursive: true, force: true }));

const OWN = '52:54:00:00:00:05';
const VICTIM = '52:54:00:00:00:06';
const hex = (frames: readonly Uint8Array[]) => frames.map((frame) => Buffer.from(frame).toString('hex'));

function capture(name: string, frames: readonly Uint8Array[]): string {
  const path = join(directory, name);
  const writer = CaptureWriter.create(path);
  for (const frame of frames) writer.write(frame, 0, frame.length, frame.length, 1, 0);
  writer.close();
  return path;
}

const data = (n: number, src: string, ip: string, dst = VICTIM) =>
  ethernet(
    { src, dst, vlans: n % 3 === 0 ? [7] : [], padTo: 60 },
    ipv4({ src: ip, dst: '10.0.0.6' }, udp({ sport: n, dport: 9 }, 20 + (n % 50))),
  );
const truth = (n: number) => data(n, OWN, '10.0.0.5');
const lie = (n: number) =>
  [
    data(n, VICTIM, '10.0.0.5', 'ff:ff:ff:ff:ff:ff'),
    data(n, OWN, '10.0.0.6'),
    ethernet(
      { src: VICTIM, dst: 'ff:ff:ff:ff:ff:ff', padTo: 60 },
      arp({ operation: 1, senderMac: VICTIM, senderIp: '10.0.0.6', targetIp: '10.0.0.6' }),
    ),
  ][n % 3]!;
/** Runs of truths and lies of all lengths, whole bursts of each too. */
const isLie = (n: number) => (n < 200 ? n % 2 === 0 : n < 400 ? n % 7 !== 0 : n < 600 || n % 5 === 0);
const frames = Array.from({ length: 1000 }, (_, n) => (isLie(n) ? lie(n) : truth(n)));
const truths = frames.filter((_, n) => !isLie(n));
const input = capture('in.pcap', frames);

describe('a port with mac= and ip=', () => {
  it.each([
    ['rss', 1],
    ['rss', 2],
    ['rps:cpus=0-1,stage=nic', 2],
    ['mac:assign=follow-cpu', 2],
  ])('%s with %i workers: others get what is true, in order, and nothing else', async (policy, workers) => {
    const outs = ['b', 'c'].map((name) => join(directory, `${name}-${policy.slice(0, 3)}${workers}.pcap`));
    const { summary } = await runEngine({
      ports: [
        `a=pcap:${input},mac=${OWN},ip=10.0.0.5`,
        ...outs.map((path, n) => `${'bc'[n]}=pcap:${path},mode=write`),
      ],
      policy,
      workers,
      more: { smallFrames: 1 << 14, backlog: 1 << 12 },
    });
    expectConservation(summary);
    // Also those to the victim, whose address nobody has learned at the liar's port: they are flooded.
    for (const path of outs) expect(readCapture(path).sort()).toEqual(hex(truths).sort());
    expect(summary.totals.reordered).toBe(0);
    expect(summary.totals.dropped.filtered).toBe(frames.length - truths.length);
    expect(summary.ports[0]!.rx).toMatchObject({ packets: 1000, spoofed: frames.length - truths.length });
    expect(summary.totals.macMoves).toBe(0);
  });

  it('with lies only, or truths only', async () => {
    for (const [name, list] of [
      ['lies', frames.filter((_, n) => isLie(n))],
      ['truths', truths],
    ] as const) {
      const out = join(directory, `${name}-out.pcap`);
      const { summary } = await runEngine({
        ports: [`a=pcap:${capture(`${name}.pcap`, list)},mac=${OWN},ip=10.0.0.5`, `b=pcap:${out},mode=write`],
      });
      expectConservation(summary);
      expect(readCapture(out)).toEqual(name === 'truths' ? hex(list) : []);
      expect(summary.ports[0]!.rx.spoofed).toBe(name === 'truths' ? 0 : list.length);
    }
  });

  it('a generator is held to them too', async () => {
    const source = 'memory:source,packets=300,flows=5';
    const { summary } = await runEngine({ ports: [`a=${source},mac=${OWN}`, 'b=memory:sink'] });
    expect(summary.totals).toMatchObject({ received: 300, delivered: 0 });
    expect(summary.ports[0]!.rx.spoofed).toBe(300);
  });
});

describe('an address that goes from port to port', () => {
  it('is told with both ports, once a minute, and never waits for the table', () => {
    const memory = createMacTable({ capacity: 64, ports: 4, users: 2 });
    const table = new MacTable(memory, 0);
    const control = new MacControl(memory, 1);
    const warnings: string[] = [];
    const watch = new MoveWatch(
      control,
      (port) => `p${port}`,
      (message) => warnings.push(message),
    );
    const seen = (port: number) => table.learn(5, 0x5254, 6, port, 1);
    seen(1);
    watch.look(0);
    expect([watch.moves, warnings]).toEqual([0, []]);
    seen(2);
    const words = new Int32Array(memory);
    words[Header.lock] = 1;
    watch.look(100);
    expect(warnings).toEqual([]);
    words[Header.lock] = 0;
    watch.look(200);
    expect(warnings).toEqual([
      expect.stringMatching(
        /^address 52:54:00:00:00:06 \(VLAN 5\) went from port p1 to port p2: a machine that/,
      ),
    ]);
    for (let n = 0; n < 10; n++) seen(1 + (n % 2));
    watch.look(60_100);
    expect([watch.moves, warnings.length]).toEqual([11, 1]);
    watch.look(60_300);
    expect(warnings[1]).toContain('went from port p1 to port p2, and 9 moves before that:');
    watch.look(200_000);
    expect(warnings.length).toBe(2);
  });
});
