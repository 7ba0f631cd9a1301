/**
 * YAML and JSON texts of the user's, parsed.
 *
 * Promise: what is not understood whole is a UserError of one line: also what the library only warns of (unknown tags,
 * keys that are no words), and nesting that no value here has. The library is loaded when it is needed: most calls have
 * no such file, and it takes 25 ms.
 */
import { createRequire } from 'node:module';
import { UserError } from './errors.js';

/** Lists and objects inside each other at most. */
export const NESTING_MAX = 32;

/** The same in tokens: a level may take several columns. */
const TOKEN_NESTING_MAX = 4 * NESTING_MAX;

function tooDeep(place: string): UserError {
  return new UserError(`${place}: nested more than ${NESTING_MAX} deep`, { code: 'RXS_SYNTAX' });
}

/** Throws UserError where a value is nested deeper than anything that is meant; never overflows itself. */
export function checkNesting(value: unknown, place: string): void {
  let level: unknown[] = [value];
  for (let depth = 0; level.length > 0; depth++) {
    if (depth > NESTING_MAX) throw tooDeep(place);
    level = level.flatMap((one) =>
      typeof one === 'object' && one !== null
        ? Object.values(one).filter((inner) => typeof inner === 'object' && inner !== null)
        : [],
    );
  }
}

type Library = typeof import('yaml');

/**
 * Whether a text is nested so deeply that the library's recursion would end the process, which no exception does: found
 * from its tokens, before anything is composed. Flow collections count by their brackets, block ones by their columns.
 */
function isTooDeep({ Lexer, CST }: Library, text: string): boolean {
  const columns: number[] = [];
  let flow = 0;
  let column = 0;
  for (const token of new Lexer().lex(text)) {
    const type = CST.tokenType(token);
    if (type === 'newline') {
      column = 0;
      continue;
    }
    if (type === 'doc-mode' || type === 'flow-error-end' || type === 'scalar' || type === null) {
      // Marks without a width, and the text of scalars behind theirs; a key's column is that of its mark.
      if (type === 'scalar') place(columns, column, flow);
      else if (type === null) column += token.length;
      continue;
    }
    if (type === 'flow-map-start' || type === 'flow-seq-start') flow++;
    else if (type === 'flow-map-end' || type === 'flow-seq-end') flow--;
    else if (type !== 'space' && type !== 'comment') place(columns, column, flow);
    column += token.length;
    if (flow + columns.length > TOKEN_NESTING_MAX) return true;
  }
  return false;
}

/** Something begins in a column: what began farther right has ended. */
function place(columns: number[], column: number, flow: number): void {
  if (flow > 0) return;
  while (columns.length > 0 && columns.at(-1)! > column) columns.pop();
  if (columns.at(-1) !== column) columns.push(column);
}

/** @param place what errors begin with. @throws UserError */
export function parseYaml(text: string, place: string): unknown {
  const library = createRequire(import.meta.url)('yaml') as Library;
  if (isTooDeep(library, text)) throw tooDeep(place);
  let value: unknown;
  try {
    // Silent: what there is to warn of is an error here.
    const document = library.parseDocument(text, { logLevel: 'error' });
    const problem = document.errors[0] ?? document.warnings[0];
    if (problem !== undefined) throw problem;
    library.visit(document, {
      Pair(_, { key }) {
        if (library.isCollection(key)) throw new Error('a key is a list or an object: a word is wanted');
      },
    });
    value = document.toJS();
  } catch (error) {
    // The library shows the line below its message, which ends in a colon therefore.
    const message = (error as Error).message.split('\n')[0]!.replace(/:$/, '');
    throw new UserError(`${place}: ${message}`, { code: 'RXS_SYNTAX' });
  }
  checkNesting(value, place);
  return value;
}
