// What the hot loops do for V8's sake, each undone in a copy of the built code.
//
// A trick names the files that it is in and how their text looks without it. `undo` throws when the text is not there
// any more, so that a figure is never one of a change that was not made.

/** Replaces every match; throws where there is none. */
function without(text, pattern, replacement) {
  const changed = text.replace(pattern, replacement);
  if (changed === text) throw new Error(`nothing matches ${pattern}`);
  return changed;
}

/** Applies `change` to the part of a text from `from` to `to` only. */
function inside(text, from, to, change) {
  const start = text.indexOf(from);
  const end = text.indexOf(to, start);
  if (start < 0 || end < 0) throw new Error(`no part from ${from} to ${to}`);
  return text.slice(0, start) + change(text.slice(start, end)) + text.slice(end);
}

const DISPATCH = 'dataplane/worker/dispatch.js';
const DISSECT = 'packet/dissect.js';
const RECEIVE = 'dataplane/worker/receive.js';
const POOL = 'dataplane/memory/pool.js';
const PRODUCER = 'dataplane/memory/producer.js';
const RING = 'dataplane/memory/ring.js';

const handOver = (text, change) =>
  inside(text, '    handOver(from, n) {', '    /** Frame i of the burst,', change);
const take = (text, change) =>
  inside(text, '        const start = batch.n | 0;', '        batch.n = (start', change);

/** Constants of the module that stand for fields of imported objects: those are read instead. */
function importedConstants(text) {
  let changed = text;
  for (const [line, name, value] of text.matchAll(/^const ([A-Z0-9_]+) = ([A-Za-z]+\.[A-Za-z0-9]+);$/gm)) {
    changed = changed.replace(`${line}\n`, '').replace(new RegExp(`\\b${name}\\b`, 'g'), value);
  }
  return without(changed, /$/, '\n');
}

/** Arrays from a field of the object itself. */
const ownArrays = (text) =>
  handOver(text, (body) =>
    without(
      without(
        body,
        /if \(HOT\.words !== [^{]*\{\s*bind\((.*?)\);\s*\}/,
        'if (this.own === undefined) {\n bind($1);\n this.own = { ...HOT };\n }',
      ),
      '} = HOT;',
      '} = this.own;',
    ),
  );

/** The tricks that one thread shows: `files` by name, each with what undoes it there. */
export const ONE_THREAD = {
  'constants of the module': Object.fromEntries(
    [DISPATCH, DISSECT, RECEIVE, POOL, PRODUCER].map((file) => [file, importedConstants]),
  ),
  'arrays in a constant object': { [DISPATCH]: ownArrays },
  'masks instead of bounds': {
    [DISPATCH]: (text) =>
      handOver(text, (body) => without(body, /\(([^;]*?)\) & (area|slot|wide)Mask/g, '($1)')),
  },
  '`| 0` after sums': {
    [DISPATCH]: (text) => handOver(text, (body) => without(body, /\) \| 0;/g, ');')),
    [RING]: (text) => take(text, (body) => without(body, / \| 0/g, '')),
  },
  'copies of two words': {
    [DISPATCH]: (text) =>
      handOver(text, (body) =>
        without(
          body,
          /areaWide\[t \+ (\d)\] = wide\[f \+ \d\];/g,
          (_, k) =>
            `area[e + ${2 * k}] = words[2 * f + ${2 * k}]; area[e + ${2 * k + 1}] = words[2 * f + ${2 * k + 1}];`,
        ),
      ),
  },
  'arguments through memory': {
    [DISPATCH]: (text) =>
      without(
        without(
          text,
          /this\.handOver\((.*)\);/g,
          'this.handOver($1, CALL[SEQ], CALL[SLOT], CALL[BASE]);',
        ).replace('handOver(from, n) {', 'handOver(from, n, first, firstSlot, base) {'),
        /const first = CALL\[SEQ\];\s*const firstSlot = CALL\[SLOT\];\s*const base = CALL\[BASE\];/,
        '',
      ),
  },
  'no call in the loop': {
    [DISPATCH]: (text) =>
      handOver(text, (body) =>
        without(body, 'const word = slots[s + WORD];', 'const word = Atomics.load(slots, s + WORD);'),
      ),
  },
};

/** The tricks that only two threads show. */
export const TWO_THREADS = {
  'entries claimed ahead': {
    [PRODUCER]: (text) => without(text, /^ {4}claim\((\w+)\) \{/m, '    claim($1) {\n        return;'),
  },
  'newest entry first': {
    [RING]: (text) => without(text, 'const newest = count === available;', 'const newest = false;'),
  },
};
