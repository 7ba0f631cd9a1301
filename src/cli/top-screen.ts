/**
 * The terminal under `rxsteer top`: whole screen, single keys, sizes.
 *
 * Promise: the terminal is as it was when this ends, however it ends: another screen is used, the cursor comes back, and
 * what was typed is not echoed. Nothing is drawn that a slow terminal has no room for yet.
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
  if (key.ctrl === true && key.name === 'c') return 'ctrl-c';
  // `S` is not `s`, and `+` has no name.
  if (text !== undefined && /^[\x21-\x7e]$/.test(text)) return text;
  return key.name ?? text ?? '';
}

/** Takes the terminal over. */
export class TerminalScreen {
  private readonly onKey = (text: string | undefined, key: Key) => this.handlers.key(keyName(text, key));
  private readonly onResize = () => this.handlers.resize();
  private readonly onExit = () => this.leave();
  private left = false;

  constructor(private readonly handlers: ScreenHandlers) {
    const { stdin, stdout } = process;
    emitKeypressEvents(stdin);
    stdin.setRawMode(true);
    stdin.resume();
    stdin.on('keypress', this.onKey);
    stdout.on('resize', this.onResize);
    process.on('exit', this.onExit);
    stdout.write(ENTER);
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
    process.off('exit', this.onExit);
    try {
      stdin.setRawMode(false);
    } catch {
      // The terminal has gone.
    }
    stdin.pause();
    stdout.write(LEAVE);
  }
}
