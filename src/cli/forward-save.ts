/**
 * A running forwarder as a configuration file: what `ctl save` writes.
 *
 * Promise: `rxsteer forward --config` with the result starts a forwarder with the same ports, policy (table entries and
 * configured owners that were set since included), workers and limits. What traffic has taught (addresses of the
 * switch, owners of guests that were seen) is no configuration and not in it. Files are named from the root.
 */
import { resolve } from 'node:path';
import { absolutePolicy, absolutePort } from '../control/paths.js';
import type { ControlServer } from '../control/server.js';
import type { Engine } from '../dataplane/engine/engine.js';
import type { EngineOptions } from '../dataplane/engine/plan.js';
import { listenText } from '../observe/listen.js';
import type { PolicySpec } from '../policy/spec.js';
import { policyObject } from '../policy/to-object.js';
import { CONFIG_KEYS, type ForwardConfig } from './forward-config.js';
import type { ParsedForward } from './forward-options.js';

/** The policy as text where that says all, else as an object. */
function savedPolicy(running: PolicySpec, engine: Engine): string | object {
  const { policy, text } = running;
  if (policy === 'mac') {
    const owners = (engine.owners() ?? [])
      .filter(({ port }) => port === null)
      .map(({ mac, vlan, worker }) => ({ mac, ...(vlan === null ? {} : { vlan }), worker }));
    if (owners.length > 0 || running.owners.length > 0)
      return { ...policyObject(running, 'forward'), owners };
  }
  const isText =
    running === engine.plan.policy && !/^[@{]/.test(text) && !(policy === 'rss' && running.ethtool);
  return absolutePolicy(isText ? text : policyObject(running, 'forward'));
}

/** What was given of the engine's options, or is the case now. */
function engineKeys(engine: Engine, options: EngineOptions): ForwardConfig {
  const { plan } = engine;
  const names = plan.ports.map(({ name, removed }) => (removed ? null : name));
  const fdb = options.switching.fdb.flatMap(({ mac, vlan, port }) => {
    const name = names[port];
    return name == null ? [] : [{ mac, ...(vlan === 0 ? {} : { vlan }), port: name }];
  });
  const { orderLimits } = options;
  return {
    ports: engine.portSpecs().map(({ text }) => absolutePort(text)),
    mode: plan.mode,
    workers: plan.active,
    ...(options.maxWorkers === undefined ? {} : { maxWorkers: options.maxWorkers }),
    ...(options.cpus.length === 0 ? {} : { cpus: [...options.cpus] }),
    backlog: options.backlog,
    frames: options.smallFrames,
    largeFrames: options.largeFrames,
    spin: options.spinMaxUs,
    ...(options.latency === 'low' ? { latency: options.latency } : {}),
    ...(options.warmUp === undefined ? {} : { warmUp: options.warmUp }),
    ...(orderLimits === undefined
      ? {}
      : {
          postponeMaxMs: orderLimits.postponeMaxMs,
          holdMax: orderLimits.holdMaxFrames,
          holdMaxMs: orderLimits.holdMaxMs,
        }),
    macAge: options.switching.ageingSeconds,
    macLimit: options.switching.learnLimit,
    ...(options.receiveMib === undefined ? {} : { receiveMemory: options.receiveMib }),
    ...(fdb.length === 0 ? {} : { fdb }),
  };
}

/** The configuration of what runs. */
export function runningConfig(engine: Engine, control: ControlServer, started: ParsedForward): ForwardConfig {
  const { controller, watcher } = control;
  const seconds = (ms: number | null) => (ms === null ? undefined : ms / 1000);
  const config: ForwardConfig = {
    ...engineKeys(engine, started.engine),
    policy: savedPolicy(controller.running().policy, engine) as NonNullable<ForwardConfig['policy']>,
    implementation: started.implementation,
    duration: seconds(started.durationMs),
    stats: seconds(started.statsMs),
    control: started.control?.path ?? undefined,
    rebalance: watcher.state().mode,
    allowJs: started.control?.allowJs === true ? true : undefined,
    allowApply: started.control?.allowApply === true ? true : undefined,
    metrics: started.metrics?.listen ? listenText(started.metrics.listen) : undefined,
    metricsFile: started.metrics?.file == null ? undefined : resolve(started.metrics.file),
    drop: started.drop ? true : undefined,
  };
  return Object.fromEntries(
    CONFIG_KEYS.flatMap((key) => (config[key] === undefined ? [] : [[key, config[key]]])),
  ) as ForwardConfig;
}
