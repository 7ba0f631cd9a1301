/** The main thread's side of a live port, with a kernel that says what a test wants. */
import { expect, it, vi } from 'vitest';
import type { LinkInfo, Native } from '#rxsteer/addon/native.js';
import { DeviceCounters } from '#rxsteer/dataplane/ports/device/device-counters.js';
import { PacketWord } from '#rxsteer/dataplane/ports/packet/data.js';
import type { PacketPortSpec } from '#rxsteer/dataplane/ports/packet/kind.js';
import { PacketPort } from '#rxsteer/dataplane/ports/packet/packet-port.js';
import { receiveShare } from '#rxsteer/dataplane/ports/packet/receive-memory.js';
import { parsePort } from '#rxsteer/dataplane/ports/port-spec.js';
import type { TapPortSpec } from '#rxsteer/dataplane/ports/tap/kind.js';
import { TapPort } from '#rxsteer/dataplane/ports/tap/tap-port.js';

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
    kernelTypes: () => null,
    deviceLacks: () => 6,
    loadBpfProgram: () => {
      throw new Error('no programs here');
    },
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

/** A port of either kind, and its words: the first is the descriptor that queue 0 is received from. */
function open(text: string, native: Native, warn: (line: string) => unknown = () => {}) {
  const spec = parsePort(text);
  const parts = { native, devices: new DeviceCounters(), warn };
  if (spec.kind === 'tap') {
    const port = new TapPort({ ...parts, spec: spec as TapPortSpec });
    return { port, words: port.fds };
  }
  const port = new PacketPort({ ...parts, spec: spec as PacketPortSpec }, receiveShare(64, 1));
  return { port, words: port.words };
}

it.each(['a=af_packet:d0', 'a=tap:d0'])(
  '%s: an interface that was replaced between two looks is noticed by its descriptors, though all else is equal',
  (text) => {
    const { native, state } = kernel();
    const warnings: string[] = [];
    const { port, words } = open(text, native, (line) => warnings.push(line));
    const fds = () => {
      port.publish();
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
  const { port, words } = open('a=af_packet:d0', native, (line) => warnings.push(line));
  const queued = [...words.subarray(PacketWord.sendQueued, PacketWord.sendQueued + 4)];
  expect([new Set(queued).size, queued.includes(-1), words[PacketWord.withheld]]).toEqual([
    sockets,
    false,
    withheld,
  ]);
  // This kernel refuses the program for tagged frames: said once.
  port.check();
  port.tellSenders(() => 0);
  expect(warnings).toEqual([expect.stringMatching(/4 transmit queues.*VLAN-tagged/)]);
});

it('new descriptors leave alone what senders read with every call', () => {
  const { native, state } = kernel();
  const { port, words } = open('a=af_packet:d0', native);
  const MIXED = 1 << 8;
  /** Where it is filled: a sender may look in between. */
  const fill = vi.spyOn(words, 'fill');
  words[PacketWord.path] = words[PacketWord.path]! | MIXED;
  port.publish();
  expect(words[PacketWord.path]).toBe(MIXED);
  expect(fill.mock.calls).toEqual([[-1, 0, PacketWord.ifindex]]);
  expect(Math.min(PacketWord.path, PacketWord.withheld)).toBeGreaterThan(PacketWord.ifindex);
  // Another path is another matter.
  state.link = { ...state.link!, qdisc: 'tbf' };
  expect(port.check().change).toBe('none');
  port.tellSenders(() => 0);
  expect(words[PacketWord.path]).toBe(1);
  expect(port.detail()).toEqual({ transmit: 'queued', queueChanges: 0, mayBeLate: 0 });
});
