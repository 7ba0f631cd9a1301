import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { inSoak } from '../support/matrix.js';
import { installed, Lab, privileged, sweepLeftovers, withLab } from './lab.js';
import { expectConservation, type Summary } from './summary.js';
import { generate, iperf, ping, startSink, vlan } from './traffic.js';

const namespaces = () => readdirSync('/run/netns');

describe.skipIf(!privileged())('lab', () => {
  inSoak(
    'makes links between namespaces that answer, with IPv4, IPv6 and a VLAN, and leaves nothing behind',
    async () => {
      let names: string[] = [];
      await withLab(async (lab) => {
        const [a, b] = [await lab.namespace({ ipv6: true }), await lab.namespace({ ipv6: true })];
        names = [a, b];
        await lab.veth(a, 'a0', b, 'b0');
        await lab.address(a, 'a0', '10.0.0.1/24');
        await lab.address(b, 'b0', '10.0.0.2/24');
        await lab.address(a, 'a0', 'fd00::1/64');
        await lab.address(b, 'b0', 'fd00::2/64');
        await vlan(lab, a, 'a0', 'a0.7', 7);
        await vlan(lab, b, 'b0', 'b0.7', 7);
        await lab.address(a, 'a0.7', '10.0.7.1/24');
        await lab.address(b, 'b0.7', '10.0.7.2/24');
        for (const target of ['10.0.0.2', 'fd00::2', '10.0.7.2'])
          expect(await ping(lab, a, target, { count: 1 })).toEqual({ sent: 1, received: 1, duplicates: 0 });
        expect((await ping(lab, a, '10.0.0.9', { count: 1, interval: 0.2 })).received).toBe(0);
        if (installed('iperf3'))
          expect((await iperf(lab, a, b, '10.0.7.2', { bytes: '20M' })).bytes).toBeGreaterThan(10e6);
      });
      expect(namespaces()).not.toEqual(expect.arrayContaining([names[0]]));
      expect(namespaces()).not.toEqual(expect.arrayContaining([names[1]]));
    },
  );

  it('sends nothing of its own where IPv6 is off', async () => {
    await withLab(async (lab) => {
      const [a, b] = [await lab.namespace(), await lab.namespace()];
      await lab.veth(a, 'a0', b, 'b0');
      const sink = await startSink(lab, b, { interface: 'b0', duration: 0.3 });
      expect(await sink.finish()).toMatchObject({ packets: 0 });
    });
  });

  it('cleans up when the body fails, processes included', async () => {
    let ns = '';
    let pid = 0;
    await expect(
      withLab(async (lab) => {
        ns = await lab.namespace();
        pid = lab.start(ns, 'sleep', '1000').pid;
        throw new Error('body');
      }),
    ).rejects.toThrow('body');
    expect(namespaces()).not.toContain(ns);
    expect(() => process.kill(pid, 0)).toThrow();
  });

  it('sweeps what a killed test process left, and nothing of a live one', async () => {
    // A process that makes a namespace as a lab of its own would, and is killed.
    const script = `ip netns add rxt-$$-0 && ip netns exec rxt-$$-0 sleep 1000 & echo $$; wait`;
    const child = spawn('sh', ['-c', script], { stdio: ['ignore', 'pipe', 'ignore'] });
    const [line] = (await once(child.stdout, 'data')) as [Buffer];
    const left = `rxt-${Number(line)}-0`;
    await expect
      .poll(() => spawnSync('ip', ['netns', 'pids', left], { encoding: 'utf8' }).stdout)
      .toMatch(/\d/);
    const lab = new Lab();
    try {
      const mine = await lab.namespace();
      expect(sweepLeftovers()).not.toContain(left);
      child.kill('SIGKILL');
      await once(child, 'exit');
      // Another test file's lab may be quicker than this one: gone is what counts.
      sweepLeftovers();
      expect(namespaces()).not.toContain(left);
      expect(namespaces()).toContain(mine);
    } finally {
      await lab.close();
    }
  });
});

