/**
 * Interfaces that vanish, go down and come back while frames are being sent to and received from them: every frame
 * is accounted for, what cannot be sent is `portDown`, the rest runs on, and the port is picked up again.
 *
 *   memory source ── forwarder ── p0 (veth or TAP) ── far (in the same namespace)
 */
import { describe, expect, it } from 'vitest';
import { canForward, type RunningForwarder, startForwarder } from '../../support/forwarder.js';
import { type Lab, withLab } from '../../support/lab.js';
import { inSoak, matrix } from '../../support/matrix.js';
import { SLOW } from '../../support/slow.js';
import { expectConservation, type Summary } from '../../support/summary.js';

const RATE = 20_000;
const source = `src=memory:source,rate=${RATE},flows=40,guests=2`;

/** A counter of a link, in frames. */
const count = (lab: Lab, ns: string, link: string, name: string) => lab.statistic(ns, link, name);

/** Awaits that a counter of a link has grown by `more` since now. */
async function grows(lab: Lab, ns: string, link: string, name: string, more = 500): Promise<void> {
  const before = await count(lab, ns, link, name);
  await expect
    .poll(async () => (await count(lab, ns, link, name)) - before, { timeout: 60_000 * SLOW })
    .toBeGreaterThan(more);
}

async function veth(lab: Lab, ns: string): Promise<void> {
  await lab.exec(ns, 'ip', 'link', 'add', 'p0', 'type', 'veth', 'peer', 'name', 'far');
  await lab.up(ns, 'far');
  await lab.up(ns, 'p0');
}

async function forward(lab: Lab, ns: string, ...args: string[]): Promise<RunningForwarder> {
  return await startForwarder(lab, ns, '--workers', '2', '--policy', 'rps:cpus=0-1', ...args);
}

function expectDown(summary: Summary): void {
  expectConservation(summary);
  const { totals } = summary;
  expect(totals.dropped.portDown).toBeGreaterThan(0);
  expect(totals.transmitted).toBeGreaterThan(0);
  expect(totals.reordered).toBe(0);
  const lost = Object.entries(totals.dropped).filter(([, n]) => n > 0);
  // A full transmit ring is possible at the moment of change, a full backlog where a worker gets no CPU for a while;
  // nothing else is.
  for (const [reason] of lost) expect(['portDown', 'txFull', 'backlog']).toContain(reason);
}

describe.skipIf(!canForward())('while frames are sent', () => {
  it.each(matrix([1, 2], [0]))('a veth vanishes and comes back, %i times', async (times) => {
    await withLab(async (lab) => {
      const ns = await lab.namespace();
      await veth(lab, ns);
      const { process, stop } = await forward(lab, ns, '--port', source, '--port', 'out=af_packet:p0');
      await grows(lab, ns, 'far', 'rx_packets');
      for (let time = 1; time <= times; time++) {
        await lab.exec(ns, 'ip', 'link', 'del', 'p0');
        await process.line(new RegExp(`(p0 \\(port out\\) has vanished[^]*){${time}}`));
        await veth(lab, ns);
        await process.line(new RegExp(`(p0 \\(port out\\) is back[^]*){${time}}`));
        await grows(lab, ns, 'far', 'rx_packets');
      }
      const summary = await stop();
      expectDown(summary);
      expect(summary.ports[1]!.tx.errors).toBeGreaterThanOrEqual(summary.totals.dropped.portDown);
    });
  });

  inSoak('a veth is replaced at once by another of the same name', async () => {
    await withLab(async (lab) => {
      const ns = await lab.namespace();
      await veth(lab, ns);
      const { process, stop } = await forward(lab, ns, '--port', source, '--port', 'out=af_packet:p0');
      await grows(lab, ns, 'far', 'rx_packets');
      await lab.exec(
        ns,
        'sh',
        '-c',
        'ip link del p0; ip link add p0 type veth peer name far; ip link set far up; ip link set p0 up',
      );
      await process.line(/is back/);
      await grows(lab, ns, 'far', 'rx_packets');
      expectDown(await stop());
    });
  });

  inSoak('a veth goes down and up', async () => {
    await withLab(async (lab) => {
      const ns = await lab.namespace();
      await veth(lab, ns);
      const { process, stop } = await forward(lab, ns, '--port', source, '--port', 'out=af_packet:p0');
      await grows(lab, ns, 'far', 'rx_packets');
      await lab.down(ns, 'p0');
      await process.line(/p0 \(port out\) is down: frames to it are dropped as portDown/);
      await lab.up(ns, 'p0');
      await process.line(/p0 \(port out\) is up again/);
      await grows(lab, ns, 'far', 'rx_packets');
      expectDown(await stop());
    });
  });

  inSoak(
    'the far end of a veth goes: the port has no carrier, is told so, and frames to it are portDown',
    async () => {
      await withLab(async (lab) => {
        const ns = await lab.namespace();
        await veth(lab, ns);
        const { process, stop } = await forward(lab, ns, '--port', source, '--port', 'out=af_packet:p0');
        await grows(lab, ns, 'far', 'rx_packets');
        await lab.down(ns, 'far');
        await process.line(/p0 \(port out\) has no carrier: frames to it are dropped as portDown/);
        await lab.up(ns, 'far');
        await process.line(/p0 \(port out\) has carrier again/);
        await grows(lab, ns, 'far', 'rx_packets');
        expectDown(await stop());
      });
    },
  );

  it('a TAP that the program made is deleted by someone, made again, and taken up', async () => {
    await withLab(async (lab) => {
      const ns = await lab.namespace();
      const { process, stop } = await forward(lab, ns, '--port', source, '--port', 'out=tap:p0');
      // A TAP's receive counters count what the program writes.
      await grows(lab, ns, 'p0', 'rx_packets');
      await lab.exec(ns, 'ip', 'link', 'del', 'p0');
      await process.line(/p0 \(port out\) has vanished/);
      await lab.exec(ns, 'ip', 'tuntap', 'add', 'dev', 'p0', 'mode', 'tap', 'vnet_hdr');
      await process.line(/p0 \(port out\) is back/);
      await lab.up(ns, 'p0');
      await grows(lab, ns, 'p0', 'rx_packets');
      expectDown(await stop());
      // It was made by someone else the second time, and stays.
      expect(await lab.links(ns)).toContain('p0');
    });
  });

  inSoak('a TAP goes down and up', async () => {
    await withLab(async (lab) => {
      const ns = await lab.namespace();
      const { process, stop } = await forward(lab, ns, '--port', source, '--port', 'out=tap:p0');
      await grows(lab, ns, 'p0', 'rx_packets');
      await lab.down(ns, 'p0');
      await process.line(/p0 \(port out\) is down/);
      await lab.up(ns, 'p0');
      await process.line(/p0 \(port out\) is up again/);
      await grows(lab, ns, 'p0', 'rx_packets');
      expectDown(await stop());
      expect(await lab.links(ns)).not.toContain('p0');
    });
  });
});

