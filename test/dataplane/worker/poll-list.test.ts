/** Which receive queues a worker asks, with queues and a watch that a test fills. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Native, NativeWatch } from '#rxsteer/addon/native.js';
import type { ReceiveQueue } from '#rxsteer/dataplane/ports/attach.js';
import { PASS_FRAMES, PollList } from '#rxsteer/dataplane/worker/poll-list.js';

const BURST = 64;

/** `count` queues; the first `memory` of them have no descriptor. */
function ground(count: number, memory = 0, watches = true, cheap = false) {
  const waiting = new Array<number>(count).fill(0);
  const asks = new Array<number>(count).fill(0);
  const ended = new Set<number>();
  const members = new Map<number, number>();
  let looks = 0;
  class Watch implements NativeWatch {
    readonly descriptor = 999;
    constructor() {
      if (!watches) throw new Error('no descriptor left');
    }
    add(fd: number, key: number) {
      expect(members.has(fd)).toBe(false);
      members.set(fd, key);
      return true;
    }
    remove(fd: number) {
      expect(members.delete(fd)).toBe(true);
    }
    take(keys: Int32Array) {
      looks++;
      let told = 0;
      for (const [fd, key] of members) {
        if (told === keys.length || waiting[key] === 0) continue;
        keys[told++] = key;
        members.delete(fd);
      }
      return told;
    }
    close() {}
  }
  const queues = Array.from({ length: count }, (_, global) => ({
    ...{ port: global, queue: 0, global, finite: false, idle: 0, left: -1 },
    receiver: {
      descriptor: global < memory ? -1 : 100 + global,
      cheap,
      finished: () => ended.has(global),
      dueInMs: () => (waiting[global]! > 0 ? 0 : 7),
    },
  })) as unknown as ReceiveQueue[];
  const list = new PollList({ Watch } as unknown as Native);
  list.adopt(queues);
  const ask = ({ global }: ReceiveQueue) => {
    asks[global]!++;
    const came = Math.min(BURST, waiting[global]!);
    waiting[global]! -= came;
    return came;
  };
  const rounds = (n: number) => Array.from({ length: n }, () => list.round(ask)).reduce((a, b) => a + b, 0);
  return { list, queues, waiting, asks, members, ended, ask, rounds, looks: () => looks };
}

describe('a poll list', () => {
  it('leaves idle queues to the watch, and comes back to those that have frames', () => {
    const { list, waiting, asks, members, rounds, looks } = ground(100);
    rounds(100);
    expect(members.size).toBe(100);
    const before = [...asks];
    const lookedBefore = looks();
    rounds(320);
    expect(asks).toEqual(before);
    expect(looks() - lookedBefore).toBe(10);
    waiting[42] = 3;
    list.waited();
    expect(rounds(1)).toBe(3);
    expect(members.has(142)).toBe(false);
    const fds = new Int32Array(101);
    expect([list.descriptors(fds), ...fds.subarray(0, 2)]).toEqual([2, 999, 142]);
  });

  it('keeps asking a few queues whose asking costs next to nothing, and watches the rest', () => {
    const few = ground(4, 0, true, true);
    few.rounds(300);
    expect([few.asks, few.members.size, few.looks()]).toEqual([[300, 300, 300, 300], 0, 0]);
    const many = ground(10, 0, true, true);
    many.rounds(300);
    expect(many.members.size).toBe(6);
  });

  it('looks at the watch while another queue is busy', () => {
    const { waiting, rounds } = ground(2);
    rounds(100);
    waiting[0] = 1e9;
    rounds(100);
    waiting[1] = 1;
    expect(rounds(2) % BURST).toBe(1);
  });

  it('gives each busy queue one burst a round, and ends a pass in the middle of one', () => {
    const { waiting, asks, rounds } = ground(20);
    waiting.fill(1e6);
    rounds(10);
    expect(asks).toEqual(new Array(20).fill((10 * PASS_FRAMES) / BURST / 20));
  });

  it('asks on what has no descriptor, until it has ended', () => {
    const { list, asks, members, ended, rounds } = ground(3, 2);
    rounds(200);
    expect([asks[0], asks[1], members.size]).toEqual([200, 200, 1]);
    expect([list.dueInMs(0), list.descriptors(new Int32Array(4))]).toEqual([7, 1]);
    ended.add(0);
    rounds(200);
    expect(asks[0]).toBeLessThan(300);
    expect(asks[1]).toBe(400);
    list.adopt([]);
    expect(members.size).toBe(0);
  });

  it('asks every queue where there can be no watch', () => {
    const { asks, rounds } = ground(3, 0, false);
    rounds(200);
    expect(asks).toEqual([200, 200, 200]);
  });

  it('keeps a queue that could not be received from', () => {
    const { list, members } = ground(1);
    for (let n = 0; n < 200; n++) list.round(() => -1);
    expect([list.queues.length, members.size]).toEqual([1, 0]);
  });

  it('asks a queue whose device has gone until it is empty or has given enough, parked or not', () => {
    const { list, queues, waiting, rounds, members } = ground(2);
    rounds(100);
    waiting[0] = 100;
    list.retire(queues[0]!, 1000);
    expect(members.size).toBe(1);
    expect([rounds(2), queues[0]!.left]).toEqual([100, 900]);
    rounds(1);
    expect(queues[0]!.left).toBe(0);
    waiting[1] = 1e6;
    list.retire(queues[1]!, 100);
    rounds(2);
    expect(queues[1]!.left).toBe(0);
  });

  it('loses no frame and lets no queue wait, whatever comes when, and whichever queues come and go', () => {
    type Step =
      | { readonly queue: number; readonly frames: number }
      | { readonly without: number }
      | { readonly rest: number };
    const step: fc.Arbitrary<Step> = fc.oneof(
      fc.record({ queue: fc.nat(11), frames: fc.integer({ min: 1, max: 300 }) }),
      fc.record({ without: fc.nat(11) }),
      fc.record({ rest: fc.integer({ min: 1, max: 150 }) }),
    );
    fc.assert(
      fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
        const { list, queues, waiting, rounds, members } = ground(12, 2);
        let sent = 0;
        let got = 0;
        let away = -1;
        for (const change of steps) {
          if ('queue' in change) {
            waiting[change.queue]! += change.frames;
            sent += change.frames;
          } else if ('without' in change) {
            away = change.without;
            list.adopt(queues.filter(({ global }) => global !== away));
            expect(members.has(100 + away)).toBe(false);
          } else got += rounds(change.rest);
        }
        list.adopt(queues);
        // Before a sleep the watch is waited for: whatever has frames ends it.
        while (waiting.some((frames) => frames > 0)) {
          list.waited();
          const came = rounds(1);
          expect(came).toBeGreaterThan(0);
          got += came;
        }
        expect(got).toBe(sent);
      }),
    );
  });
});
