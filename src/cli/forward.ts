/**
 * `rxsteer forward`: the userspace forwarder on the command line.
 *
 * Promise: prints one line `ready` on standard error when every port is open and every worker runs; ends at
 * --duration, at SIGINT, SIGTERM or SIGHUP, or when all finite sources are drained; then drains and prints the summary.
 * With --config SIGHUP reads the file again instead, as long as the terminal is there that it was started on.
 * An interrupt while a port is being opened (a pipe that nobody writes to) ends the start, with exit code 130: there is
 * nothing to sum up. A second interrupt ends at once with exit code 130.
 */
import { closeSync, constants, existsSync, openSync } from 'node:fs';
import { dirname } from 'node:path';
import type { Command } from 'commander';
import { loadNative } from '../addon/native.js';
import { limitPrivileges } from '../addon/privileges.js';
import type { ControlServer } from '../control/server.js';
import { socketPid } from '../control/socket.js';
import type { Engine } from '../dataplane/engine/engine.js';
import { Guard } from '../dataplane/engine/guarded.js';
import type { EngineOptions } from '../dataplane/engine/plan.js';
import type { Summary } from '../dataplane/engine/summary.js';
import { kindOf, portKinds } from '../dataplane/ports/kinds.js';
import { Interrupted, UserError } from '../errors.js';
import type { Recorder } from '../observe/recorder.js';
import { compilePolicy } from '../policy/compile.js';
import { policyAssumptions, policyWarnings } from '../policy/warnings.js';
import { type ControlFlags, prepareControl } from './forward-control.js';
import type { MetricsFlags, ShownMetrics } from './forward-metrics.js';
import { type ForwardFlags, forwardOptions, type ParsedForward } from './forward-options.js';
import type { Reloader } from './forward-reload.js';
import { renderRates, renderSummary } from './forward-report.js';
import { runningConfig } from './forward-save.js';
import { sweepDead } from './lab.js';
import { noteLine, print, printJson } from './output.js';
import { type ServiceManager, serviceManager } from './service-manager.js';
import { version } from './version.js';

export function register(program: Command): void {
  program
    .command('forward')
    .description(
      'forward packets between interfaces, TAPs, captures and memory ports under a steering policy',
    )
    .option(
      '--port <PORT>',
      'NAME=KIND:TARGET[,option=value…], twice or more: see below',
      (value: string, all: string[] = []) => [...all, value],
    )
    .option(
      '--mode <MODE>',
      'wire joins two ports, switch learns MAC addresses (default: wire for two ports)',
    )
    .option('--policy <POLICY>', 'steering policy: a string or @FILE (default: rss)')
    .option(
      '--implementation <WHICH>',
      'auto, table or native: what hashes bursts where the policy does not say (default auto: native code where it pays)',
    )
    .option('--workers <N>', 'number of workers (default: what the policy names, else 1)')
    .option(
      '--receive-memory <MIB>',
      'memory that the kernel may hold for the receive queues of all packet ports (1536)',
    )
    .option('--max-workers <N>', 'workers that can be added while it runs, all in all (default: the CPUs)')
    .option('--cpus <LIST>', 'pin worker i to the i-th CPU of the list, e.g. 0-1+3')
    .option('--duration <SECONDS>', 'stop after this time')
    .option('--stats <SECONDS>', 'print a line of rates on standard error at this interval')
    .option('--config <FILE>', 'read all of this from a YAML or JSON file; flags override it')
    .option('--check', 'check everything that can be without opening a port, and end')
    .option('--backlog <FRAMES>', 'frames that may wait between two workers (default 4096)')
    .option('--frames <N>', 'small frames (up to 1984 bytes) in the pool (default 32768)')
    .option('--large-frames <N>', 'large frames (up to 64 KiB) in the pool (default 1024)')
    .option('--spin <US>', 'microseconds that a worker spins before it sleeps (default 5)')
    .option('--latency <MODE>', 'low: workers poll on while traffic comes, and sleep otherwise (normal)')
    .option(
      '--no-warm-up',
      'start sooner, some 50 ms a worker; the first frames meet code that is not compiled yet',
    )
    .option(
      '--postpone-max-ms <MS>',
      'strict order: hold a moving flow whose old worker has not drained it by then (default 10)',
    )
    .option('--hold-max <FRAMES>', 'strict order: frames of one flow that are held at most (default 256)')
    .option('--hold-max-ms <MS>', 'strict order: hold no longer, and leave the flow where it is (default 20)')
    .option('--mac-age <SECONDS>', 'switch: forget an address after this time (default 300)')
    .option('--mac-limit <N>', 'switch: addresses learned per port at most (default 4096)')
    .option(
      '--fault <FAULT>',
      'tests: STAGE@WORKER[:AFTER][+|=|!]: let a worker die, or stand still, at a stage of its loop',
    )
    .option('--control <PATH>', 'control socket (default /run/rxsteer/PID.sock)')
    .option('--no-control', 'no control socket')
    .option('--allow-js', 'take policies js:FILE through the control socket: they run as this process')
    .option(
      '--metrics <[ADDRESS:]PORT>',
      'listen for Prometheus there, read only; without an address on loopback',
    )
    .option('--metrics-file <FILE.prom>', 'write metrics there every 10 s, for node_exporter')
    .option('--allow-apply', 'a dashboard may change the policy; without it it only shows')
    .option('--drop', 'give up all capabilities once the ports are open')
    .option(
      '--rebalance <MODE>',
      'dry, auto or off: even out the workers: say what would be moved (default), do it, or not',
    )
    .option('--end-with-stdin', 'stop when standard input ends (a parent process holds it)')
    .option('--json', 'print the summary as one JSON document')
    .action(async (flags: ForwardFlags) => {
      await forward({ ...flags, port: flags.port ?? [] });
    });
}

