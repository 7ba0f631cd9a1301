/**
 * The control socket of `rxsteer forward`: its flags, and its life beside the engine's.
 *
 * Promise: listens before `ready` is printed and is gone before the engine stops, also after an interrupt. Without
 * --control a forwarder that has no place for a socket runs without one and says so; with it that is an error.
 */

import { REBALANCE_MODES, type RebalanceMode } from '../control/modes.js';
import type { ControlServer } from '../control/server.js';
import { placeSocket } from '../control/socket.js';
import type { Engine } from '../dataplane/engine/engine.js';
import { UserError } from '../errors.js';
import type { Recorder } from '../observe/recorder.js';
import { version } from './version.js';

/** What the command line asked for. */
export interface ControlFlags {
  /** Path of the socket; null = the default one. */
  readonly path: string | null;
  readonly rebalance: RebalanceMode;
  /** Policies `js:FILE` may be given through the socket. */
  readonly allowJs: boolean;
  /** A dashboard may change the policy. */
  readonly allowApply: boolean;
}

/** @param control value of `--control`, false for `--no-control`. Null = no control. @throws UserError */
export function controlFlags(
  control: string | boolean | undefined,
  rebalance: string | undefined,
  allowJs: boolean,
  allowApply: boolean,
): ControlFlags | null {
  const mode = REBALANCE_MODES.find((name) => name === (rebalance ?? 'dry'));
  if (mode === undefined) {
    throw new UserError(`--rebalance ${rebalance}: expected one of ${REBALANCE_MODES.join(', ')}`);
  }
  if (control === false) {
    if (rebalance !== undefined && mode !== 'off') {
      throw new UserError(`--rebalance ${mode}: does not go with --no-control`);
    }
    if (allowJs) throw new UserError('--allow-js: does not go with --no-control');
    if (allowApply) throw new UserError('--allow-apply: does not go with --no-control');
    return null;
  }
  if (control === '') throw new UserError('--control: expected the path of a socket');
  return { path: typeof control === 'string' ? control : null, rebalance: mode, allowJs, allowApply };
}

/** A place for the socket, and what listens there. */
export interface PreparedControl {
  /** Null where there is no place for one. */
  readonly path: string | null;
  readonly start: (
    engine: Engine,
    recorder: Recorder,
    config?: (control: ControlServer) => unknown,
  ) => Promise<ControlServer | null>;
}

/** A place for the socket, found before anything is opened. The server's code is loaded while the engine starts. */
export async function prepareControl(
  flags: ControlFlags,
  say: (line: string) => void,
): Promise<PreparedControl> {
  const place = await placeSocket(flags.path);
  const loading = import('../control/server.js');
  // Waited for below; an engine that does not start leaves it alone.
  loading.catch(() => {});
  const start: PreparedControl['start'] = async (engine, recorder, config) => {
    if ('problem' in place) {
      say(`rxsteer: warning: no control socket: ${place.problem} (--control PATH, or --no-control)`);
      return null;
    }
    const { startControl } = await loading;
    const server: ControlServer = await startControl(engine, {
      path: place.path,
      another: () => placeSocket(flags.path),
      version: version(),
      rebalance: flags.rebalance,
      allowJs: flags.allowJs,
      allowApply: flags.allowApply,
      recorder,
      ...(config === undefined ? {} : { config: () => config(server) }),
      say: (line) => say(`rxsteer: ${line}`),
    });
    return server;
  };
  return { path: 'problem' in place ? null : place.path, start };
}
