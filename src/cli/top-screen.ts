/**
 * The terminal under `rxsteer top`: whole screen, single keys, sizes.
 *
 * Promise: the terminal is as it was when this ends, however it ends: another screen is used, the cursor comes back, and
 * what was typed is not echoed; and so it is while this is stopped (Ctrl-Z), after which it goes on where it was. Nothing is drawn that a slow terminal has no room for yet.
 */
import { emitKeypressEvents, type Key } from 'node:readline';

const ENTER = '\x1b[?1049h\x1b[?25l\x1b[2J';
const LEAVE = '\x1b[?25h\x1b[?1049l';

export interface ScreenHandlers {
  /** A key by its name, or its character. */
  readonly key: (key: string) => void;
  readonly resize: () => void;
}

/** Name of a key as `press` takes it. */
export function keyName(text: string | undefined, key: Key): string {
  if (key.ctrl === true && key.name !== undefined) return `ctrl-${key.name}`;
  // `S` is not `s`, and `+` has no name.
  if (text !== undefined && /^[\x21-\x7e]$/.test(text)) return text;
  return key.name ?? text ?? '';
}

/** Takes the terminal over. */
export class TerminalScreen {
  private readonly onKey = (text: string | undefined, key: Key) => {
    const name = keyName(text, key);
    if (name === 'ctrl-z') this.onStop();
    else this.handlers.key(name);
  };
  private readonly onResize = () => this.handlers.resize();
  private readonly onExit = () => this.leave();
  /** Gives the terminal back, stops, and goes on here when somebody says so. */
  private readonly onStop = () => {
    this.restore();
    process.off('SIGTSTP', this.onStop);
    process.kill(process.pid, 'SIGTSTP');
    process.on('SIGTSTP', this.onStop);
    // Where nobody could say so, it was not stopped.
    this.onContinue();
  };
  /** The shell may have set the terminal as it likes it meanwhile. */
  private readonly onContinue = () => {
    if (this.left) return;
    this.enter();
    this.handlers.resize();
  };
  private left = false;

  constructor(private readonly handlers: ScreenHandlers) {
    const { stdin, stdout } = process;
    emitKeypressEvents(stdin);
    stdin.resume();
    stdin.on('keypress', this.onKey);
    stdout.on('resize', this.onResize);
    process.on('exit', this.onExit).on('SIGTSTP', this.onStop).on('SIGCONT', this.onContinue);
    this.enter();
  }

  private enter(): void {
    try {
      // Setting what is thought to be set already would do nothing.
      process.stdin.setRawMode(false);
      process.stdin.setRawMode(true);
    } catch {
      // The terminal has gone: a hang-up ends this.
    }
    process.stdout.write(ENTER);
  }

  private restore(): void {
    try {
      process.stdin.setRawMode(false);
    } catch {
      // The terminal has gone.
    }
    process.stdout.write(LEAVE);
  }

  get size(): { columns: number; rows: number } {
    return { columns: process.stdout.columns || 80, rows: process.stdout.rows || 24 };
  }

  draw(lines: readonly string[]): void {
    // A terminal that does not keep up gets the next picture, not all of them.
    if (process.stdout.writableLength > 0) return;
    process.stdout.write(`\x1b[H${lines.map((line) => `${line}\x1b[0m\x1b[K`).join('\r\n')}\x1b[J`);
  }

  leave(): void {
    if (this.left) return;
    this.left = true;
    const { stdin, stdout } = process;
    stdin.off('keypress', this.onKey);
    stdout.off('resize', this.onResize);
    process.off('exit', this.onExit).off('SIGTSTP', this.onStop).off('SIGCONT', this.onContinue);
    this.restore();
    stdin.pause();
  }
}
