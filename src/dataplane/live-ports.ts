/**
 * Ports that join and leave a running switch.
 *
 * Promise: a port that is added is opened first and fully, then all workers take it up together with a policy that was
 * compiled for it; what fails leaves everything as it was. A removed port leaves a place behind (no name, no queues)
 * until another port takes it. Its own frames are finished before anybody gives its queues back; frames towards it are
 * dropped as portDown until its addresses are forgotten, which happens when no worker receives from it any more, so
 * nobody can learn them again. Its counters stay in the summary.
 */
import { UserError } from '../errors.js';
import { checkConsumers } from './consumers.js';
import { delay, type EngineCore } from './core.js';
import { PORT_FDS } from './engine-memory.js';
import { ACKNOWLEDGE_TIMEOUT_MS, type ChangeReport } from './live.js';
import { policyChange } from './live-policy.js';
import { portSummary, rawPort } from './port-summary.js';
import { openPort, type PortPlace, settleMtus, settleReceive } from './ports/open.js';
import type { PortInfo } from './ports/port.js';
import { checkPorts, type PortSpec } from './ports/port-spec.js';

/** See `LiveEngine.addPort`. */
export function addPort(core: EngineCore, spec: PortSpec): Promise<ChangeReport> {
  return core.change(async () => {
    requireSwitch(core);
    const { plan, ports, specs } = core;
    checkPorts([...specs.values(), spec]);
    checkConsumers([spec], plan.active);
    const place = placeFor(core);
    const { index } = place;
    const warn = core.warn;
    const opened = await openPort(spec, place, ports, { workers: plan.workers, warn, ...core.receive });
    try {
      const info = { ...opened, ...numbersFor(core, opened) };
      const list = [...plan.ports];
      list[index] = info;
      settleMtus(ports.live, warn);
      settleReceive(ports.live, core.receive.receiveMib);
      const change = policyChange(core, { ...plan, ports: list });
      core.views.portFds.fill(-1, index * PORT_FDS, (index + 1) * PORT_FDS);
      ports.live.get(index)?.publish(core.views.portFds, index);
      core.baselines.set(index, rawPort(core, info));
      specs.set(index, spec);
      core.consumers?.add(spec, index);
      return await core.report('ports', `port ${spec.name} added`, () => core.publish(change));
    } catch (error) {
      specs.delete(index);
      core.consumers?.remove(index);
      ports.closePort(index);
      throw error;
    }
  });
}

/** See `LiveEngine.removePort`. */
export function removePort(core: EngineCore, name: string): Promise<ChangeReport> {
  return core.change(async () => {
    requireSwitch(core);
    const { plan, ports, views } = core;
    const there = plan.ports.filter(({ removed }) => !removed);
    const port = there.find((info) => info.name === name);
    if (port === undefined) throw new UserError(`port ${name}: there is none; ports: ${names(there)}`);
    if (there.length === 1) throw new UserError(`port ${name} is the only one: it cannot be removed`);
    const gone: PortInfo = {
      ...port,
      generation: port.generation + 1,
      removed: true,
      name: '',
      rxQueues: 0,
      txQueues: 0,
      source: null,
      sink: null,
      staging: [],
    };
    const change = policyChange(core, {
      ...plan,
      ports: plan.ports.map((info) => (info === port ? gone : info)),
    });
    return core.report('ports', `port ${name} removed`, async () => {
      // Its last counters are those of the workers that have let go of it.
      const live = ports.live.get(port.index);
      const pending = await core.publish(change);
      live?.readDrops();
      core.retired.push({ ...portSummary(core, port), removed: true });
      core.specs.delete(port.index);
      core.consumers?.remove(port.index);
      // A worker that has not followed may still use the descriptors: they stay open, and the place taken.
      if (pending.length > 0 || !(await forgetAddresses(core, port))) {
        core.stuck.set(port.index, port);
        return pending;
      }
      for (let q = port.firstQueue; q < port.firstQueue + port.rxQueues; q++) {
        // Its last poller may have died with it: nobody has given it back then.
        const poller = Atomics.load(views.pollers, q);
        if (poller > 0) Atomics.store(views.pollers, q, -poller);
      }
      ports.closePort(port.index);
      settleReceive(ports.live, core.receive.receiveMib);
      return pending;
    });
  });
}

/** Waits for the MAC table as for an acknowledgement, while the main thread goes on; false where it stays locked. */
async function forgetAddresses({ macTable, warn }: EngineCore, port: PortInfo): Promise<boolean> {
  if (macTable === null) return true;
  const deadline = performance.now() + ACKNOWLEDGE_TIMEOUT_MS;
  for (;;) {
    try {
      macTable.forgetPort(port.index, 0);
      return true;
    } catch (error) {
      if (performance.now() < deadline) await delay(1);
      else {
        warn(`port ${port.name}: its place stays taken: ${(error as Error).message}`);
        return false;
      }
    }
  }
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
  if (index >= plan.room.ports) throw new UserError(`${index + 1} ports: there can be ${plan.room.ports}`);
  return { index, generation: free === undefined ? 0 : free.generation + 1, firstQueue: 0, firstLock: 0 };
}

/** Numbers for a port's queues that no other port has. @throws UserError where memory has no room for so many. */
function numbersFor({ plan, stuck }: EngineCore, port: PortInfo): Pick<PortInfo, 'firstQueue' | 'firstLock'> {
  const { room } = plan;
  const others = [...plan.ports, ...stuck.values()];
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
    );
  }
  if (firstLock + port.txQueues > room.txQueues) {
    throw new UserError(
      `--port ${port.name}: no room for ${port.txQueues} transmit queues: all ports together can have ${room.txQueues}; give txqueues=`,
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
