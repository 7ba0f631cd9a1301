/** The text form of ports: what is understood, and every way of getting it wrong. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { checkPorts, parsePort } from '#rxsteer/dataplane/ports/port-spec.js';
import { UserError } from '#rxsteer/errors.js';

/** The message of the UserError that it throws. */
function complaint(run: () => unknown): string {
  try {
    run();
  } catch (error) {
    expect(error).toBeInstanceOf(UserError);
    const { message } = error as Error;
    expect(message).not.toContain('\n');
    return message;
  }
  throw new Error('nothing was thrown');
}

describe('port specification', () => {
  it('fills in defaults', () => {
    expect(parsePort('a=af_packet:eth0')).toEqual({
      name: 'a',
      text: 'a=af_packet:eth0',
      kind: 'af_packet',
      interface: 'eth0',
      queues: 1,
      fanout: 'hash',
      offload: true,
      txQueues: 0,
      bypass: false,
      xsk: true,
      ring: 8192,
      consumer: null,
    });
    expect(parsePort('t=tap:tap0')).toMatchObject({
      kind: 'tap',
      interface: 'tap0',
      queues: 1,
      offload: true,
    });
    expect(parsePort('c=pcap:a=b.pcap')).toMatchObject({ kind: 'pcap', path: 'a=b.pcap', mode: 'read' });
    expect(parsePort('s=memory:sink')).toMatchObject({ kind: 'memory', source: null, txQueues: 0 });
    expect(parsePort('m=memory:source')).toMatchObject({
      source: { target: 'source', flows: 64, guests: 8, size: 60, rate: 0, burst: 32, packets: 0, seed: 1 },
    });
  });

  it('takes every option', () => {
    expect(parsePort('a=af_packet:eth0,queues=4,fanout=qm,offload=off,txqueues=2,ring=64')).toMatchObject({
      queues: 4,
      fanout: 'qm',
      offload: false,
      txQueues: 2,
      ring: 64,
    });
    expect(parsePort('t=tap:x,queues=256,offload=off')).toMatchObject({ queues: 256, offload: false });
    expect(parsePort('c=pcap:/tmp/x.pcapng,mode=write')).toMatchObject({ mode: 'write' });
    expect(parsePort('s=memory:sink,queues=1')).toMatchObject({ txQueues: 1 });
    expect(parsePort('m=memory:source,flows=9,guests=2,size=imix,rate=5,burst=1,packets=7,seed=0').kind).toBe(
      'memory',
    );
    // 15 bytes fit.
    expect(parsePort('a=tap:abcdefghijklmno')).toMatchObject({ interface: 'abcdefghijklmno' });
  });

  const form = (text: string) =>
    `--port ${text}: expected NAME=KIND:TARGET[,option=value…], e.g. a=af_packet:eth0 or b=memory:sink`;
  const whole = (text: string, least: number, most: number) =>
    `--port a: ${text}: expected a whole number from ${least} to ${most}`;

  it.each([
    ['', form('')],
    ['eth0', form('eth0')],
    ['a=eth0', form('a=eth0')],
    ['=tap:x', form('=tap:x')],
    ['a:b=tap:x', form('a:b=tap:x')],
    ['a,b=tap:x', form('a,b=tap:x')],
    ['a=TAP:x', form('a=TAP:x')],
    [
      'a=xdp:eth0',
      'unknown kind of port a "xdp": did you mean af_xdp or tap? known: af_packet, af_xdp, tap, vhost-user, pcap, memory',
    ],
    [
      'a=afpacket:e',
      'unknown kind of port a "afpacket": did you mean af_packet? known: af_packet, af_xdp, tap, vhost-user, pcap, memory',
    ],
    ['a=tap:x,queues', '--port a: option "queues": expected option=value'],
    ['a=tap:x,=1', '--port a: option "=1": expected option=value'],
    ['a=tap:x,', null],
    ['a=tap:x,queues=1,queues=2', '--port a: option "queues" is given twice'],
    ['a=tap:x,queues=0', whole('queues=0', 1, 256)],
    ['a=tap:x,queues=257', whole('queues=257', 1, 256)],
    ['a=tap:x,queues=-1', whole('queues=-1', 1, 256)],
    ['a=tap:x,queues=1.5', whole('queues=1.5', 1, 256)],
    ['a=tap:x,queues=0x2', whole('queues=0x2', 1, 256)],
    ['a=tap:x,queues=', whole('queues=', 1, 256)],
    ['a=af_packet:x,queues=999', whole('queues=999', 1, 256)],
    ['a=af_packet:x,txqueues=0', whole('txqueues=0', 1, 256)],
    ['a=af_packet:x,ring=63', whole('ring=63', 64, 262_144)],
    [
      'a=af_packet:x,fanout=random',
      '--port a: fanout=random: expected one of hash, policy, cpu, qm, lb, rnd',
    ],
    ['a=af_packet:x,fanout=policy', '--port a: fanout=policy chooses among queues: queues=2 or more'],
    ['a=tap:x,steer=policy', '--port a: steer=policy chooses among queues: queues=2 or more'],
    ['a=tap:x,offload=yes', '--port a: offload=yes: expected one of on, off'],
    ['a=pcap:', '--port a: pcap needs a file, e.g. pcap:in.pcap'],
    ['a=pcap:x,mode=append', '--port a: mode=append: expected one of read, write'],
    [
      'a=memory:source2',
      'unknown target of memory port a "source2": did you mean source? known: source, sink',
    ],
    ['a=memory:sink,queues=1025', whole('queues=1025', 1, 1024)],
    ['a=memory:source,flows=0', whole('flows=0', 1, 1_048_576)],
    ['a=memory:source,size=59', '--port a: size=59: expected imix or a whole number from 60 to 1984'],
    ['a=memory:source,size=big', '--port a: size=big: expected imix or a whole number from 60 to 1984'],
    ['a=tap:', '--port a: an interface name is missing'],
    ['a=tap:abcdefghijklmnop', '--port a: interface name "abcdefghijklmnop" is longer than 15 bytes'],
    ['a=tap:ääääääää', '--port a: interface name "ääääääää" is longer than 15 bytes'],
    ['a=tap:a b', '--port a: "a b" is not an interface name (no blanks, slashes, colons, percent signs)'],
    ['a=tap:a/b', '--port a: "a/b" is not an interface name (no blanks, slashes, colons, percent signs)'],
    ['a=tap:..', '--port a: ".." is not an interface name (no blanks, slashes, colons, percent signs)'],
    [
      'a=tap:x,fanout=hash',
      'unknown option of port a "fanout": known: queues, steer, offload, mtu, flood, cpu, follow, mac, ip',
    ],
    [
      'a=af_packet:x,queue=2',
      'unknown option of port a "queue": did you mean queues or txqueues? known: queues, fanout, offload, txqueues, bypass, xsk, ring, flood, cpu, follow, mac, ip',
    ],
    ['a=memory:sink,flows=2', 'unknown option of port a "flows": known: queues, latency, copy, cpu, follow'],
    [
      'a=memory:source,packet=2',
      'unknown option of port a "packet": did you mean packets? known: flows, guests, size, rate, burst, packets, seed, stamp, queues, elephant, share, mac, ip',
    ],
  ])('%s', (text, message) => {
    if (message === null) expect(parsePort(text)).toBeTruthy();
    else expect(complaint(() => parsePort(text))).toBe(message);
  });

  it.each(['%n', 'a%d', 'tap%d', '%', 'a:b'])(
    'interface name %s, which the kernel would expand or refuse',
    (name) => {
      expect(complaint(() => parsePort(`a=tap:${name}`))).toContain(name);
    },
  );

  it('understands or refuses any text, in one line', () => {
    const part = fc.constantFrom(
      'a',
      '=',
      ':',
      ',',
      'tap',
      'memory',
      'source',
      'sink',
      'pcap',
      'flows',
      '7',
      '-1',
      'ä',
    );
    const text = fc.oneof(
      fc.array(part, { maxLength: 12 }).map((parts) => parts.join('')),
      fc.array(part, { maxLength: 8 }).map((parts) => `a=memory:source,${parts.join('')}`),
      fc.string({ unit: 'grapheme-ascii', maxLength: 30 }),
    );
    fc.assert(
      fc.property(text, (given) => {
        try {
          expect(parsePort(given).text).toBe(given);
        } catch (error) {
          expect(error).toBeInstanceOf(UserError);
          expect((error as Error).message).not.toContain('\n');
        }
      }),
      { numRuns: 2000, seed: 1 },
    );
  });

  it('refuses what is used twice', () => {
    const check = (...texts: string[]) => complaint(() => checkPorts(texts.map(parsePort)));
    expect(check('a=tap:x', 'a=memory:sink')).toBe('--port a: this name is given twice');
    expect(check('a=tap:x', 'b=af_packet:x')).toBe('--port b: interface x is already port a');
    expect(check('a=pcap:f,mode=write', 'b=pcap:f,mode=write')).toBe('--port b: file f is already port a');
    // Reading one file twice is fine.
    checkPorts(['a=pcap:f', 'b=pcap:f', 'c=memory:sink', 'd=memory:sink'].map(parsePort));
  });

  it('refuses a capture that is read and written', () => {
    const check = (...texts: string[]) => complaint(() => checkPorts(texts.map(parsePort)));
    expect(check('a=pcap:f', 'b=pcap:f,mode=write')).toBe('--port b: file f is already port a');
    expect(check('a=pcap:./f,mode=write', 'b=pcap:f')).toBe('--port b: file f is already port a');
  });
});