/** What ends a run in order. A terminal that is closed sends the last one. */
const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

/** Prints a line on standard error, at once. */
function say(line: string): void {
  noteLine(line);
}

async function forward(flags: ForwardFlags): Promise<void> {
  if (flags.check === true) return check(flags);
  // What a killed run of this program left behind goes now; live ones' namespaces are never touched.
  for (const name of sweepDead()) say(`rxsteer: removed ${name}, left by a killed run`);
  const warn = (message: string) => say(`rxsteer: warning: ${message}`);
  const manager = serviceManager(process.env, warn);
  const parsed = forwardOptions(flags, warn);
  const { policy, workers } = parsed.engine;
  // The policies that have something to warn of; a user's module is loaded by the workers only.
  if (policy.policy === 'rss' || policy.policy === 'pools') {
    for (const warning of policyWarnings(compilePolicy(policy, { workers }))) {
      say(`rxsteer: warning: ${warning}`);
    }
    // Nearly every NIC hashes the ports of TCP.
    for (const text of policyAssumptions(policy, ['udp-ipv4', 'udp-ipv6', 'ipv4', 'ipv6'])) {
      say(`rxsteer: warning: policy ${policy.text}: ${text}`);
    }
  }
  const summary = await runForwarder(parsed.engine, {
    durationMs: parsed.durationMs,
    statsMs: parsed.statsMs,
    control: parsed.control,
    metrics: parsed.metrics,
    endWithStdin: flags.endWithStdin === true,
    drop: parsed.drop,
    manager,
    saved: (engine, server) => runningConfig(engine, server, parsed),
    ...(flags.config === undefined || flags.config === '-'
      ? {}
      : { reload: { started: parsed, read: () => forwardOptions(flags, warn) } }),
    onReady: (socket, metrics) => {
      say('ready');
      if (metrics !== null && flags.json !== true) say(`metrics: ${metrics}`);
      // Programs that start it know where to look.
      if (flags.json !== true && socket !== null && isOpenEnded(parsed)) say(howToLook(socket));
    },
  });
  if (flags.json === true) printJson(summary);
  else print(renderSummary(summary).trimEnd());
}

