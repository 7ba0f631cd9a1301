/** The service unit: what systemd thinks of it, and what it must say for the program to work. */
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { installed } from '../support/lab.js';
import { ROOT } from './lock.js';

const file = join(ROOT, 'packaging/rxsteer.service');
const text = readFileSync(file, 'utf8');
const valuesOf = (name: string) =>
  [...text.matchAll(new RegExp(`^${name}=(.*)$`, 'gm'))].map(([, value]) => value!);
/** 0 is safe, 100 is not; what live ports need makes 25 of it. */
const EXPOSURE_MOST = 30;

const canAnalyze = installed('systemd-analyze');
if (!canAnalyze) process.stderr.write('the service unit is not analyzed: apt-get install systemd\n');

describe('the service unit', () => {
  it.skipIf(!canAnalyze)('is one, and exposes little', () => {
    const analyze = (...args: string[]) =>
      spawnSync('systemd-analyze', [...args, file], { encoding: 'utf8' });
    const verified = analyze('verify', '--man=no');
    expect({ status: verified.status, said: verified.stderr }).toEqual({ status: 0, said: '' });
    const secured = analyze('security', '--offline=yes', '--no-pager', `--threshold=${EXPOSURE_MOST}`);
    expect(secured.status, secured.stdout.match(/Overall.*/)?.[0]).toBe(0);
  });

  it('waits for word of the program, under a user of its own, and lets V8 make code', () => {
    expect(valuesOf('Type')).toEqual(['notify']);
    expect(valuesOf('NotifyAccess')).toEqual(['main']);
    expect(valuesOf('DynamicUser')).toEqual(['yes']);
    expect(valuesOf('MemoryDenyWriteExecute')).toEqual([]);
    // Both sets: what is not in the second cannot be had by the first.
    const [ambient] = valuesOf('AmbientCapabilities');
    expect(valuesOf('CapabilityBoundingSet')).toEqual([ambient]);
    expect(ambient!.split(' ')).toEqual(expect.arrayContaining(['CAP_NET_RAW', 'CAP_NET_ADMIN', 'CAP_BPF']));
    expect(valuesOf('DeviceAllow')).toEqual(['/dev/net/tun rw']);
    for (const call of ['bpf', '@system-service']) expect(valuesOf('SystemCallFilter')[0]).toContain(call);
  });
});
