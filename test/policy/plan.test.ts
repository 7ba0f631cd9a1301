/** Plans: the laws that hold for every change, and what single changes say. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { flowFrame, parseFlow } from '#rxsteer/packet/flow-text.js';
import { nameFlows, placeFlows, type SeenFlow } from '#rxsteer/policy/census.js';
import { compilePolicy } from '#rxsteer/policy/compile.js';
import { NOTHING_FROZEN, parseFreeze } from '#rxsteer/policy/freeze.js';
import { MacSteering } from '#rxsteer/policy/mac.js';
import { carryOwners, type GuestOwner, listOwners, restoreOwners } from '#rxsteer/policy/owners.js';
import { parsePolicy } from '#rxsteer/policy/parse.js';
import { planChange, type RunningState, withEntries } from '#rxsteer/policy/plan.js';
import type { RssSteering } from '#rxsteer/policy/rss.js';
import type { PolicySpec, RssSpec } from '#rxsteer/policy/spec.js';

const WORKERS = 4;
const ports = [{ name: 'up' }, { name: 'vm' }];
const spec = (given: string | object) => parsePolicy(given, { command: 'forward', workers: WORKERS });
const guestMac = (n: number) => `02:00:00:00:00:${n.toString(16).padStart(2, '0')}`;

/** A flow between two of 16 guests. */
function flow(n: number, packets: number, worker = n % WORKERS): SeenFlow {
  const frame = flowFrame(parseFlow(`udp 10.0.${n >> 8}.${n & 255}:${1000 + n} > 10.1.0.1:53`, 'test'), {
    srcMac: guestMac(16 + (n % 16)),
    dstMac: guestMac((n * 7) % 16),
    vlans: n % 5 === 0 ? [7] : [],
  });
  return { frame, port: n % 2, queue: n % 3, worker, packets };
}

const POLICIES = [
  'single',
  'rss',
  'rss:queues=4',
  'rss:queues=8',
  'rss:queues=4,key=symmetric',
  'rss:queues=4,table=256',
  'rss:queues=4,stage=nic',
  'rps:cpus=0-3',
  'rps:cpus=1+3',
  'rfs:cpus=0-3',
  'mac',
  'mac:assign=follow-cpu',
  'mac-hash:fields=both',
  'round-robin',
] as const;

const anyFlows = fc
  .uniqueArray(fc.tuple(fc.nat(2000), fc.integer({ min: 1, max: 1000 }), fc.nat(WORKERS - 1)), {
    selector: ([n]) => n,
    maxLength: 60,
  })
  .map((list) => list.map(([n, packets, worker]) => flow(n, packets, worker)));
const anyPolicy = fc.oneof(
  fc.constantFrom(...POLICIES).map(spec),
  fc
    .array(fc.nat(WORKERS - 1), { minLength: 16, maxLength: 16 })
    .map((entries) => spec({ policy: 'rss', queues: WORKERS, entries })),
  fc
    .dictionary(fc.nat(31).map(guestMac), fc.nat(WORKERS - 1), { maxKeys: 6 })
    .map((owners) => spec({ policy: 'mac', owners })),
);

/** What a forwarder would run after the change: its owners too. */
function afterwards(running: RunningState, target: PolicySpec): RunningState {
  const steering = compilePolicy(target, { workers: WORKERS, ports });
  const { owners: _, ...rest } = running;
  if (!(steering instanceof MacSteering)) return { ...rest, policy: target };
  const { policy } = running;
  if (policy.policy === 'mac') carryOwners(steering, running.owners ?? [], policy);
  placeFlows(steering, running.flows);
  return { ...rest, policy: target, owners: listOwners(steering) };
}

/** Each run compiles several policies. */
const RUNS = { numRuns: 20 };
const sum = (values: readonly number[]) => values.reduce((a, b) => a + b, 0);