/** `--check`. @throws UserError */
async function check(flags: ForwardFlags): Promise<void> {
  const { checkForward, renderChecked } = await import('./forward-check.js');
  const checked = await checkForward(forwardOptions(flags, (message) => say(`rxsteer: warning: ${message}`)));
  for (const warning of checked.warnings) say(`rxsteer: warning: ${warning}`);
  if (flags.json === true) printJson(checked);
  else print(renderChecked(checked));
}

/** Short runs tell all in their summary. */
const SHORT_MS = 10_000;

/** The run goes on until somebody ends it. */
function isOpenEnded({ engine, durationMs }: ReturnType<typeof forwardOptions>): boolean {
  const ends = engine.ports.some((port) => kindOf(port).ends(port));
  return !ends && (durationMs === null || durationMs > SHORT_MS);
}

/** How to see what the forwarder does: without the socket's path where it is found by itself. */
function howToLook(socket: string): string {
  const place = socketPid(socket) === process.pid ? '' : ` --socket ${socket}`;
  return `look: rxsteer ctl status${place}, rxsteer ctl stats --watch${place}`;
}

export interface RunHooks {
  readonly durationMs: number | null;
  readonly statsMs: number | null;
  /** The control socket; null or absent = none. */
  readonly control?: ControlFlags | null;
  /** Metrics for others than those who ask the control socket; null or absent = none. */
  readonly metrics?: MetricsFlags | null;
  /** Stop when standard input ends. */
  readonly endWithStdin?: boolean;
  /** Privileges are limited when the ports are open, with `drop` given up altogether; absent = kept. */
  readonly drop?: boolean;
  /** Is told how the run goes; null or absent = nobody. */
  readonly manager?: ServiceManager | null;
  /** What `ctl save` writes. */
  readonly saved?: (engine: Engine, control: ControlServer) => unknown;
  /** What SIGHUP does instead of ending the run: reads the configuration again. */
  readonly reload?: { readonly started: ParsedForward; readonly read: () => ParsedForward };
  /** @param socket path of the control socket, or null. @param metrics address of `--metrics`, or null */
  readonly onReady: (socket: string | null, metrics: string | null) => void;
}

