/** Runs contestants in turns, and drops the rounds in which the machine did something else. */
import { abba, type BenchOptions, Samples } from '../runner.js';
import { Contestant } from './contestant.js';

export const TIME = 'time';

export interface Entry {
  readonly name: string;
  readonly command: readonly string[];
}

/**
 * Starts all; the ones that do not come up go into the notes, unless `needed` names them.
 */
export async function startAll(
  suite: string,
  entries: readonly Entry[],
  needed: (name: string) => boolean,
  notes: string[],
): Promise<Contestant[]> {
  const started: Contestant[] = [];
  try {
    for (const { name, command } of entries) {
      const contestant = new Contestant(name, command);
      try {
        await contestant.ready();
        started.push(contestant);
      } catch (error) {
        await contestant.end();
        if (needed(name)) throw error;
        notes.push(`${suite}: ${name} left out: does not run here: ${(error as Error).message}`);
      }
    }
  } catch (error) {
    await endAll(started);
    throw error;
  }
  return started;
}

export async function endAll(contestants: readonly Contestant[]): Promise<void> {
  for (const contestant of contestants) await contestant.end();
}

/**
 * Times all in turns: a sample per round and contestant, under `TIME`. A round in which one of them could not run
 * undisturbed is left out for all, so that the samples of a round belong together.
 */
export async function timeRounds(
  suite: string,
  contestants: readonly Contestant[],
  rounds: number,
  options: BenchOptions,
  windows: { readonly seconds: number; readonly count: number },
): Promise<{ samples: Samples; lost: number }> {
  const samples = new Samples();
  let lost = 0;
  // The first round warms what stopping has cooled.
  for (const [index, order] of abba(contestants, rounds + 1).entries()) {
    options.signal.throwIfAborted();
    options.progress(`${suite}: round ${index} of ${rounds}`);
    const times = new Map<string, number>();
    for (const contestant of order) {
      const time = await contestant.time(windows.seconds, windows.count);
      if (time !== null) times.set(contestant.name, time);
    }
    if (index === 0) continue;
    if (times.size < contestants.length) lost++;
    else for (const [name, time] of times) samples.add(name, TIME, time);
  }
  return { samples, lost };
}
