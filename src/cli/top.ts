/**
 * `rxsteer top`: a running forwarder on the terminal, second by second.
 *
 * Promise: it only asks, and changes nothing. With `--once`, or where standard output is no terminal, it prints one
 * frame. When the forwarder ends it ends too, and says so in one line.
 */
import type { Command } from 'commander';
import { ask, findSocket } from '../control/client.js';
import type { Summary } from '../dataplane/engine/summary.js';
import { UserError } from '../errors.js';
import type { History } from '../observe/history.js';
import { mergeHistory } from '../observe/history-merge.js';
import { colour, noteLine, print } from './output.js';
import { type Reading, topModel } from './top-model.js';
import { renderTop, sortColumns } from './top-render.js';
import { TerminalScreen } from './top-screen.js';
import { FIRST_VIEW, press, VIEWS, type View } from './top-view.js';

interface Flags {
  readonly socket?: string;
  readonly once?: boolean;
  readonly view?: string;
}

/** Seconds between the two readings of `--once`. */
const ONCE_MS = 1000;
/** Columns of a pipe. */
const PIPE_COLUMNS = 80;

/** Asks a forwarder again and again, and keeps what it said. */
class Readings {
  private before: Summary | null = null;
  private now: Summary | null = null;
  private history: History | null = null;

  constructor(private readonly socket: string) {}

  async next(): Promise<Reading> {
    const since = this.history === null ? '' : `?since=${this.history.next}&events=${this.history.nextEvent}`;
    let [now, later] = await Promise.all([
      ask<Summary>(this.socket, 'GET', '/stats'),
      ask<History>(this.socket, 'GET', `/history${since}`),
    ]);
    if (this.history !== null && later.started !== this.history.started) {
      // Another one answers there by now: nothing of the first goes on.
      [now, later] = await Promise.all([
        ask<Summary>(this.socket, 'GET', '/stats'),
        ask<History>(this.socket, 'GET', '/history'),
      ]);
      this.now = null;
    }
    this.before = this.now ?? now;
    this.now = now;
    this.history = this.history === null ? later : mergeHistory(this.history, later);
    return { before: this.before, now, history: this.history };
  }
}

function viewNamed(name: string | undefined): View {
  const found = VIEWS.find((view) => view === (name ?? 'overview'));
  if (found === undefined) throw new UserError(`--view ${name}: expected one of ${VIEWS.join(', ')}`);
  return { ...FIRST_VIEW, name: found };
}

const delay = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms));

async function once(readings: Readings, view: View): Promise<void> {
  await readings.next();
  await delay(ONCE_MS);
  const model = topModel(await readings.next());
  const asked = Number(process.env.COLUMNS);
  const columns = process.stdout.columns ?? (asked >= 20 && asked <= 1000 ? asked : PIPE_COLUMNS);
  const screen = { columns, rows: Number.POSITIVE_INFINITY, paint: colour };
  print(
    renderTop(model, view, screen)
      .map((line) => line.trimEnd())
      .join('\n'),
  );
}

/** Draws until a key ends it, or the forwarder does. */
async function run(readings: Readings, first: View): Promise<void> {
  let view = first;
  let reading = await readings.next();
  let ended = false;
  let wake = () => {};
  const wait = (ms: number) =>
    new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, ms);
      wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  const screen = new TerminalScreen({
    key: (key) => {
      const next = press(view, key, { columns: sortColumns(view.name), page: screen.size.rows - 6 });
      if (next === null) {
        ended = true;
        wake();
        return;
      }
      const isPaceNew = next.everyMs !== view.everyMs;
      view = next;
      draw();
      if (isPaceNew) wake();
    },
    resize: () => draw(),
  });
  const draw = () => screen.draw(renderTop(topModel(reading), view, { ...screen.size, paint: colour }));
  const onSignal = () => {
    ended = true;
    wake();
  };
  process.once('SIGINT', onSignal).once('SIGTERM', onSignal).once('SIGHUP', onSignal);
  try {
    draw();
    while (!ended) {
      await wait(view.everyMs);
      if (ended) break;
      const next = await readings.next();
      // While it is paused the figures go on, unseen: rates are right when it goes on.
      if (view.paused) continue;
      reading = next;
      draw();
    }
  } finally {
    screen.leave();
    process.off('SIGINT', onSignal).off('SIGTERM', onSignal).off('SIGHUP', onSignal);
  }
}

async function top(flags: Flags): Promise<void> {
  const view = viewNamed(flags.view);
  const socket = flags.socket ?? (await findSocket());
  const readings = new Readings(socket);
  if (flags.once === true || process.stdout.isTTY !== true || process.stdin.isTTY !== true) {
    await once(readings, view);
    return;
  }
  try {
    await run(readings, view);
  } catch (error) {
    noteLine(`rxsteer: ${(error as Error).message}`);
    process.exitCode = 1;
  }
}

export function register(program: Command): void {
  program
    .command('top')
    .description('a running forwarder on the terminal: load, rates, hand-offs, order (h: keys)')
    .option('--socket <path>', 'control socket (default: that of the one running forwarder)')
    .option('--once', 'print one frame and end; also where the output is no terminal')
    .option('--view <name>', `the first view: ${VIEWS.join(', ')} (default: overview)`)
    .allowExcessArguments(false)
    .action(top);
}