describe('the laws of plans', () => {
  it('a policy planned onto itself moves nothing', () => {
    fc.assert(
      fc.property(anyPolicy, anyFlows, (policy, flows) => {
        const running = afterwards({ policy, workers: WORKERS, ports, flows }, policy);
        const { plan } = planChange(running, policy);
        expect(plan.method).toBe('none');
        expect(plan.flows.moved + plan.packets.moved + plan.guests.moved.length).toBe(0);
        expect(plan.buckets?.moves ?? []).toEqual([]);
        expect(plan.after).toEqual(plan.before);
        expect(plan.words[0]).toBe('nothing changes: both policies decide alike');
      }),
      RUNS,
    );
  });

  it('once carried out, the same plan moves nothing', () => {
    fc.assert(
      fc.property(anyPolicy, anyPolicy, anyFlows, fc.nat(15), (policy, to, flows, bucket) => {
        const running = afterwards({ policy, workers: WORKERS, ports, flows }, policy);
        const tables = [policy, to].every((p) => p.policy === 'rss' && p.entries?.length === 16);
        const freeze = tables ? parseFreeze(`${bucket}`) : NOTHING_FROZEN;
        const { target } = planChange(running, to, { freeze });
        const again = planChange(afterwards(running, target), to, { freeze }).plan;
        expect(again.method).toBe('none');
        expect(again.flows.moved + again.guests.moved.length).toBe(0);
      }),
      RUNS,
    );
  });

  it('what moves is what both policies, asked for each flow, say; and nothing is lost from the loads', () => {
    fc.assert(
      fc.property(anyPolicy, anyPolicy, anyFlows, (policy, to, flows) => {
        const stateful = [policy, to].some((p) => ['round-robin', 'rfs', 'mac'].includes(p.policy));
        fc.pre(!stateful && policy.stage === 'cpu' && to.stage === 'cpu');
        const { plan } = planChange({ policy, workers: WORKERS, ports, flows }, to);
        const a = placeFlows(compilePolicy(policy, { workers: WORKERS }), flows).worker;
        const b = placeFlows(compilePolicy(to, { workers: WORKERS }), flows).worker;
        const moved = flows.filter((_, i) => a[i] !== b[i]);
        expect(plan.flows).toEqual({ seen: flows.length, moved: moved.length });
        expect(plan.packets.moved).toBe(sum(moved.map((f) => f.packets)));
        for (const { workers } of [plan.before, plan.after]) {
          expect(sum(workers)).toBe(sum(flows.map((f) => f.packets)));
        }
        expect(plan.share).toBeGreaterThanOrEqual(0);
        expect(plan.share).toBeLessThanOrEqual(1);
      }),
      RUNS,
    );
  });

  it('the bucket moves of a table change lead from one table to the other, and frozen ones are not among them', () => {
    const table = fc.array(fc.nat(WORKERS - 1), { minLength: 32, maxLength: 32 });
    fc.assert(
      fc.property(table, table, fc.uniqueArray(fc.nat(31)), (from, to, frozen) => {
        const policy = spec({ policy: 'rss', queues: WORKERS, entries: from });
        const next = spec({ policy: 'rss', queues: WORKERS, entries: to });
        const freeze = parseFreeze(frozen.map(String));
        const { plan, target } = planChange({ policy, workers: WORKERS, flows: [] }, next, { freeze });
        const entries = [...from];
        for (const move of plan.buckets!.moves) {
          expect(entries[move.bucket]).toBe(move.from);
          entries[move.bucket] = move.to;
        }
        expect(entries).toEqual(to.map((queue, bucket) => (frozen.includes(bucket) ? from[bucket] : queue)));
        expect((target as RssSpec).entries).toEqual(entries);
        expect(plan.held).toBe(frozen.filter((bucket) => from[bucket] !== to[bucket]).length);
        expect(plan.method).toBe(plan.buckets!.moves.length === 0 ? 'none' : 'table');
      }),
      RUNS,
    );
  });
});

