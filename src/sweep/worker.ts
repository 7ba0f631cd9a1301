/**
 * A thread of a sweep: replays one capture through some policies at once.
 *
 * Promise: never throws: what goes wrong is in the answer, because errors lose their class between threads.
 */
import { DEFAULT_APPS, parseApps } from '../replay/apps.js';
import type { PacketChoice } from '../replay/choice.js';
import { DEFAULT_MODEL, parseModel } from '../replay/model.js';
import { replay } from '../replay/replay.js';
import { type Failure, failureOf } from './lanes.js';
import type { SweepLine } from './result-file.js';

/** Cells of one capture and number of workers: one pass over the capture. */
export interface SweepTask {
  readonly capture: string;
  readonly policies: readonly (string | object)[];
  readonly workers: number | null;
  readonly speed: number;
  readonly gapUs: number;
  readonly model: string | null;
  readonly apps: string | null;
  readonly choice?: PacketChoice;
}

/** What replay finds out about a cell. */
export type Measures = Omit<
  SweepLine,
  'key' | 'capture' | 'policy' | 'nic' | 'queues' | 'hashKey' | 'seed' | 'base' | 'options'
>;

/** Measures by policy, or why there are none. */
export type SweepAnswer = { readonly measures: Measures[] } | Failure;

export default async function runTask(task: SweepTask): Promise<SweepAnswer> {
  try {
    const { capture, policies } = await replay([task.capture], task.policies, {
      speed: task.speed,
      gapNs: task.gapUs * 1000,
      model: task.model === null ? DEFAULT_MODEL : parseModel(task.model),
      apps: task.apps === null ? DEFAULT_APPS : parseApps(task.apps),
      ...task.choice,
      threads: 1,
      top: 0,
      ...(task.workers === null ? {} : { workers: task.workers }),
    });
    const measures = policies.map((policy) => ({
      workers: policy.workers.length,
      packets: capture.packets,
      bytes: capture.bytes,
      flows: capture.flows,
      fullestOverFair: policy.fullestOverFair,
      gini: policy.gini,
      handoffsPerPacket: policy.handoffsPerPacket,
      wakeupsPerPacket: policy.wakeupsPerPacket,
      reorderedPackets: policy.reordered.packets,
      reorderedRatio: policy.reordered.ratio,
      reorderedMaxExtent: policy.reordered.maxExtent,
      movesInFlight: policy.moves.inFlight,
      backlogDrops: policy.backlogDrops,
      busiest: Math.max(0, ...policy.workers.map(({ busyRatio }) => busyRatio)),
      elephants: policy.elephants,
      loads: policy.workers.map(({ packets }) => packets),
      warnings: [...capture.warnings],
    }));
    return { measures };
  } catch (error) {
    return failureOf(error);
  }
}
