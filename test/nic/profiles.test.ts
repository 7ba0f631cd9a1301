import { describe, expect, it } from 'vitest';
import { defaultTableSize, deviceKey, NIC_NAMES, nicProfile } from '#rxsteer/nic/profiles.js';

describe('the default table', () => {
  it.each([
    ['generic', 4, 128],
    ['igb-82576', 8, 128],
    ['ixgbe-82599', 16, 128],
    ['ixgbe-x550', 16, 512],
    ['i40e-xl710', 64, 512],
    ['mlx5', 1, 256],
    ['mlx5', 128, 256],
    ['mlx5', 129, 512],
    ['mlx5-dpdk', 4, 4],
    ['mlx5-dpdk', 5, 512],
    ['bnxt', 8, 128],
    ['bnxt-p5', 8, 64],
    ['bnxt-p5', 65, 128],
    ['bnxt-p5', 1000, 512],
    ['ena', 8, 128],
    ['mana', 8, 64],
    ['cnxk', 8, 64],
  ])('%s with %i queues has %i entries', (id, queues, size) => {
    expect(defaultTableSize(nicProfile(id), queues)).toBe(size);
  });
});

it('ENA reverses the key bytes, the others do not', () => {
  const key = Uint8Array.of(1, 2, 3);
  expect(Array.from(deviceKey(nicProfile('ena'), key))).toEqual([3, 2, 1]);
  expect(Array.from(key)).toEqual([1, 2, 3]);
  for (const id of NIC_NAMES.filter((name) => name !== 'ena')) {
    expect(Array.from(deviceKey(nicProfile(id), key))).toEqual([1, 2, 3]);
  }
  expect(nicProfile('ena').start >>> 0).toBe(0xffffffff);
});

it('every default table is one that the NIC offers', () => {
  for (const id of NIC_NAMES) {
    const { tableSizes } = nicProfile(id);
    const size = defaultTableSize(nicProfile(id), 4);
    if (tableSizes === 'powers-of-two') expect(Number.isInteger(Math.log2(size))).toBe(true);
    else expect(tableSizes).toContain(size);
  }
});

it('an unknown NIC is refused with the nearest names', () => {
  expect(() => nicProfile('ixgbe-82598')).toThrow(/unknown NIC "ixgbe-82598": did you mean ixgbe-82599/);
});
