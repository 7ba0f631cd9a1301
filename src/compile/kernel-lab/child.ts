/**
 * The process inside the lab's network namespace: reads an order on standard input, prints the landings.
 *
 * Promise: frames are written in small turns, the next when all of the one before have landed, so that no backlog overflows.
 * Fails, in one line, where a command fails or a frame lands nowhere.
 */
import { spawnSync } from 'node:child_process';
import { readFileSync, writeFileSync, writeSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { loadProgram } from '../../addon/bpf.js';
import { loadNative, type Native } from '../../addon/native.js';
import { AttachType } from '../../bpf/opcodes.js';
import { numberedCorpus } from './frames.js';
import type { LabOrder } from './lab.js';
import { type Landing, landingOf, recorder } from './recorder.js';

/** Frames in a turn: well below `netdev_max_backlog`. */
const TURN = 128;
/** Bytes of the virtio-net header before each frame. */
const VNET = 10;
const PATIENCE_MS = 30_000;

function run(command: string, device: string): void {
  if (command.startsWith('#') || command.startsWith('sysctl -w net.core.')) return;
  const { status, stderr } = spawnSync('sh', ['-c', command], {
    encoding: 'utf8',
    env: { ...process.env, DEV: device },
  });
  if (status !== 0) throw new Error(`"${command}": ${stderr.trim().split('\n').at(-1)}`);
}

function keyOf(number: number): Uint8Array {
  const key = new Uint8Array(4);
  new DataView(key.buffer).setUint32(0, number, true);
  return key;
}

/** What has landed of the frames of a turn, when all have. */
async function landed(native: Native, map: number, from: number, to: number): Promise<Landing[]> {
  const end = performance.now() + PATIENCE_MS;
  for (;;) {
    const list: Landing[] = [];
    for (let i = from; i < to; i++) list.push(landingOf(native.lookupBpfMap(map, keyOf(i))!));
    const missing = list.filter(({ times }) => times === 0).length;
    if (missing === 0) return list;
    if (performance.now() > end) throw new Error(`${missing} of ${to - from} frames landed nowhere`);
    await sleep(1);
  }
}

async function attach(native: Native, { xdp }: LabOrder, ifindex: number): Promise<void> {
  if (xdp === undefined) return;
  const { xdpForCpus } = await import('../xdp/program.js');
  const loaded = loadProgram(native, await xdpForCpus(xdp.policy, xdp.workers));
  // Driver mode: what the generic one does with a CPU map differs from kernel to kernel.
  native.linkBpf(loaded.program, ifindex, AttachType.xdp, 4);
}

async function main(): Promise<void> {
  const order = JSON.parse(readFileSync(0, 'utf8')) as LabOrder;
  const native = loadNative()!;
  writeFileSync('/proc/sys/net/ipv6/conf/default/disable_ipv6', '1');
  const tap = native.openTap({ name: order.device, queues: order.queues, offload: false });
  native.setLinkUp(order.device);
  for (const command of order.commands) run(command, order.device);
  await attach(native, order, tap.index);
  const notes = loadProgram(native, recorder(order.frames));
  native.openPacketReceive({ ifindex: tap.index, slots: 64, promiscuous: false, guard: notes.program });
  const { bytes, offsets } = numberedCorpus(order.frames, order.corpus);
  const all: Landing[] = [];
  for (let from = 0; from < order.frames; from += TURN) {
    const to = Math.min(from + TURN, order.frames);
    for (let i = from; i < to; i++) {
      const frame = new Uint8Array(VNET + offsets[i + 1]! - offsets[i]!);
      frame.set(bytes.subarray(offsets[i]!, offsets[i + 1]!), VNET);
      writeSync(tap.fds[i % tap.fds.length]!, frame);
    }
    all.push(...(await landed(native, notes.maps[0]!, from, to)));
  }
  process.stdout.write(JSON.stringify(all));
}

try {
  await main();
} catch (error) {
  process.stderr.write(`${(error as Error).message}\n`);
  process.exitCode = 1;
}
