/**
 * The lines of what ethtool printed, as people save and paste it.
 *
 * Promise: line ends of any system, the marks of quoted mail and of comments, and shell prompts are taken off; numbers
 * of lines in errors are those of the input. JSON documents between the lines are taken out as texts. Pure.
 */
import { UserError } from '../errors.js';

/** The input in lines, and a place in it. */
export class EthtoolLines {
  /** Trimmed; empty where a JSON document stood. */
  readonly lines: string[];
  /** JSON documents with the index of their first line. */
  readonly documents: { readonly at: number; readonly text: string }[] = [];
  at = 0;

  /** @param place names the input in errors. */
  constructor(
    text: string,
    readonly place: string,
  ) {
    const raw = text.replace(/^\uFEFF/, '').split(/\r\n|\n|\r/);
    this.lines = raw.map(plain);
    for (let at = 0; at < raw.length; at++) {
      // `[...]` stands for what was left out, not for JSON.
      if (/^\[(?!\s*[.…<])/.test(this.lines[at]!)) at = this.#takeDocument(at);
    }
  }

  /** The line at the place, or undefined behind the last one. */
  get line(): string | undefined {
    return this.lines[this.at];
  }

  /** Passes over empty lines. */
  skipEmpty(): void {
    while (this.line === '') this.at++;
  }

  /** An error about a line, by default the one at the place. */
  fault(what: string, at = this.at): UserError {
    return new UserError(`${this.place}: line ${at + 1}: ${what}`);
  }

  /** An error about the whole. */
  problem(what: string): UserError {
    return new UserError(`${this.place}: ${what}`);
  }

  /** Takes the JSON document that begins in a line; gives the index of its last line. */
  #takeDocument(from: number): number {
    let depth = 0;
    let isText = false;
    let text = '';
    let at = from;
    for (; at < this.lines.length; at++) {
      const line = this.lines[at]!;
      this.lines[at] = '';
      text += `${line}\n`;
      for (let i = 0; i < line.length; i++) {
        const char = line[i];
        if (isText) {
          if (char === '\\') i++;
          else if (char === '"') isText = false;
        } else if (char === '"') isText = true;
        else if (char === '[' || char === '{') depth++;
        else if (char === ']' || char === '}') depth--;
      }
      if (depth <= 0) break;
    }
    this.documents.push({ at: from, text });
    return at;
  }
}

/** A line without what mail, comments and margins put before it. */
function plain(line: string): string {
  return line.replace(/^(\s*[>|#])+/, '').trim();
}
