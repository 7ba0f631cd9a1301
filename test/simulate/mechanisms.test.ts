/**
 * Mechanisms behind published rows, by sign and order: locks of a transmit queue, a socket's backlog, workers of a block
 * device, polling before a halt, batches, interrupts between vCPUs; and what scenarios may say.
 */

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { CaptureWriter } from '#rxsteer/capture/writer.js';
import { readCaptures } from '#rxsteer/simulate/scenario/captures.js';
import { parseScenario, parseScenarioText, readScenario } from '#rxsteer/simulate/scenario/parse.js';
import type { ScenarioInput } from '#rxsteer/simulate/scenario/schema.js';
import { simulate } from '#rxsteer/simulate/simulate.js';
import { makeTraffic } from '#rxsteer/traffic/frames.js';

const once = (scenario: ScenarioInput, options = {}) =>
  simulate({ durationMs: 5, warmupMs: 2, ...scenario }, { limit: false, ...options }).results[0]!;

describe('a forwarder that takes a poll as a whole', () => {
  const free = { hardIrq: 0, softirqEntry: 0, idleExit: 0, idleExitDevice: 0, bridge: 0, driverReceive: 100 };
  const forward = (
    enter: 'each' | 'poll',
    policy: string,
    dispatch: 'each' | 'poll' = 'poll',
    tunCall = 500,
  ) =>
    once({
      ...{ durationMs: 10, variation: 'none', workers: '0-1', policies: [policy] },
      costs: { ...free, tunCall, tapEnqueue: 100, vethEnqueue: 40, vethCall: 200, ipiSend: 1000 },
      host: { cpus: { cores: 6 } },
      nics: { up: { dispatch, ring: 4096 } },
      guests: {
        tap: { enter, workerCpus: '2', cpus: '4', workerPollUs: 1e6, guestPollUs: 1e6, ring: 4096 },
        veth: { enter, device: 'veth', workerCpus: '3', cpus: '5', workerPollUs: 1e6, guestPollUs: 1e6 },
      },
      load: [{ kind: 'open', arrival: 'bursts', burst: 8, rate: 80_000 }],
    });
  const busy = ({ cpus, throughput }: ReturnType<typeof once>) =>
    ((cpus[0]!.busyShare + cpus[1]!.busyShare) * 1e9) / throughput.value;

  it('enters a device once for all packets of the poll, and pays one call for them', () => {
    // Each by itself: no call. Together: 500 and 200 ns for eight packets each.
    const each = forward('each', 'single');
    const together = forward('poll', 'single');
    expect(busy(together) - busy(each)).toBeCloseTo((500 + 200) / 2 / 8, 0);
    expect(busy(each)).toBeCloseTo(100 + (100 + 40) / 2, 0);
    const taken = ({ locks }: typeof each) =>
      locks.filter(({ name }) => name.includes('tap lock')).reduce((sum, lock) => sum + lock.taken, 0);
    expect(taken(each) / taken(together)).toBeCloseTo(8, 1);
    expect(together.packets).toEqual(each.packets);
  });

  it('tells the other CPU before it goes on with its own packets: so both want the queue at once', () => {
    const waits = (dispatch: 'each' | 'poll') =>
      forward('poll', 'round-robin:stage=cpu', dispatch, 5000).locks.reduce(
        (sum, lock) => sum + lock.waits,
        0,
      );
    expect(waits('poll')).toBeGreaterThan(10 * Math.max(1, waits('each')));
  });
});

describe('one transmit queue for eight senders', () => {
  const free = { core: 0, cache: 0, socket: 0, remote: 0 };
  const c = { core: 310, cache: 310, socket: 310, remote: 310 };
  const send = (cpus: number, busylock: boolean) =>
    once({
      variation: 'none',
      costs: { base: 'amd-2009', transmit: 800, send: 0, line: free, handOver: c },
      host: {
        cpus: { cores: 8 },
        apps: [{ kind: 'send', threads: cpus === 1 ? 1 : 32, cpus: `0-${cpus - 1}`, workNs: 0 }],
      },
      nics: { eth0: { transmit: { qdisc: true, busylock } } },
    }).throughput.value;

  it('collapses to a sixteenth of what one does alone; the lock in front of it cures that', () => {
    // 7(e + 7c) + d + 7c + x with e 0.25, d 0.2, x 0.8 and c 0.31 us: 49.7 K.
    const alone = send(1, false);
    expect(alone / 800_000).toBeCloseTo(1, 1);
    expect(Math.abs(send(8, false) / 49_700 - 1)).toBeLessThan(0.1);
    expect(send(8, true)).toBeGreaterThan(0.8 * alone);
  });
});