describe('a plan', () => {
  const flows = Array.from({ length: 200 }, (_, n) => flow(n, 10));

  it('changes a table bucket by bucket where only entries differ, within the budget', () => {
    const { plan } = planChange(
      { policy: spec('rss:queues=4'), workers: WORKERS, flows },
      spec({ policy: 'rss', queues: 4, equal: 2 }),
      { budget: 32 },
    );
    expect(plan.method).toBe('table');
    expect(plan.cost).toEqual({ quiesce: false, steps: 64, budget: 32, seconds: 2 });
    expect(plan.buckets).toMatchObject({ total: 128 });
    expect(plan.after.workers.slice(2)).toEqual([0, 0]);
    expect(plan.after.fullestOverFair).toBeGreaterThan(plan.before.fullestOverFair);
    expect(plan.words[0]).toBe(
      '64 of 128 buckets get another queue, in 2.0 s (32 a second), without a pause',
    );
  });

  it.each([
    ['another key', 'rss:queues=4,key=symmetric'],
    ['another table size', 'rss:queues=4,table=256'],
    ['another policy', 'mac-hash'],
    ['another order', 'rss:queues=4,order=none'],
  ])('drains the receive queues for %s', (_, to) => {
    const { plan } = planChange({ policy: spec('rss:queues=4'), workers: WORKERS, flows }, spec(to));
    expect(plan.method).toBe('policy');
    expect(plan.cost.quiesce).toBe(true);
  });

  it('takes a key written as hex for the same key', () => {
    const hex = '6d5a56da255b0ec24167253d43a38fb0d0ca2bcbae7b30b477cb2da38030f20c6a42b73bbeac01fa';
    const running = { policy: spec('rss:queues=4'), workers: WORKERS, flows };
    expect(planChange(running, spec(`rss:queues=4,key=${hex}`)).plan.method).toBe('none');
  });

  it('holds the buckets of frozen flows and guests', () => {
    const policy = spec('rss:queues=4');
    const names = nameFlows(flows);
    const frozen = names[3]!;
    const freeze = parseFreeze(frozen.flow);
    const to = spec({ policy: 'rss', queues: 4, equal: 1 });
    const { plan, target } = planChange({ policy, workers: WORKERS, flows }, to, { freeze });
    const place = (p: PolicySpec) => placeFlows(compilePolicy(p, { workers: WORKERS }), flows);
    expect(place(policy).worker[3]).not.toBe(0);
    expect(place(target).worker[3]).toBe(place(policy).worker[3]);
    expect(plan.held).toBe(1);
    const guest = planChange({ policy, workers: WORKERS, flows }, to, { freeze: parseFreeze(frozen.mac!) });
    names.forEach((name, i) => {
      if (name.mac !== frozen.mac) return;
      expect(place(guest.target).worker[i]).toBe(place(policy).worker[i]);
    });
  });

  it('makes frozen guests configured owners of a MAC policy, and refuses what it cannot hold', () => {
    const policy = spec('mac-hash');
    const to = spec({ policy: 'mac', owners: { [guestMac(9)]: 3 } });
    const running = { policy, workers: WORKERS, ports, flows };
    const from = placeFlows(compilePolicy(policy, { workers: WORKERS }), flows).worker;
    const { target } = planChange(running, to, { freeze: parseFreeze(guestMac(1)) });
    const at = nameFlows(flows).findIndex((name) => name.mac === guestMac(1));
    expect(target).toMatchObject({
      owners: [
        { mac: guestMac(9), worker: 3 },
        { mac: guestMac(1), worker: from[at] },
      ],
    });
    expect(() =>
      planChange(running, spec('single'), { freeze: parseFreeze(nameFlows(flows)[1]!.flow) }),
    ).toThrow(
      /^freeze: flow udp 10\.0\.0\.1:1001 > 10\.1\.0\.1:53 would move from worker \d to 0, and single cannot hold it$/,
    );
    expect(() => planChange(running, spec('rss'), { freeze: parseFreeze('3') })).toThrow(
      'freeze: buckets can be held only where hash and table size stay as they are',
    );
    expect(() =>
      planChange({ ...running, policy: spec('rss:table=16') }, spec('rss:table=16,queues=2'), {
        freeze: parseFreeze('16'),
      }),
    ).toThrow('freeze: bucket 16: the table has buckets 0 to 15');
  });

  it('says what of the freeze list was not seen, since nothing can hold it', () => {
    const running = { policy: spec('rss:queues=4'), workers: WORKERS, flows };
    const { plan } = planChange(running, spec('single'), {
      freeze: parseFreeze(`udp 10.0.0.1:1 > 10.9.9.9:2,${guestMac(77)}`),
    });
    expect(plan.unseen).toEqual([guestMac(77), 'udp 10.0.0.1:1 > 10.9.9.9:2']);
    expect(plan.words.at(-1)).toBe(
      `not seen of late, so not held although on the freeze list: ${guestMac(77)}, udp 10.0.0.1:1 > 10.9.9.9:2`,
    );
    const seen = nameFlows(flows)[1]!;
    const all = planChange(running, spec('rss:queues=4'), { freeze: parseFreeze([seen.flow, seen.mac!]) });
    expect(all.plan.unseen).toEqual([]);
  });

  it('gives guests of a MAC policy their configured owners one by one', () => {
    const policy = spec('mac');
    const running = afterwards({ policy, workers: WORKERS, ports, flows }, policy);
    const old = running.owners!.find((owner) => owner.mac === guestMac(20) && owner.vlan === 0)!;
    const to = spec({ policy: 'mac', owners: { [guestMac(20)]: (old.worker + 1) % WORKERS } });
    const { plan } = planChange(running, to, { budget: 4 });
    expect(plan.method).toBe('owners');
    expect(plan.cost.quiesce).toBe(false);
    expect(plan.owners).toContainEqual({
      mac: guestMac(20),
      vlan: null,
      from: old.worker,
      to: (old.worker + 1) % WORKERS,
    });
  });

  it('knows owners that were set by hand', () => {
    const policy = spec('mac');
    const owners: GuestOwner[] = [{ mac: guestMac(0), vlan: 0, worker: 3, port: 1 }];
    const steering = compilePolicy(policy, { workers: WORKERS, ports }) as MacSteering;
    restoreOwners(steering, owners);
    expect(listOwners(steering)).toEqual(owners);
    const { plan } = planChange({ policy, workers: WORKERS, ports, flows, owners }, spec('single'));
    const zero = plan.guests.moved.find((guest) => guest.mac === guestMac(0) && guest.vlan === 0);
    expect(zero).toMatchObject({ from: [3], to: [0] });
  });

  it('takes back what the old policy configured and the new one does not', () => {
    const policy = spec({ policy: 'mac', assign: 'static', owners: { [guestMac(0)]: 3 } });
    const owners: GuestOwner[] = [
      { mac: guestMac(0), vlan: null, worker: 3, port: null },
      // Set by hand: stays.
      { mac: guestMac(1), vlan: null, worker: 2, port: null },
    ];
    const to = spec({ policy: 'mac', assign: 'static', owners: { [guestMac(2)]: 1 } });
    const { plan } = planChange({ policy, workers: WORKERS, ports, flows, owners }, to);
    expect(plan.method).toBe('policy');
    const moved = new Map(plan.guests.moved.map((guest) => [guest.mac, guest]));
    // To the owners of the ports that its flows come from.
    expect(moved.get(guestMac(0))!.from).toEqual([3]);
    expect(moved.get(guestMac(0))!.to).not.toContain(3);
    expect(moved.has(guestMac(1))).toBe(false);
    expect(moved.get(guestMac(2))!.to).toEqual([1]);
  });

  it('counts every flow as moved to and from round-robin, which has no worker for a flow', () => {
    const { plan } = planChange({ policy: spec('rss'), workers: WORKERS, flows }, spec('round-robin'));
    expect(plan.flows.moved).toBe(200);
    expect(plan.after.workers).toEqual([500, 500, 500, 500]);
  });

  it('knows that with stage=nic a forwarder keeps a frame where its queue is polled', () => {
    const to = spec('rss:queues=4,stage=nic');
    const running = { policy: spec('single'), workers: WORKERS, flows, poller: (_p: number, q: number) => q };
    expect(planChange(running, to).plan.after.workers[3]).toBe(0);
    const { poller: _, ...model } = running;
    expect(planChange(model, to).plan.after.workers[3]).toBeGreaterThan(0);
  });

  it('says that it cannot tell without flows', () => {
    const { plan } = planChange({ policy: spec('rss'), workers: WORKERS, flows: [] }, spec('single'));
    expect(plan.words).toContain('no flow was seen yet: what moves and how it balances cannot be told');
    expect(plan.share).toBe(0);
  });

  it('knows a table that was changed entry by entry', () => {
    const policy = spec('rss:queues=4');
    const steering = compilePolicy(policy, { workers: WORKERS }) as RssSteering;
    const entries = Int32Array.from(steering.table.entries);
    entries[5] = 3;
    const running = withEntries(steering.spec as RssSpec, entries, steering.queues);
    const { plan } = planChange({ policy: running, workers: WORKERS, flows }, policy);
    expect(plan).toMatchObject({ method: 'table', buckets: { moves: [{ bucket: 5, from: 3, to: 1 }] } });
  });
});

describe('freeze lists', () => {
  it('are buckets, guests and flows', () => {
    const { buckets, macs, flows } = parseFreeze('3, 8-10, 02-00-00-00-00-0A, tcp [::1]:5>[::2]:6');
    expect([...buckets]).toEqual([3, 8, 9, 10]);
    expect([...macs]).toEqual(['02:00:00:00:00:0a']);
    expect([...flows]).toEqual(['tcp [::1]:5 > [::2]:6']);
  });

  it.each([
    ['x', 'freeze: "x" is neither a bucket'],
    ['9-8', 'freeze: buckets 9-8: expected such as 8-15'],
    ['70000', 'freeze: buckets 70000: expected such as 8-15, up to 65535'],
    ['02:00', 'freeze: "02:00" is not a MAC address'],
    ['udp 1.2.3.4 > 1.2.3.5', 'freeze: "1.2.3.4" has no port'],
  ])('refuse %s', (list, message) => {
    expect(() => parseFreeze(list)).toThrow(message);
  });
});
