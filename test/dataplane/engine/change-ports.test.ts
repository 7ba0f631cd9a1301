/** Removed ports that a worker is late to let go of. */
import { expect, it } from 'vitest';
import { letGo } from '#rxsteer/dataplane/engine/change-ports.js';
import type { EngineCore } from '#rxsteer/dataplane/engine/core.js';
import { RetiredPorts } from '#rxsteer/dataplane/engine/port-summary.js';
import type { PortInfo } from '#rxsteer/dataplane/shared/port-info.js';

it('are closed when it has followed, not before, with all that it counted until then', () => {
  const seen = [7, 6];
  const closed: number[] = [];
  const forgotten: number[] = [];
  const info = { index: 3, name: 'x', kind: 'memory', firstQueue: 5, rxQueues: 2 } as PortInfo;
  const core = {
    plan: { ports: [], active: 2 },
    ever: 2,
    views: {
      counters: { port: [new Float64Array(64), new Float64Array(64)], queue: new Float64Array(256) },
      // Queue 5 was given back, queue 6 belonged to a worker that died.
      pollers: Int32Array.of(0, 0, 0, 0, 0, -1, 2, 1),
    },
    ports: {
      live: new Map(),
      finish: () => {},
      settle: () => {},
      closePort: (index: number) => closed.push(index),
    },
    macTable: { forgetPort: (index: number) => forgotten.push(index) },
    consumers: null,
    baselines: new Map(),
    stuck: new Map([[3, { info, epoch: 7 }]]),
    retired: new RetiredPorts(),
    hosted: [0, 1],
    seen: (worker: number) => seen[worker]!,
    warn: () => {},
  } as unknown as EngineCore;
  letGo(core);
  expect([closed, forgotten, core.stuck.size, core.retired.list()]).toEqual([[], [], 1, []]);
  core.views.counters.port[1]!.fill(4);
  seen[1] = 7;
  letGo(core);
  expect([closed, forgotten, core.stuck.size]).toEqual([[3], [3], 0]);
  expect(core.retired.list()).toMatchObject([{ name: 'x', removed: true, rx: { packets: 4 } }]);
  expect([...core.views.pollers]).toEqual([0, 0, 0, 0, 0, -1, -2, 1]);
  letGo(core);
  expect(closed).toEqual([3]);
});
