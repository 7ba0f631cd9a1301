// What each trick of the hot loops brings (docs/hot-loops.md): the built code beside copies of it in which one trick is
// undone, in processes of their own, visited A B B A; medians and ranges of the rounds' ratios.
// Usage: node bench/hot-loops/run.mjs [ROUNDS] [threads] (ROUNDS: default 7; threads: also the tricks between threads)
import { execFileSync } from 'node:child_process';
import { cpSync, mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { ONE_THREAD, TWO_THREADS } from './tricks.mjs';

const root = fileURLToPath(new URL('../../', import.meta.url));
const place = `${root}build/hot-loops/`;
const rounds = Number(process.argv[2]) || 7;
const FRAMES = 6_000_000;

/** A copy of the built code, with some files changed. */
function copyOf(name, changes) {
  const folder = `${place}${name.replace(/\W+/g, '-')}/`;
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  cpSync(`${root}dist`, `${folder}dist`, { recursive: true });
  for (const link of ['node_modules', 'build', 'assets']) symlinkSync(`${root}${link}`, `${folder}${link}`);
  cpSync(`${root}package.json`, `${folder}package.json`);
  for (const [file, change] of Object.entries(changes)) {
    const path = `${folder}dist/${file}`;
    writeFileSync(path, change(readFileSync(path, 'utf8')));
  }
  return folder;
}

/** Nanoseconds of CPU time that the rx stage of a worker takes for a frame. */
function rxStage(folder) {
  const text = execFileSync(process.execPath, [fileURLToPath(new URL('./rx.mjs', import.meta.url)), folder], {
    encoding: 'utf8',
  });
  return Number(text);
}

/** Nanoseconds of a frame from a memory source through two workers into a sink. */
function pipeline(folder) {
  const words = [
    'forward',
    '--json',
    '--workers',
    '2',
    '--policy',
    'rss',
    '--port',
    `a=memory:source,packets=${FRAMES}`,
  ];
  const text = execFileSync(
    process.execPath,
    [`${folder}dist/cli/main.js`, ...words, '--port', 'b=memory:sink'],
    {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
    },
  );
  return (JSON.parse(text).durationMs * 1e6) / FRAMES;
}

const median = (values) => [...values].sort((a, b) => a - b)[values.length >> 1];

/** Measures each copy right beside the code as it is, and prints a table. */
function compare(title, tricks, measure) {
  const whole = copyOf('all', {});
  console.log(`\n${title}, ${rounds} rounds, Node ${process.version}`);
  for (const [name, changes] of Object.entries(tricks)) {
    const copy = copyOf(name, changes);
    const pairs = Array.from({ length: rounds }, (_, round) => {
      if (round % 2 === 0) return [measure(whole), measure(copy)];
      const undone = measure(copy);
      return [measure(whole), undone];
    });
    const ratios = pairs.map(([a, b]) => b / a).sort((a, b) => a - b);
    const [low, high] = [ratios[0], ratios.at(-1)].map((ratio) => ratio.toFixed(2));
    console.log(
      `without ${name.padEnd(28)} ${median(ratios).toFixed(2)} [${low}, ${high}]  ${median(pairs.map(([a]) => a)).toFixed(1)} -> ${median(pairs.map(([, b]) => b)).toFixed(1)} ns`,
    );
  }
}

try {
  compare('rx stage of one worker, a frame', ONE_THREAD, rxStage);
  if (process.argv.includes('threads')) compare('two workers, a frame', TWO_THREADS, pipeline);
} finally {
  rmSync(place, { recursive: true, force: true });
}