describe('one reader behind seven softirqs', () => {
  const read = (socketLock: 'unlimited' | 'limited') =>
    once({
      host: { cpus: { cores: 8 }, apps: [{ kind: 'sink', threads: 1, cpus: [7], socketLock, socket: 200 }] },
      nics: { eth0: { queues: 7, irqs: '0-6', policy: 'round-robin' } },
      load: [{ kind: 'open', rate: 4_000_000 }],
    }).throughput.value;

  it('never returns from its socket, unless senders are refused before the lock', () => {
    expect(read('unlimited')).toBeLessThan(1000);
    expect(read('limited')).toBeGreaterThan(100_000);
  });
});

describe('a block device of 16 queues', () => {
  const ask = (workers: 'device' | 'queue', jobs: number) =>
    once({
      host: { cpus: { cores: 32 } },
      guests: {
        vm: {
          ...{ vcpus: 16, queues: 16, path: 'vhost-scsi', workers, cpus: '0-15', workerCpus: '16-31' },
          apps: [{ kind: 'block', threads: jobs, depth: 128, workNs: 3500, deviceUs: 80 }],
        },
      },
    });

  it('one worker serves no more than its own 488 K a second; one for each queue grows with the jobs', () => {
    const [one, four] = [ask('device', 1), ask('device', 4)];
    expect(four.throughput.unit).toBe('requests/s');
    expect(four.throughput.value).toBeLessThan(488_000);
    expect(four.throughput.value).toBeGreaterThan(0.9 * 488_000);
    expect(ask('queue', 4).throughput.value / one.throughput.value).toBeGreaterThan(3.8);
  });
});

describe('inside a guest', () => {
  it('polling before a halt makes a switch cheaper: none, then the host, then the guest itself', () => {
    const switches = (guestPollUs: number, hostPollUs: number) =>
      once({
        guests: {
          vm: {
            vcpus: 2,
            guestPollUs,
            hostPollUs,
            apps: [{ kind: 'ping', threads: 1, cpus: '0-1', workNs: 200 }],
          },
        },
      }).throughput.value;
    const [none, host, guest] = [switches(0, 0), switches(0, 200), switches(200, 0)];
    expect(host).toBeGreaterThan(1.5 * none);
    expect(guest).toBeGreaterThan(host);
  });

  it('batches of calls into tun save what the call costs, and no more', () => {
    const send = (batch: number) =>
      once({
        variation: 'none',
        host: { cpus: { cores: 2 } },
        guests: {
          vm: {
            ...{ vcpus: 1, cpus: [0], workerCpus: [1], batch, switch: 'none' as const },
            apps: [{ kind: 'send', threads: 1, bypass: true, bytes: 60 }],
          },
        },
      }).throughput.value;
    // The worker is the limit: the time of a packet shrinks by 170 ns x 63/64.
    expect(1e9 / send(1) - 1e9 / send(64)).toBeCloseTo((170 * 63) / 64, -1);
  });

  it('guests that send to each other go over the switch, not over the NIC', () => {
    const { guests, dropped, packets } = once({
      host: { cpus: { cores: 4 } },
      guests: {
        a: { cpus: [0], workerCpus: [1], apps: [{ kind: 'send', threads: 1, to: 'b', rate: 100_000 }] },
        b: { cpus: [2], workerCpus: [3] },
      },
    });
    expect(guests.find(({ name }) => name === 'b')!.packets).toBe(500);
    expect(dropped).toEqual({});
    expect(packets.arrived).toBeGreaterThan(600);
  });
});

