/** The demo's lab: namespaces that say whose they are (those that nobody owns any more: test/serial/sweep-dead.test.ts). */
import { readdirSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { Lab, labProblem, pidNamespace, startTime } from '#rxsteer/cli/lab.js';
import { privileged } from '../support/lab.js';

const namespaces = () => readdirSync('/run/netns').filter((name) => name.startsWith('rxsteer-'));

describe('process start time', () => {
  it('tells processes apart that had the same id', () => {
    expect(startTime(process.pid)).toMatch(/^\d+$/);
    expect(startTime(process.pid)).toBe(startTime(process.pid));
    // Beyond the largest process id there is.
    expect(startTime(2 ** 22 + 1)).toBeNull();
  });
});

describe.skipIf(!privileged())('lab', () => {
  it('tags namespaces with process and start time, and removes them', () => {
    expect(labProblem()).toBe('');
    const lab = new Lab();
    try {
      const a = lab.namespace('a');
      const b = lab.namespace('b');
      expect(a).toBe(`rxsteer-${process.pid}-${startTime(process.pid)}-${pidNamespace()}-a`);
      lab.veth(a, 'x', b, 'y');
      expect(lab.inside(a, 'cat', '/sys/class/net/x/operstate')).toBe('up\n');
      expect(lab.inside(b, 'cat', '/proc/sys/net/ipv6/conf/y/disable_ipv6')).toBe('1\n');
      expect(namespaces()).toEqual(expect.arrayContaining([a, b]));
      expect(() => lab.namespace('a')).toThrow(/^ip netns add .*: .*exists/);
      expect(() => lab.ip('link', 'set', 'nope', 'up')).toThrow(/^ip link set nope up: Cannot find device/);
    } finally {
      lab.close();
    }
    expect(namespaces().filter((name) => name.includes(`-${process.pid}-`))).toEqual([]);
    // What belongs to nobody else was left alone, and closing twice is fine.
    lab.close();
  });
});
