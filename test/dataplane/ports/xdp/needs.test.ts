/** What older kernels refuse is told with the version that has it. Kernels of then are not at hand: the addon is played. */
import { describe, expect, it } from 'vitest';
import type { Native } from '#rxsteer/addon/native.js';
import { QueueSteering } from '#rxsteer/dataplane/ports/queue-steering.js';
import { needing } from '#rxsteer/dataplane/ports/xdp/needs.js';
import { attachProgram } from '#rxsteer/dataplane/ports/xdp/program.js';

const refusal = (code: string) => Object.assign(new Error(`bpf(LINK_CREATE): ${code}`), { code });

/** An addon whose kernel answers so to the driver's hook and to the generic one. */
function played(driver: string, generic: string): Native {
  const linkBpf = (_program: number, _ifindex: number, _type: number, flags: number) => {
    const code = flags === 4 ? driver : generic;
    if (code !== '') throw refusal(code);
    return 7;
  };
  return { linkBpf } as unknown as Native;
}

import { gatherProgram } from '#rxsteer/programs/queue-program.js';

describe('needs of AF_XDP ports', () => {
  it('are named where a refusal may come of them, and nowhere else', () => {
    expect(() => attachProgram(played('EINVAL', 'EINVAL'), 3, 1)).toThrow(/EINVAL \(.*Linux 5\.9/);
    expect(() => attachProgram(played('EPERM', 'EINVAL'), 3, 1)).toThrow(/^bpf\(LINK_CREATE\): EPERM$/);
    expect(attachProgram(played('ERANGE', ''), 3, 1)).toMatchObject({
      xdp: 'generic',
      why: expect.stringContaining('MTU'),
    });
    const fails = (code: string) => () => {
      throw refusal(code);
    };
    expect(() => needing('sharing', fails('EINVAL'))).toThrow(/Linux 5\.10/);
    expect(() => needing('socket', fails('EAFNOSUPPORT'))).toThrow(/Linux 4\.18/);
    expect(() => needing('sharing', fails('EBUSY'))).toThrow(/^[^5]*EBUSY$/);
  });

  it('of programs that read frames is named', () => {
    let verifies = true;
    const native = {
      makeBpfMap: () => 5,
      loadBpfProgram: () => {
        if (!verifies) throw refusal('EINVAL');
        return 6;
      },
      closeDescriptor: () => {},
    } as unknown as Native;
    const queues = { among: 2, queues: 2, waits: () => false, capacity: () => 1, mayHandOver: true };
    const steering = new QueueSteering(native, { ...queues, start: 'xdp', attach: () => {} });
    verifies = false;
    expect(() => steering.load(gatherProgram({ among: 2, queues: 2, start: 'xdp' }))).toThrow(/Linux 5\.18/);
  });
});
