/**
 * Where applications run, for policies that follow them (rfs): nobody can know it from a capture, so it is a model.
 *
 * Promise: deterministic. `flow` (default): a server that accepts connections round-robin over its threads: flow n, in
 * the order of appearance, is read by worker n mod workers. `port`: one single-threaded application for each service:
 * the lower port number mod workers. `none`: nobody reads, rfs is rps. `move=MS`: every so many milliseconds of
 * virtual time the scheduler moves every application to the next worker.
 */
import { UserError, unknownName } from '../errors.js';

const RULES: readonly AppsModel['rule'][] = ['flow', 'port', 'none'];

/** Where applications run. */
export interface AppsModel {
  /** By flow, by the lower port number, or nowhere. */
  readonly rule: 'flow' | 'port' | 'none';
  /** Nanoseconds between moves; 0 = never. */
  readonly moveNs: number;
}

export const DEFAULT_APPS: AppsModel = { rule: 'flow', moveNs: 0 };

/** `flow`, `port`, `none`, with `,move=MS`. @throws UserError */
export function parseApps(text: string): AppsModel {
  const [name = '', ...rest] = text.split(',').map((part) => part.trim());
  const rule = RULES.find((known) => known === name);
  if (rule === undefined) throw unknownName('--apps', name, RULES);
  let moveNs = 0;
  for (const part of rest) {
    const match = /^move=(\d{1,9}(?:\.\d{1,6})?)$/.exec(part);
    if (match === null || Number(match[1]) === 0) {
      throw new UserError(`--apps: "${part}": expected move=MILLISECONDS`);
    }
    moveNs = Number(match[1]) * 1e6;
  }
  return { rule, moveNs };
}

/** The worker on which the application of a flow runs at `now`. `ports`: both ports as one word, 0 where there are none. */
export function appWorker(
  model: AppsModel,
  workers: number,
  flow: number,
  ports: number,
  now: number,
): number {
  const moved = model.moveNs === 0 ? 0 : Math.floor(now / model.moveNs);
  const home = model.rule === 'flow' ? flow : Math.min(ports >>> 16, ports & 0xffff);
  return (home + moved) % workers;
}