describe('steering while it runs', () => {
  const base: ScenarioInput = {
    durationMs: 8,
    warmupMs: 0,
    variation: 'none',
    host: { cpus: { cores: 4 }, apps: [{ kind: 'sink', cpus: [3], workNs: 100 }] },
    nics: { eth0: { queues: 4, irqs: '0-2+3' } },
    load: [{ kind: 'open', rate: 800_000, flows: 64, elephants: 3, elephantShare: 0.9 }],
  };
  const fullest = (scenario: ScenarioInput) =>
    Math.max(...once({ ...base, ...scenario }).cpus.map(({ classes }) => classes.softirq));

  it('the rebalancer relieves the fullest CPU', () => {
    // All buckets on queue 0 at first.
    const policies = [`rss:queues=4,weight=1+0+0+0`];
    const before = fullest({ policies });
    const after = fullest({ policies, rebalance: { everyMs: 0.5, intervals: 1, moves: 128, least: 10 } });
    expect(before).toBeGreaterThan(0.5);
    expect(after).toBeLessThan(0.8 * before);
  });

  it('a change of policy takes effect at its time, and RFS follows the application', () => {
    const policies = ['rss:queues=1'];
    const changed = once({ ...base, policies, changes: [{ atMs: 4, policy: 'rss:queues=4' }] });
    expect(changed.cpus[1]!.classes.softirq).toBeGreaterThan(0);
    expect(once({ ...base, policies }).cpus[1]!.classes.softirq).toBe(0);
    const rfs = once({
      durationMs: 4,
      host: { cpus: { cores: 4 }, apps: [{ kind: 'sink', cpus: [3], threads: 1 }] },
      nics: { eth0: { irqs: [0], rps: { cpus: '1-2', flows: 256, sockEntries: 1024 } } },
      load: [{ kind: 'open', rate: 200_000, flows: 16 }],
    });
    // Known flows go to CPU 3; only their first packets go by the map.
    expect(rfs.cpus[3]!.classes.softirq).toBeGreaterThan(10 * rfs.cpus[1]!.classes.softirq);
  });
});

describe('what a scenario may say', () => {
  it.each([
    ['nics: { eth0: { quues: 4 } }', 'h.yaml: nics.eth0: unknown key "quues": did you mean queues?'],
    ['host: { cpus: { sockets: 0 } }', 'h.yaml: host.cpus.sockets=0: expected a whole number from 1 to 16'],
    ['guests: { vm: { path: vhsot } }', 'h.yaml: guests.vm.path="vhsot": expected one of qemu-virtio'],
    ['load: [ { kind: open, rate: fast } ]', 'h.yaml: load[0].rate="fast": expected a number'],
    ['costs: { protcol: 3 }', 'h.yaml: costs: unknown key "protcol": did you mean protocol?'],
    ['host: { cpus: { sockets: 16, cores: 16 } }', 'at most 128 CPUs'],
  ])('%s', (text, message) => {
    expect(() => parseScenarioText(text, 'h.yaml')).toThrow(message);
  });

  it.each([
    [{ nics: { eth0: { irqs: [9] } } }, 'scenario: nics.eth0.irqs: CPU 9 does not exist; CPUs: 0 to 1'],
    [{ guests: { vm: { cpus: [7] } } }, 'guests.vm.cpus: CPU 7 does not exist'],
    [{ load: [{ to: ['vm'] }] }, 'load[0].to: unknown guest "vm"'],
    [
      { load: [{ kind: 'capture' as const, file: 'x.pcap' }] },
      'load[0].file: the packets of x.pcap were not read',
    ],
    [{ guests: { vm: { path: 'vhost-scsi' as const } }, load: [{}] }, 'packets need another path'],
    [{ policies: ['rsss'] }, 'unknown policy "rsss"'],
    [{ guests: { vm: { apps: [{ kind: 'block' as const }] } } }, 'expected a guest with path vhost-scsi'],
  ])('refuses %j in one line', (scenario, message) => {
    expect(() => simulate(scenario, { limit: false })).toThrow(message);
  });

  it('files are YAML or JSON, captures are sent at their times', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'rxsteer-simulate-'));
    try {
      const file = join(folder, 'in.pcap');
      const writer = CaptureWriter.create(file);
      for (const { frame, time } of makeTraffic({ packets: 500, flows: 20, rate: 100_000, seed: 1 })) {
        writer.write(frame, 0, frame.length, frame.length, Math.floor(time / 1e9), time % 1e9);
      }
      writer.close();
      const path = join(folder, 'h.json');
      writeFileSync(path, JSON.stringify({ warmupMs: 0, durationMs: 20, load: [{ kind: 'capture', file }] }));
      const scenario = readScenario(path);
      const { packets } = simulate(scenario, { limit: false, captures: await readCaptures(scenario) })
        .results[0]!;
      expect(packets).toMatchObject({ arrived: 500, delivered: 500 });
      expect(parseScenario(scenario)).toEqual(scenario);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});
