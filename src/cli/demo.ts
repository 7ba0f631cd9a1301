/**
 * `rxsteer demo` (`npm start`): real packets across the forwarder under several steering policies, compared.
 *
 * Promise: with root it makes network namespaces of its own (an uplink, a host, guests behind veth and TAP), sends
 * the same seeded traffic through the forwarder under each policy, prints what each did, and removes everything,
 * also after an interrupt; what a killed run left is removed by the next. Without root the same traffic runs over
 * memory ports, and it says so. Ends within 30 seconds, exit code 0.
 */
import type { Command } from 'commander';
import { loadNative, nativeProblem } from '../addon/native.js';
import type { Summary } from '../dataplane/engine/summary.js';
import { guestMac } from '../dataplane/ports/memory/templates.js';
import { UserError } from '../errors.js';
import { parsePolicy } from '../policy/parse.js';
import type { PolicySpec } from '../policy/spec.js';
import { ForwarderChild } from './child.js';
import { announce, build, forwarderArguments, GUESTS, Interrupt, WORKERS } from './demo-lab.js';
import { type DemoRun, POLICIES, renderComparison } from './demo-report.js';
import { forwardOptions } from './forward-options.js';
import { Lab, labProblem, sweepDead } from './lab.js';
import { origin } from './origin.js';
import { colour, note, printJson } from './output.js';
import { checkOutput, replaceFile } from './outputs.js';

const FLOWS = 64;
const RATE = 25_000;
/** No further policy is started after this time. */
const BUDGET_MS = 22_000;
const SECONDS = 1;
const PACKETS = Math.round(RATE * SECONDS);
const SOURCE = `memory:source,flows=${FLOWS},guests=${GUESTS},rate=${RATE},packets=${PACKETS},burst=32`;
/**
 * Over memory ports every frame of a run finds room, so that a worker that gets no CPU for a while costs time and no
 * frames: half of them are handed over, and a ring may hold three quarters of what its worker's slots have left.
 */
const MEMORY_ROOM = { backlog: '32768', frames: '81920' } as const;
export function register(program: Command): void {
  program
    .command('demo')
    .description('send real packets through the forwarder under several policies and compare what each did')
    .option('--json', 'print the summaries as one JSON document')
    .option('--html <file>', 'write the comparison as a page, too')
    .option('--stay', 'keep the lab and its traffic running under one policy, with a dashboard, until Ctrl-C')
    .action(async (flags: DemoFlags) => {
      if (flags.stay === true && flags.json === true) throw new UserError('--stay: has no result for --json');
      if (flags.stay === true) await (await import('./demo-stay.js')).stay();
      else await demo(flags);
    });
}

interface DemoFlags {
  readonly json?: boolean;
  readonly stay?: boolean;
  readonly html?: string;
}

async function demo(flags: DemoFlags): Promise<void> {
  if (flags.html !== undefined) checkOutput('--html', flags.html, []);
  const interrupt = new Interrupt();
  try {
    await compare(flags, interrupt);
  } finally {
    interrupt.close();
  }
}

async function compare({ json, html }: DemoFlags, interrupt: Interrupt): Promise<void> {
  const problem = loadNative() === null ? nativeProblem() : labProblem();
  const live = problem === '';
  if (live) {
    const removed = sweepDead();
    if (removed.length > 0) note(`removed what a killed run left: ${removed.join(', ')}`);
  }
  const what = live
    ? `Real packets: an uplink, a host with ${WORKERS} workers and ${GUESTS} guests (${GUESTS - 1} behind veth, 1 behind a TAP), each in its own network namespace.`
    : `Memory ports instead of real interfaces: ${problem}.`;
  note(`${colour.bold('rxsteer demo')}  ${what}`);
  note(
    `Every policy forwards the same ${PACKETS.toLocaleString('en-GB')} frames of ${FLOWS} flows at ${RATE / 1000} kpps.\n`,
  );
  const runs = live ? await runLive(interrupt) : await runMemory(interrupt);
  if (runs === null) {
    process.exitCode = 130;
    return;
  }
  if (html !== undefined) {
    const { demoPage } = await import('./demo-page.js');
    replaceFile(html, demoPage(runs, live, origin()));
    note(`written: ${html}`);
  }
  if (json === true)
    printJson({ live, frames: PACKETS, flows: FLOWS, guests: GUESTS, workers: WORKERS, runs });
  else process.stdout.write(renderComparison(runs, live));
}

