/**
 * Ports that join and leave a running switch.
 *
 * Promise: a port that is added is opened first and fully, then all workers take it up together with a policy that was
 * compiled for it; what fails leaves everything as it was, other ports' MTUs too. A removed port leaves a place behind (no
 * name, no queues) until another port takes it. Its own frames are finished before anybody gives its queues back; frames towards it are
 * dropped as portDown until its addresses are forgotten, which happens when no worker receives from it any more, so
 * nobody can learn them again. Its counters stay in the summary.
 */
import { UserError } from '../../errors.js';
import type { PortSpec } from '../ports/kinds.js';
import type { PortPlace } from '../ports/open.js';
import { checkPorts } from '../ports/port-spec.js';
import type { PortInfo } from '../shared/port-info.js';
import { policyChange } from './change-policy.js';
import { ACKNOWLEDGE_TIMEOUT_MS, type ChangeReport } from './changes.js';
import { checkConsumers } from './consumers.js';
import { delay, type EngineCore } from './core.js';
import { portSummary, rawPort } from './port-summary.js';

/** Kept free for what else comes meanwhile: control connections, a restarted thread. */
const SPARE_DESCRIPTORS = 16;

/** See `LiveEngine.addPort`. */
export function addPort(core: EngineCore, spec: PortSpec): Promise<ChangeReport> {
  return core.change(async () => {
    requireSwitch(core);
    letGo(core);
    const { plan, ports, specs, warn } = core;
    checkPorts([...specs.values(), spec]);
    checkConsumers([spec], plan.active);
    const place = placeFor(core);
    const { index } = place;
    const opened = await ports.add(spec, place, {
      ...{ workers: plan.workers, warn, signal: core.stopSignal, regularFilesOnly: true },
      ...core.receive,
    });
    let sized = false;
    try {
      const info = { ...opened, ...numbersFor(core, opened) };
      const list = [...plan.ports];
      list[index] = info;
      const change = policyChange(core, { ...plan, ports: list });
      requireDescriptors(core, info);
      sized = true;
      ports.settle({ warn, ...core.receive });
      core.baselines.set(index, rawPort(core, info));
      specs.set(index, spec);
      core.consumers?.add(spec, index);
      core.followPort(index);
      return await core.report('ports', `port ${spec.name} added`, () => core.publish(change));
    } catch (error) {
      specs.delete(index);
      core.consumers?.remove(index);
      ports.closePort(index);
      if (sized) resettle(core);
      throw error;
    }
  });
}

/** See `LiveEngine.removePort`. */
export function removePort(core: EngineCore, name: string): Promise<ChangeReport> {
  return core.change(async () => {
    requireSwitch(core);
    letGo(core);
    const { plan } = core;
    const there = plan.ports.filter(({ removed }) => !removed);
    const port = there.find((info) => info.name === name);
    if (port === undefined) {
      throw new UserError(`port ${name}: there is none; ports: ${names(there)}`, {
        code: 'RXS_UNKNOWN_NAME',
      });
    }
    if (there.length === 1) throw new UserError(`port ${name} is the only one: it cannot be removed`);
    const gone: PortInfo = {
      ...port,
      generation: port.generation + 1,
      removed: true,
      name: '',
      rxQueues: 0,
      txQueues: 0,
      finite: false,
      data: null,
    };
    const change = policyChange(core, {
      ...plan,
      ports: plan.ports.map((info) => (info === port ? gone : info)),
    });
    return core.report('ports', `port ${name} removed`, async () => {
      const pending = await core.publish(change);
      core.specs.delete(port.index);
      core.consumers?.remove(port.index);
      // A worker that has not followed may still use the descriptors: they stay open, and the place taken, until it does.
      core.stuck.set(port.index, { info: port, epoch: core.config.epoch });
      await forgotten(core, port, pending.length === 0);
      return pending;
    });
  });
}

/**
 * Closes removed ports that every worker has let go of by now: after the change, or when a worker that was late for it
 * has followed. Their counters are complete then.
 */
export function letGo(core: EngineCore): void {
  const { ports, stuck, views } = core;
  for (const [index, { info, epoch }] of stuck) {
    if (core.hosted.some((worker) => core.seen(worker) < epoch)) continue;
    // Nobody receives from it any more, so nobody can learn its addresses again.
    if (!forgetsAddresses(core, index)) continue;
    for (let q = info.firstQueue; q < info.firstQueue + info.rxQueues; q++) {
      // Its last poller may have died with it: nobody has given it back then.
      const poller = Atomics.load(views.pollers, q);
      if (poller > 0) Atomics.store(views.pollers, q, -poller);
    }
    ports.finish(index);
    core.retired.add(portSummary(core, info), (name) =>
      core.plan.ports.some((port) => !port.removed && port.name === name),
    );
    stuck.delete(index);
    ports.closePort(index);
    resettle(core);
  }
}

