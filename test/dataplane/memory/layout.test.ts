import { describe, expect, it } from 'vitest';
import {
  allocateShared,
  Carver,
  HEADROOM,
  LARGE_FRAME_MAX,
  LINE_WORDS,
  powerOfTwoAtLeast,
  SMALL_FRAME_MAX,
} from '#rxsteer/dataplane/memory/layout.js';
import { VNET_HDR_LENGTH } from '#rxsteer/packet/burst.js';

describe('layout', () => {
  it('rounds up to powers of two', () => {
    expect([0, 1, 2, 3, 4, 5, 1000, 4096, 4097].map(powerOfTwoAtLeast)).toEqual([
      1, 1, 2, 4, 4, 8, 1024, 4096, 8192,
    ]);
  });

  it('has room for the frames that it promises', () => {
    expect(HEADROOM).toBeGreaterThanOrEqual(VNET_HDR_LENGTH);
    expect(SMALL_FRAME_MAX).toBeGreaterThanOrEqual(1518 + 8);
    // An IP packet of 65,535 bytes, an Ethernet header and two tags.
    expect(LARGE_FRAME_MAX).toBeGreaterThanOrEqual(65_535 + 14 + 8);
  });

  it('measures and carves the same pieces, each on lines of its own', () => {
    const carve = (carver: Carver) => [
      carver.words(1),
      carver.words(0),
      carver.words(LINE_WORDS),
      carver.doubles(3),
      carver.words(LINE_WORDS + 1),
    ];
    const measure = new Carver(null);
    for (const view of carve(measure)) expect(view.length).toBe(0);
    const buffer = allocateShared(carve);
    expect(buffer.byteLength).toBe(measure.bytes);
    const again = new Carver(buffer);
    const views = carve(again);
    expect(again.bytes).toBe(buffer.byteLength);
    expect(views.map((view) => view.length)).toEqual([1, 0, LINE_WORDS, 3, LINE_WORDS + 1]);
    // With the 16 bytes that the allocator puts before the block the first piece begins with a cache line.
    const start = views[0]!.byteOffset;
    expect((16 + start) % 64).toBe(0);
    let end = start;
    for (const view of views) {
      expect((view.byteOffset - start) % (LINE_WORDS * 4)).toBe(0);
      expect(view.byteOffset).toBeGreaterThanOrEqual(end);
      const lines = Math.ceil((view.byteOffset - start + view.byteLength) / (LINE_WORDS * 4));
      end = start + lines * LINE_WORDS * 4;
    }
    expect(end).toBe(buffer.byteLength);
  });

  it('allocates something even for nothing', () => {
    expect(allocateShared(() => null).byteLength).toBeGreaterThan(0);
  });
});
