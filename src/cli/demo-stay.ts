/**
 * `rxsteer demo --stay`: the lab of the demo and its traffic, kept running to be looked at.
 *
 * Promise: the same namespaces, guests and flows as the demo, one forwarder under flow steering, and a dashboard that may
 * change its policy; without root the same over memory ports. It ends at an interrupt, or when the forwarder does, and
 * removes everything; what a killed run leaves goes with the next.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { loadNative, nativeProblem } from '../addon/native.js';
import { type Dashboard, startDashboard } from '../dashboard/server.js';
import { UserError } from '../errors.js';
import { ForwarderChild } from './child.js';
import { announce, build, forwarderArguments, GUESTS, Interrupt } from './demo-lab.js';
import { Lab, labProblem, sweepDead } from './lab.js';
import { colour, note, print } from './output.js';

/** Frames a second: enough to see, little enough for a laptop. */
const RATE = 5000;
const FLOWS = 256;
const POLICY = 'rss:queues=2';
const PORT = 8030;
const SOURCE = `memory:source,flows=${FLOWS},guests=${GUESTS},rate=${RATE}`;

/** On the usual port, or on another one where it is taken. */
async function show(socket: string): Promise<Dashboard> {
  try {
    return await startDashboard(socket, { host: '127.0.0.1', port: PORT });
  } catch (error) {
    if (!(error instanceof UserError) || error.code !== 'RXS_LISTEN') throw error;
    return startDashboard(socket, { host: '127.0.0.1', port: 0 });
  }
}

export async function stay(): Promise<void> {
  const interrupt = new Interrupt();
  const interrupted = new Promise<void>((resolve) => {
    interrupt.action = resolve;
  });
  const problem = loadNative() === null ? nativeProblem() : labProblem();
  if (problem === '') sweepDead();
  else note(`Memory ports instead of real interfaces: ${problem}.`);
  const lab = new Lab();
  const folder = mkdtempSync(join(tmpdir(), 'rxsteer-demo-'));
  const socket = join(folder, 'control.sock');
  const children: ForwarderChild[] = [];
  const start = (namespace: string | null, args: readonly string[]) => {
    const child = new ForwarderChild(namespace, args);
    children.push(child);
    return child;
  };
  const control = ['--control', socket, '--allow-apply'];
  let dashboard: Dashboard | null = null;
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
    dashboard = await show(socket);
    print(`${colour.bold('dashboard')}  ${dashboard.url}`);
    print(`${colour.bold('terminal')}   rxsteer top --socket ${socket}`);
    print('Ctrl-C ends it and removes everything.');
    await Promise.race([
      interrupted,
      forwarder.gone.then(() => {
        if (!interrupt.raised) throw forwarder.lastWords;
      }),
    ]);
  } catch (error) {
    // An interrupt from the terminal ends what we wait for: our own handler runs after that.
    await new Promise((resolve) => setImmediate(resolve));
    if (!interrupt.raised) throw error;
  } finally {
    await dashboard?.close();
    for (const child of children) child.kill();
    await Promise.all(children.map((child) => child.gone));
    lab.close();
    rmSync(folder, { recursive: true, force: true });
    interrupt.close();
  }
}
