/**
 * `pools`: a NIC with VMDq or SR-IOV. MAC and VLAN filters choose the pool, RSS chooses the queue inside it.
 *
 * Promise: stateless. Queue numbers are the chip's (82576: pool + 8 * index; 82599: pool * queues per pool + index);
 * queue q belongs to worker q mod workers. A frame that several pools get is steered by the lowest of them; the
 * explanation names all. What the NIC would drop goes to queue 0 and says so.
 */
import { NicLimit } from '../errors.js';
import { formatMac } from '../mac/address.js';
import { NicModel } from '../nic/model.js';
import { choiceWords } from '../nic/model-words.js';
import { formatPools } from '../nic/pool-filters.js';
import { PoolReason, PoolSwitch } from '../nic/pools.js';
import { nicProfile } from '../nic/profiles.js';
import { type Burst, Field } from '../packet/burst.js';
import { checkFragmentTypes } from './fragment-types.js';
import { configureNic } from './nic-setup.js';
import {
  checkOwn,
  fillPoolFilters,
  poolChip,
  poolLayout,
  poolQueues,
  poolSettings,
  sharedKey,
} from './pools-nic.js';
import type { PoolsSpec } from './spec.js';
import { type CompileContext, type Decision, decisionOf, type Steering } from './steering.js';

// Constants of the module: docs/hot-loops.md.
const BUCKET = Field.bucket;
const RXQ = Field.rxq;
const WORKER = Field.worker;

/** The compiled `pools` policy. */
export class PoolsSteering implements Steering {
  readonly text: string;
  readonly workers: number;
  readonly queues: number;
  readonly pools: PoolSwitch;
  /** The receive path: pool, filters, flow rules, RSS or traffic class. */
  readonly nic: NicModel;

  constructor(
    readonly spec: PoolsSpec,
    context: CompileContext,
  ) {
    this.text = spec.text;
    this.workers = context.workers;
    const profile = nicProfile(spec.nic);
    const chip = poolChip(spec.nic);
    const layout = poolLayout(spec, profile);
    this.pools = new PoolSwitch(poolSettings(spec, chip, layout.pools));
    fillPoolFilters(spec, chip, this.pools);
    checkFragmentTypes('policy pools', spec.types, profile);
    if (spec.types?.includes('mac') === true) {
      throw new NicLimit(`policy pools: types: ${spec.nic} does not hash MAC addresses`);
    }
    checkOwn(spec, profile);
    const inside = poolQueues(spec, profile, layout);
    this.nic = new NicModel({
      profile,
      queues: layout.queuesPerPool,
      key: sharedKey(spec, profile),
      ...(spec.types === undefined ? {} : { types: spec.types }),
      symmetric: spec.symmetric ?? 'none',
      pools: { select: this.pools, ...inside },
    });
    this.queues = this.nic.queues;
    configureNic(this.nic, spec, 'policy pools', () => this.nic.contexts.main.key);
  }

  steer(burst: Burst): void {
    const { nic, workers } = this;
    const { n, words } = burst;
    for (let i = 0; i < n; i++) {
      const queue = Math.max(0, nic.decide(burst, i));
      words[BUCKET + i] = nic.bucket;
      words[RXQ + i] = queue;
      words[WORKER + i] = queue % workers;
    }
  }

  decision(burst: Burst, i: number): Decision {
    const { nic } = this;
    const verdict = nic.receive(burst, i);
    const reason = this.#poolReason(burst, i);
    if (verdict.pool === null || nic.poolQueues === null) {
      return decisionOf(burst, i, null, `${reason}: the NIC drops the frame (here: queue 0)`, true);
    }
    const choice = `${reason}; ${choiceWords(nic, burst, i)}`;
    if (verdict.queue === null) return decisionOf(burst, i, null, `${choice} (here: queue 0)`, true);
    const sum = nic.poolQueues.sum(verdict.pool, nic.index);
    return decisionOf(burst, i, verdict.hash, `${choice}; queue ${sum} = ${verdict.queue}`, true);
  }

  explain(burst: Burst, i: number): string {
    return this.decision(burst, i).reason;
  }

  /** Why the switch chose its pools, after a decision about the frame. */
  #poolReason(burst: Burst, i: number): string {
    const tag = burst.vlan[i]!;
    const vid = tag < 0 || (tag & 0xfff) === 0 ? -1 : tag & 0xfff;
    const { pools } = this;
    if (burst.len[i]! < 14) return 'no whole Ethernet header';
    const mac = `${formatMac(burst.dmacHi[i]!, burst.dmacLo[i]!)}${vid >= 0 ? ` on VLAN ${vid}` : ''}`;
    const all = formatPools(pools.low, pools.high);
    const list = all === String(this.nic.pool) ? `pool ${all}` : `pools ${all}, steered by the lowest`;
    switch (pools.reason) {
      case PoolReason.broadcast:
        return `broadcast -> ${list}`;
      case PoolReason.exact:
        return `an address filter has ${mac} -> ${list}`;
      case PoolReason.hash:
        return `the hash table has ${mac} -> ${list}`;
      case PoolReason.promiscuous:
        return `${mac} by promiscuous mode -> ${list}`;
      case PoolReason.defaultPool:
        return `no filter has ${mac} -> default ${list}`;
      case PoolReason.mirror:
        return `no pool wants ${mac}; mirrored -> ${list}`;
      case PoolReason.vlanDropped:
        return `VLAN ${vid} is not in the VLAN table`;
      case PoolReason.tooLong:
        return `${burst.len[i]} bytes are more than ${pools.settings.maxLength}`;
      default:
        return `no pool wants ${mac}`;
    }
  }
}
