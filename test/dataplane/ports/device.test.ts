/** The main thread's side of a live port, with a kernel that says what a test wants. */
import { expect, it } from 'vitest';
import type { LinkInfo, Native } from '#rxsteer/addon/native.js';
import { LivePort, type LiveSpec } from '#rxsteer/dataplane/ports/device.js';
import { DeviceCounters } from '#rxsteer/dataplane/ports/packet/device-counters.js';
import { parsePort } from '#rxsteer/dataplane/ports/port-spec.js';
import { PORT_FDS, PortFd } from '#rxsteer/dataplane/shared/words.js';

/** An interface as the kernel shows it, the sockets bound to it, and what was warned of. */
function kernel() {
  const link = {
    ...{ name: 'd0', index: 7, up: true, running: true, mtu: 1500, mac: '02:00:00:00:00:01' },
    ...{ rxQueues: 1, txQueues: 1, qdisc: 'noqueue', master: null, kind: 'veth', tso: true, addresses: 0 },
  };
  const state = { link: link as LinkInfo | null, bound: new Set<number>(), next: 10, queue: 50 };
  const open = () => {
    state.bound.add(state.next);
    return state.next++;
  };
  const native = {
    linkInfo: () => state.link,
    openReceiveGuard: () => null,
    deviceLacks: () => 6,
    openTagMover: () => null,
    openPacketReceive: open,
    openPacketSend: open,
    openXskSend: () => {
      throw new Error('none');
    },
    xskStagingBytes: 64,
    openTap: () => ({ fds: [open()], created: false, index: link.index }),
    packetAttached: (fd: number) => state.bound.has(fd),
    tapAttached: (fd: number) => state.bound.has(fd),
    packetStatistics: () => ({ packets: 0, drops: 0 }),
    closeDescriptor: () => {},
  } as unknown as Native;
  return { native, state };
}

it.each(['a=af_packet:d0', 'a=tap:d0'])(
  '%s: an interface that was replaced between two looks is noticed by its descriptors, though all else is equal',
  (text) => {
    const { native, state } = kernel();
    const warnings: string[] = [];
    const port = new LivePort(native, parsePort(text) as LiveSpec, new DeviceCounters(), (line) =>
      warnings.push(line),
    );
    const fds = () => {
      const words = new Int32Array(4096);
      port.publish(words, 0);
      return words[0]!;
    };
    const first = fds();
    expect(port.check()).toEqual({ change: 'none', old: { receive: [], others: [] } });
    state.bound.clear();
    const { change, old } = port.check();
    expect([change, old.receive.includes(first), fds()]).toEqual(['descriptors', true, -1]);
    expect(port.check().change).toBe('descriptors');
    expect(fds()).toBeGreaterThan(first);
    expect(port.check().change).toBe('none');
    expect(warnings).toEqual([expect.stringMatching(/has vanished/), expect.stringMatching(/is back/)]);
  },
);

it.each([
  { kind: 'veth', sockets: 1, withheld: 6, what: 'made of software: one socket, and segments of our own' },
  { kind: null, sockets: 4, withheld: 0, what: 'of hardware: a socket per queue, and its segments' },
])('sends to a device $what', ({ kind, sockets, withheld }) => {
  const { native, state } = kernel();
  state.link = { ...state.link!, kind, txQueues: 4 };
  const warnings: string[] = [];
  const port = new LivePort(native, parsePort('a=af_packet:d0') as LiveSpec, new DeviceCounters(), (line) =>
    warnings.push(line),
  );
  const words = new Int32Array(PORT_FDS);
  port.publish(words, 0);
  const queued = [...words.subarray(PortFd.sendQueued, PortFd.sendQueued + 4)];
  expect([new Set(queued).size, queued.includes(-1), words[PortFd.withheld]]).toEqual([
    sockets,
    false,
    withheld,
  ]);
  // This kernel refuses the program for tagged frames: said once.
  port.check();
  port.tell(words, 0, () => 0);
  expect(warnings).toEqual([expect.stringMatching(/4 transmit queues.*VLAN-tagged/)]);
});

it('new descriptors leave alone what senders read with every call', () => {
  const { native, state } = kernel();
  const port = new LivePort(native, parsePort('a=af_packet:d0') as LiveSpec, new DeviceCounters(), () => {});
  const MIXED = 1 << 8;
  /** Where it was filled: a sender may look in between. */
  const filled: number[] = [];
  class Words extends Int32Array {
    override fill(value: number, start = 0, end = this.length): this {
      filled.push(end);
      return super.fill(value, start, end);
    }
  }
  const words = new Words(PORT_FDS);
  port.publish(words, 0);
  words[PortFd.path] = words[PortFd.path]! | MIXED;
  port.publish(words, 0);
  expect(words[PortFd.path]).toBe(MIXED);
  expect(filled.every((end) => end <= PortFd.path)).toBe(true);
  // Another path is another matter.
  state.link = { ...state.link!, qdisc: 'tbf' };
  expect(port.check().change).toBe('none');
  port.tell(words, 0, () => 0);
  expect(words[PortFd.path]).toBe(1);
});