describe.skipIf(!privileged())('traffic tools', () => {
  /** What the sink says of one flow whose frames are sent with these sequence numbers. */
  async function seen(order: string) {
    return withLab(async (lab) => {
      const [a, b] = [await lab.namespace(), await lab.namespace()];
      await lab.veth(a, 'a0', b, 'b0');
      const count = order.split(',').length;
      const sink = await startSink(lab, b, { interface: 'b0', packets: count });
      expect(await generate(lab, a, { interface: 'a0', order })).toMatchObject({ sent: count });
      return sink.finish();
    });
  }

  it('finds reordering as RFC 4737 defines it', async () => {
    const clean = { lost: 0, duplicates: 0, late: 0 };
    // The example of its section 4: one reordered, extent 4.
    expect(await seen('0,1,2,4,5,6,7,3,8,9')).toMatchObject({
      ...clean,
      reordered: { packets: 1, ratio: 0.1, maxExtent: 4 },
    });
    expect(await seen('0,1,2,3,4')).toMatchObject({ ...clean, reordered: { packets: 0, maxExtent: 0 } });
    expect(await seen('4,3,2,1,0')).toMatchObject({ ...clean, reordered: { packets: 4, maxExtent: 4 } });
  });

  it('finds loss and duplicates, and does not take one for the other', async () => {
    expect(await seen('0,1,1,3,2,2,7')).toMatchObject({
      unique: 5,
      lost: 3,
      duplicates: 2,
      reordered: { packets: 1, maxExtent: 1 },
    });
  });

  it('carries every protocol with right checksums, paced, with latency', async () => {
    await withLab(async (lab) => {
      const [a, b] = [await lab.namespace(), await lab.namespace()];
      await lab.veth(a, 'a0', b, 'b0');
      for (const [proto, tag] of [
        ['udp4', -1],
        ['udp6', -1],
        ['tcp4', -1],
        ['tcp6', -1],
        ['udp4', 5],
      ] as const) {
        const sink = await startSink(lab, b, { interface: 'b0', packets: 300 });
        const settings = {
          interface: 'a0',
          proto,
          packets: 300,
          flows: 7,
          guests: 3,
          size: 120,
          rate: 20_000,
        };
        const sent = await generate(lab, a, tag < 0 ? settings : { ...settings, vlan: tag });
        expect(sent).toMatchObject({ sent: 300, bytes: 36_000, txDropped: 0 });
        // 299 intervals of 50 us: never faster than asked for.
        expect(sent.packetsPerSecond).toBeLessThan(20_100);
        const result = await sink.finish();
        expect(result).toMatchObject({
          checked: 300,
          bytes: 36_000,
          other: 0,
          flows: 7,
          lost: 0,
          duplicates: 0,
        });
        expect(result.latencyNs).toMatchObject({ count: 300 });
        expect(result.latencyNs!.min).toBeGreaterThan(0);
      }
    });
  });

  it('delivers datagrams that a kernel accepts', async () => {
    await withLab(async (lab) => {
      const [a, b] = [await lab.namespace(), await lab.namespace()];
      await lab.veth(a, 'a0', b, 'b0');
      await lab.address(b, 'b0', '10.2.0.1/8');
      const mac = await lab.mac(b, 'b0');
      await generate(lab, a, { interface: 'a0', packets: 100, flows: 10, 'dst-mac': mac, size: 90 });
      const snmp = async () =>
        Object.fromEntries(
          [...(await lab.exec(b, 'cat', '/proc/net/snmp')).matchAll(/^Udp: (.*)\nUdp: (.*)$/gm)].flatMap(
            ([, names, values]) => {
              const numbers = values!.split(' ');
              return names!.split(' ').map((name, i) => [name, Number(numbers[i])] as const);
            },
          ),
        );
      // Nobody listens on the discard port: NoPorts says that address, length and checksum were right.
      await expect.poll(snmp).toMatchObject({ NoPorts: 100, InErrors: 0, InCsumErrors: 0 });
    });
  });

  it.each(['counters', 'tc-drop', 'xdp-drop'])('counts exactly without a socket (%s)', async (mode) => {
    await withLab(async (lab) => {
      const [a, b] = [await lab.namespace(), await lab.namespace()];
      await lab.veth(a, 'a0', b, 'b0');
      const sink = await startSink(lab, b, { interface: 'b0', mode, packets: 1000, duration: 10 });
      await generate(lab, a, { interface: 'a0', packets: 1000, rate: 200_000 });
      expect(await sink.finish()).toMatchObject({ mode, packets: 1000 });
    });
  });
});

describe('conservation', () => {
  const summary = (): Summary => ({
    durationMs: 1,
    policy: 'single',
    mode: 'wire',
    order: 'strict',
    ports: [
      {
        name: 'a',
        kind: 'tap',
        rx: { packets: 9, bytes: 0, kernelDrops: 0 },
        tx: { packets: 1, bytes: 0, errors: 0 },
      },
      {
        name: 'b',
        kind: 'tap',
        rx: { packets: 1, bytes: 0, kernelDrops: 0 },
        tx: { packets: 9, bytes: 0, errors: 0 },
      },
    ],
    workers: [{ id: 0, cpu: 0, received: 10, processed: 10, handedOff: 0 }],
    handoffs: [],
    totals: {
      received: 10,
      transmitted: 7,
      delivered: 0,
      floodedCopies: 3,
      copiesDropped: 0,
      segmentCopies: 0,
      dropped: {
        backlog: 0,
        txFull: 0,
        noRoute: 0,
        filtered: 3,
        tooLong: 0,
        malformed: 0,
        portDown: 0,
        workerDied: 0,
        hold: 0,
      },
      inFlight: 0,
      framesLeaked: 0,
      reordered: 0,
    },
  });

  it('holds for a summary that adds up and fails for one that does not', () => {
    expectConservation(summary());
    for (const spoil of [
      (s: Summary) => s.totals.received++,
      (s: Summary) => s.totals.floodedCopies++,
      (s: Summary) => s.totals.framesLeaked++,
      (s: Summary) => s.ports[0]!.tx.packets--,
      (s: Summary) => delete (s.totals.dropped as Record<string, number>).hold,
    ]) {
      const bad = summary();
      spoil(bad);
      expect(() => expectConservation(bad)).toThrow();
    }
  });
});