/** Runs every policy in namespaces; null after an interrupt. */
async function runLive(interrupt: Interrupt): Promise<DemoRun[] | null> {
  const started = performance.now();
  const lab = new Lab();
  const children: ForwarderChild[] = [];
  interrupt.action = () => {
    for (const child of children) child.kill();
  };
  try {
    const { uplink, host, guests } = build(lab);
    const runs: DemoRun[] = [];
    for (const policy of POLICIES) {
      if (interrupt.raised || late(started, policy)) break;
      const progress = `  ${policy} …`;
      if (process.stderr.isTTY) process.stderr.write(`\r${progress.padEnd(40)}`);
      const forwarder = new ForwarderChild(host, forwarderArguments(policy));
      children.push(forwarder);
      await forwarder.ready();
      announce(lab, host, guests);
      const generator = new ForwarderChild(uplink, [
        '--port',
        `src=${SOURCE}`,
        '--port',
        'out=af_packet:u0',
        '--policy',
        'single',
        // What it takes to make frames is in no figure.
        '--no-warm-up',
      ]);
      children.push(generator);
      const sent = await generator.summary();
      runs.push({ policy, sent: sent.ports[1]!.tx.packets, summary: await forwarder.stop() });
      children.length = 0;
    }
    return interrupt.raised ? null : runs;
  } catch (error) {
    // An interrupt from the terminal ends an `ip` that we wait for: our own handler runs after that.
    await new Promise((resolve) => setImmediate(resolve));
    if (interrupt.raised) return null;
    throw error;
  } finally {
    if (process.stderr.isTTY) process.stderr.write(`\r${' '.repeat(40)}\r`);
    interrupt.action = () => {};
    for (const child of children) child.kill();
    lab.close();
  }
}

/** True when there is no time left for another policy: on a busy machine a shorter comparison beats a longer wait. */
function late(started: number, policy: string): boolean {
  if (performance.now() - started < BUDGET_MS) return false;
  note(`This machine is busy: stopped before ${policy}, so that the demo ends within 30 seconds.\n`);
  return true;
}

/** The same with memory ports: each guest is a sink with one queue, its address a static entry. */
async function runMemory(interrupt: Interrupt): Promise<DemoRun[] | null> {
  const started = performance.now();
  const { runForwarder } = await import('./forward.js');
  const runs: DemoRun[] = [];
  for (const policy of POLICIES) {
    if (interrupt.raised) return null;
    if (late(started, policy)) break;
    const { engine } = forwardOptions(
      {
        port: [`up=${SOURCE}`, ...Array.from({ length: GUESTS }, (_, g) => `g${g}=memory:sink,queues=1`)],
        mode: 'switch',
        workers: String(WORKERS),
        ...MEMORY_ROOM,
      },
      note,
    );
    const fdb = Array.from({ length: GUESTS }, (_, g) => ({ mac: guestMac(g), vlan: 0, port: g + 1 }));
    const summary = await unlessInterrupted(interrupt, () =>
      runForwarder(
        {
          ...engine,
          policy: memoryPolicy(policy),
          policyText: policy,
          switching: { ...engine.switching, fdb },
        },
        { durationMs: 10_000, statsMs: null, onReady: () => {} },
      ),
    );
    if (summary === null) return null;
    runs.push({ policy, sent: summary.ports[0]!.rx.packets, summary });
  }
  return interrupt.raised ? null : runs;
}

/** What a run ended with; null where an interrupt ended it before it had begun. */
async function unlessInterrupted(interrupt: Interrupt, run: () => Promise<Summary>): Promise<Summary | null> {
  try {
    return await run();
  } catch (error) {
    if (interrupt.raised) return null;
    throw error;
  }
}

/** Guests of memory ports never speak, so MAC steering is told their owners: one after the other. */
function memoryPolicy(text: string): PolicySpec {
  const owners = Array.from({ length: GUESTS }, (_, g) => ({ mac: guestMac(g), worker: g % WORKERS }));
  return parsePolicy(text.startsWith('mac:') ? { policy: 'mac', owners } : text, {
    command: 'forward',
    workers: WORKERS,
  });
}