/** Starts an engine, runs it until it is to end, stops it; the final summary. Used by `demo` too. */
export async function runForwarder(options: EngineOptions, hooks: RunHooks): Promise<Summary> {
  const { Engine } = await import('../dataplane/engine/engine.js');
  const { summarize } = await import('../dataplane/engine/summary.js');
  let interrupts = 0;
  let interrupted: () => void = () => {};
  const interrupt = new Promise<void>((resolve) => {
    interrupted = resolve;
  });
  const starting = new AbortController();
  const guard = new Guard((line) => say(`rxsteer: warning: ${line}`));
  let control: ControlServer | null = null;
  let shown: ShownMetrics | null = null;
  let recorder: Recorder | null = null;
  let reloader: Reloader | null = null;
  const hadTerminal = hasTerminal();
  const manager = hooks.manager ?? null;
  const onSignal = (signal: NodeJS.Signals) => {
    // A terminal that is closed sends it too.
    if (signal === 'SIGHUP' && hooks.reload !== undefined && !(hadTerminal && !hasTerminal())) {
      const running = reloader;
      if (running !== null) void (manager ? manager.reload(() => running.reload()) : running.reload());
      return;
    }
    interrupts++;
    if (interrupts > 1) {
      guard.run('control socket', () => control?.remove());
      // A loop inside a native wait would hang a plain exit: let the kernel end the process.
      hardExit();
    }
    interrupted();
    starting.abort(new Interrupted('interrupted while its ports were being opened'));
  };
  for (const signal of SIGNALS) process.on(signal, onSignal);
  let timer: NodeJS.Timeout | undefined;
  let stats: NodeJS.Timeout | undefined;
  try {
    const prepared = hooks.control ? await prepareControl(hooks.control, say) : null;
    if (hooks.metrics) {
      const { ShownMetrics } = await import('./forward-metrics.js');
      shown = await ShownMetrics.prepare(hooks.metrics, say);
    }
    const written = [...(shown?.folders ?? []), ...(prepared?.path ? [dirname(prepared.path)] : [])];
    const opened = () => limit(options, written, hooks.drop);
    const engine = await Engine.start({ ...options, opened, signal: starting.signal });
    if (prepared !== null || shown !== null) {
      const { Recorder } = await import('../observe/recorder.js');
      recorder = new Recorder(engine);
      shown?.begin(recorder);
    }
    if (prepared !== null && recorder !== null) {
      try {
        const { saved } = hooks;
        control = await prepared.start(engine, recorder, saved && ((server) => saved(engine, server)));
      } catch (error) {
        await engine.stop();
        throw error;
      }
    }
    if (hooks.reload !== undefined) reloader = await reloaderOf(engine, control, hooks.reload);
    hooks.onReady(control?.path ?? null, shown?.url ?? null);
    manager?.ready(`${options.ports.length} ports, ${options.workers} workers, ${options.policy.text}`);
    const ends = [interrupt, engine.drained, engine.failed];
    if (hooks.endWithStdin === true) {
      process.stdin.resume();
      process.stdin.once('end', interrupted).once('error', interrupted);
    }
    if (hooks.durationMs !== null) {
      const { durationMs } = hooks;
      ends.push(
        new Promise((resolve) => {
          timer = setTimeout(resolve, durationMs);
        }),
      );
    }
    if (hooks.statsMs !== null) {
      let previous = summarize(engine);
      stats = setInterval(() => {
        guard.run('statistics', () => {
          engine.refreshPortCounters();
          const current = summarize(engine);
          say(renderRates(previous, current));
          previous = current;
        });
      }, hooks.statsMs);
    }
    await Promise.race(ends);
    manager?.stopping();
    clearInterval(stats);
    await control?.close();
    await engine.stop();
    recorder?.close();
    await shown?.close();
    shown = null;
    const summary = summarize(engine);
    if (engine.failure !== null) throw engine.failure;
    return summary;
  } finally {
    clearTimeout(timer);
    clearInterval(stats);
    await control?.close();
    await shown?.close();
    if (hooks.endWithStdin === true) process.stdin.pause();
    for (const signal of SIGNALS) process.off(signal, onSignal);
  }
}

/** What can no longer be done after `--drop`. */
function droppedText(): string {
  const kinds = portKinds().filter(({ capabilities }) => capabilities.length > 0);
  const names = kinds.map(({ name }) => `${name}:`).join(', ');
  return `interfaces that vanish are not opened again when they are back, and no port of an interface (${names}) can be added`;
}

/** Whether this process has a terminal that it could be ended from. */
function hasTerminal(): boolean {
  try {
    closeSync(openSync('/dev/tty', constants.O_RDONLY | constants.O_NOCTTY));
    return true;
  } catch {
    return false;
  }
}

async function reloaderOf(
  engine: Engine,
  control: ControlServer | null,
  { started, read }: NonNullable<RunHooks['reload']>,
): Promise<Reloader> {
  const { Reloader } = await import('./forward-reload.js');
  const { Controller } = await import('../control/controller.js');
  const controller = control?.controller ?? new Controller(engine, version());
  return new Reloader(
    { controller, watcher: control?.watcher ?? null, read, say: (line) => say(`rxsteer: ${line}`) },
    started,
  );
}

/** Gives up what is not needed once all ports are open. @throws UserError */
function limit(
  { ports, policy }: EngineOptions,
  folders: readonly string[],
  drop: boolean | undefined,
): void {
  if (drop === undefined) return;
  const written = ports.flatMap((port) => kindOf(port).files?.(port).written ?? []);
  const read = policy.policy === 'js' && existsSync(policy.file) ? [policy.file] : [];
  limitPrivileges(loadNative(), { read, write: [...written, ...folders] }, drop);
  if (drop) say(`rxsteer: all capabilities are given up (--drop): ${droppedText()}`);
}

/** Ends the process now with exit code 130, threads inside native calls or not. */
function hardExit(): never {
  // process.exit() waits for worker threads; reallyExit does not run any hook.
  (process as unknown as { reallyExit(code: number): never }).reallyExit(130);
  throw new UserError('unreachable');
}