describe.skipIf(!canForward())('while frames are received', () => {
  /** The generator: another forwarder, from memory into the far end. */
  const generator = (lab: Lab, ns: string) =>
    startForwarder(lab, ns, '--port', source, '--port', 'out=af_packet:far');

  inSoak('a veth of several queues vanishes and comes back, and the other port runs on', async () => {
    await withLab(async (lab) => {
      const ns = await lab.namespace();
      await veth(lab, ns);
      await lab.exec(ns, 'ip', 'link', 'add', 'q0', 'type', 'veth', 'peer', 'name', 'q1');
      for (const link of ['q0', 'q1']) await lab.up(ns, link);
      const forwarder = await startForwarder(
        lab,
        ns,
        ...['--port', 'in=af_packet:p0,queues=3', '--port', 'other=af_packet:q0', '--workers', '2'],
        ...['--policy', 'rss'],
      );
      const first = await generator(lab, ns);
      await grows(lab, ns, 'q1', 'rx_packets');
      await lab.exec(ns, 'ip', 'link', 'del', 'p0');
      await forwarder.process.line(/p0 \(port in\) has vanished/);
      expectConservation(await first.stop());
      await veth(lab, ns);
      await forwarder.process.line(/p0 \(port in\) is back/);
      const second = await generator(lab, ns);
      await grows(lab, ns, 'q1', 'rx_packets');
      expectConservation(await second.stop());
      const summary = await forwarder.stop();
      expectConservation(summary);
      expect(summary.totals.reordered).toBe(0);
      expect(summary.totals.dropped.workerDied).toBe(0);
      expect(summary.ports[0]!.rx.packets).toBeGreaterThan(1000);
      expect(summary.totals.transmitted).toBeGreaterThan(1000);
    });
  });

  inSoak('a worker dies before its port is back, and finds it then', async () => {
    await withLab(async (lab) => {
      const ns = await lab.namespace();
      await veth(lab, ns);
      const { process, stop } = await forward(
        lab,
        ns,
        ...['--port', source, '--port', 'out=af_packet:p0', '--fault', 'transmit@1:400'],
      );
      await lab.exec(ns, 'ip', 'link', 'del', 'p0');
      await process.line(/has vanished/);
      await process.line(/worker 1 died/);
      await veth(lab, ns);
      await process.line(/is back/);
      await grows(lab, ns, 'far', 'rx_packets');
      const summary = await stop();
      expectConservation(summary);
      expect(summary.totals.dropped.portDown).toBeGreaterThan(0);
      expect(summary.totals.dropped.workerDied).toBeGreaterThan(0);
    });
  });
});
