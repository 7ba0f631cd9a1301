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
const HAND_OVER = 'dataplane/worker/hand-over.js';
const DISSECT = 'packet/dissect.js';
const RECEIVE = 'dataplane/worker/receive.js';
const POOL = 'dataplane/memory/pool.js';
const PRODUCER = 'dataplane/memory/producer.js';
const RING = 'dataplane/memory/ring.js';

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

/** Every call of `handOver` gets `more` as well. */
const calling = (more) => (text) => without(text, / handOver\((.*)\);/g, ` handOver($1, ${more});`);

/** Arrays from a field of an object that the loop is given. */
const ownArrays = (text) =>
  without(
    without(
      without(
        text,
        /if \(HOT\.words !== [^{]*\{\s*bind\((.*?)\);\s*\}/,
        'if (producer.own === undefined) {\n bind($1);\n producer.own = { ...HOT };\n }',
      ),
      'handOver(from, n) {',
      'handOver(from, n, parts) {',
    ),
    '} = HOT;',
    '} = parts.own;',
  );

/** The tricks that one thread shows: `files` by name, each with what undoes it there. */
export const ONE_THREAD = {
  'constants of the module': Object.fromEntries(
    [DISPATCH, HAND_OVER, DISSECT, RECEIVE, POOL, PRODUCER].map((file) => [file, importedConstants]),
  ),
  'arrays in a constant object': { [DISPATCH]: calling('producer'), [HAND_OVER]: ownArrays },
  'masks instead of bounds': {
    [HAND_OVER]: (text) => without(text, /\(([^;]*?)\) & (area|slot|wide)Mask/g, '($1)'),
  },
  '`| 0` after sums': {
    [HAND_OVER]: (text) => without(text, /\) \| 0;/g, ');'),
    [RING]: (text) => take(text, (body) => without(body, / \| 0/g, '')),
  },
  'copies of two words': {
    [HAND_OVER]: (text) =>
      without(
        text,
        /areaWide\[t \+ (\d)\] = wide\[f \+ \d\];/g,
        (_, k) =>
          `area[e + ${2 * k}] = words[2 * f + ${2 * k}]; area[e + ${2 * k + 1}] = words[2 * f + ${2 * k + 1}];`,
      ),
  },
  'arguments through memory': {
    [DISPATCH]: calling('first, Math.imul(queue * QUEUE_SLOTS + this.firstSlot, SLOT_WORDS), producer.base'),
    [HAND_OVER]: (text) =>
      without(
        without(text, 'handOver(from, n) {', 'handOver(from, n, first, firstSlot, base) {'),
        /const first = CALL\[SEQ\];\s*const firstSlot = CALL\[SLOT\];\s*const base = CALL\[BASE\];/,
        '',
      ),
  },
  'no call in the loop': {
    [HAND_OVER]: (text) =>
      without(text, 'const word = slots[s + WORD];', 'const word = Atomics.load(slots, s + WORD);'),
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