/** False where a worker has the MAC table just now: to be tried again. */
function forgetsAddresses({ macTable }: EngineCore, index: number): boolean {
  try {
    macTable?.forgetPort(index, 0);
    return true;
  } catch {
    return false;
  }
}

/**
 * Lets go of a port that was just removed. The MAC table is waited for as an acknowledgement is, while the main thread
 * goes on; after that, and for workers that have not followed, it is done later.
 */
async function forgotten(core: EngineCore, port: PortInfo, allFollowed: boolean): Promise<void> {
  const deadline = performance.now() + ACKNOWLEDGE_TIMEOUT_MS;
  letGo(core);
  while (allFollowed && core.stuck.has(port.index)) {
    if (core.stopping || performance.now() > deadline) {
      core.warn(`port ${port.name}: its place stays taken for now: the MAC table is locked`);
      return;
    }
    await delay(1);
    letGo(core);
  }
}

/** MTUs of this program's TAPs and receive memory follow the ports that are left; what cannot be set stays as it is. */
function resettle(core: EngineCore): void {
  try {
    core.ports.settle({ warn: () => {}, ...core.receive });
  } catch (error) {
    core.warn((error as Error).message);
  }
}

/**
 * Workers duplicate the descriptors of a port: without room for that each of them would die of it, one after the other.
 * @throws UserError where the limit leaves too few.
 */
function requireDescriptors({ plan, ports }: EngineCore, info: PortInfo): void {
  const { native } = ports;
  const needed = ports.descriptors(info.index, plan.active);
  if (native === null || needed === 0) return;
  const wanted = needed + SPARE_DESCRIPTORS;
  if (native.canOpen(wanted)) return;
  throw new UserError(
    `--port ${info.name}: too few file descriptors are left for the workers (${wanted} are needed): raise the limit (ulimit -n, LimitNOFILE=) or remove a port`,
    { code: 'RXS_DESCRIPTORS' },
  );
}

function requireSwitch(core: EngineCore): void {
  if (core.plan.mode !== 'switch') {
    throw new UserError('ports can come and go with --mode switch only: a wire joins the two that it has');
  }
}

function names(ports: readonly PortInfo[]): string {
  return ports.map(({ name }) => name).join(', ');
}

/** The lowest free place, or a new one behind the others. @throws UserError when there is none. */
function placeFor({ plan, stuck }: EngineCore): PortPlace {
  const free = plan.ports.find(({ removed, index }) => removed && !stuck.has(index));
  const index = free?.index ?? plan.ports.length;
  if (index >= plan.room.ports) {
    throw new UserError(`${index + 1} ports: there can be ${plan.room.ports}`, { code: 'RXS_NO_ROOM' });
  }
  return { index, generation: free === undefined ? 0 : free.generation + 1, firstQueue: 0, firstLock: 0 };
}

/** Numbers for a port's queues that no other port has. @throws UserError where memory has no room for so many. */
function numbersFor({ plan, stuck }: EngineCore, port: PortInfo): Pick<PortInfo, 'firstQueue' | 'firstLock'> {
  const { room } = plan;
  const others = [...plan.ports, ...[...stuck.values()].map((port) => port.info)];
  const firstQueue = firstGap(
    others.map((info) => [info.firstQueue, info.rxQueues]),
    port.rxQueues,
  );
  const firstLock = firstGap(
    others.map((info) => [info.firstLock, info.txQueues]),
    port.txQueues,
  );
  if (firstQueue + port.rxQueues > room.queues) {
    throw new UserError(
      `--port ${port.name}: no room for ${port.rxQueues} receive queues: all ports together can have ${room.queues}`,
      { code: 'RXS_NO_ROOM' },
    );
  }
  if (firstLock + port.txQueues > room.txQueues) {
    throw new UserError(
      `--port ${port.name}: no room for ${port.txQueues} transmit queues: all ports together can have ${room.txQueues}; give txqueues=`,
      { code: 'RXS_NO_ROOM' },
    );
  }
  return { firstQueue, firstLock };
}

/** Lowest start of `count` numbers that none of the ranges (start, length) has. */
function firstGap(taken: (readonly [number, number])[], count: number): number {
  let start = 0;
  for (const [from, length] of taken.filter(([, n]) => n > 0).sort((a, b) => a[0] - b[0])) {
    if (from - start >= count) break;
    start = Math.max(start, from + length);
  }
  return start;
}
