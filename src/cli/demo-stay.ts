/**
 * `rxsteer demo --stay`: the lab of the demo and its traffic, kept running to be looked at.
 *
 * Promise: the same namespaces, guests and flows as the demo, one forwarder under flow steering, and a dashboard that may
 * change its policy; without root the same over memory ports. It ends at an interrupt, or when the forwarder does, and
 * removes everything; what a killed run leaves goes with the next.
 */
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { loadNative, nativeProblem } from '../addon/native.js';
import { type Child, DashboardChild, ForwarderChild } from './child.js';
import { announce, build, forwarderArguments, GUESTS, Interrupt } from './demo-lab.js';
import { Lab, labProblem, ownFolder, sweepDead, sweepFolders } from './lab.js';
import { colour, note, print } from './output.js';

/** Frames a second: enough to see, little enough for a laptop. */
const RATE = 5000;
const FLOWS = 256;
const POLICY = 'rss:queues=2';
const SOURCE = `memory:source,flows=${FLOWS},guests=${GUESTS},rate=${RATE}`;

/** The port of a dashboard; another one where that is taken. */
const PORTS = ['8030', '0'];

export async function stay(): Promise<void> {
  const interrupt = new Interrupt();
  const interrupted = new Promise<void>((resolve) => {
    interrupt.action = resolve;
  });
  const problem = loadNative() === null ? nativeProblem() : labProblem();
  sweepFolders();
  if (problem === '') sweepDead();
  else note(`Memory ports instead of real interfaces: ${problem}.`);
  const lab = new Lab();
  const folder = ownFolder();
  const socket = join(folder, 'control.sock');
  const children: Child[] = [];
  const kept = <C extends Child>(child: C) => {
    children.push(child);
    return child;
  };
  const start = (namespace: string | null, args: readonly string[]) =>
    kept(new ForwarderChild(namespace, args));
  const control = ['--control', socket, '--allow-apply'];
  try {
    let forwarder: ForwarderChild;
    if (problem === '') {
      const { uplink, host, guests } = build(lab);
      forwarder = start(host, [...forwarderArguments(POLICY), ...control]);
      await forwarder.ready();
      announce(lab, host, guests);
      const ports = ['--port', `src=${SOURCE}`, '--port', 'out=af_packet:u0'];
      await start(uplink, [...ports, '--policy', 'single', '--no-control']).ready();
    } else {
      const ports = ['--port', `up=${SOURCE}`, '--port', 'down=memory:sink'];
      forwarder = start(null, [...ports, '--policy', POLICY, '--workers', '2', ...control]);
      await forwarder.ready();
    }
    // A process of its own: this one keeps its rights, to clean up.
    let dashboard: DashboardChild;
    let url: string | null = null;
    for (const port of PORTS) {
      dashboard = kept(new DashboardChild(socket, port));
      url = await dashboard.url().catch((error: Error) => {
        if (port === PORTS.at(-1) || interrupt.raised) throw error;
        return null;
      });
      if (url !== null) break;
    }
    print(`${colour.bold('dashboard')}  ${url}`);
    print(`${colour.bold('terminal')}   rxsteer top --socket ${socket}`);
    print('Ctrl-C ends it and removes everything.');
    const ended = (child: Child) =>
      child.gone.then(() => {
        if (!interrupt.raised) throw child.lastWords;
      });
    await Promise.race([interrupted, ended(forwarder), ended(dashboard!)]);
  } catch (error) {
    // An interrupt from the terminal ends what we wait for: our own handler runs after that.
    await new Promise((resolve) => setImmediate(resolve));
    if (!interrupt.raised) throw error;
  } finally {
    for (const child of children) child.kill();
    await Promise.all(children.map((child) => child.gone));
    lab.close();
    rmSync(folder, { recursive: true, force: true });
    interrupt.close();
  }
}
