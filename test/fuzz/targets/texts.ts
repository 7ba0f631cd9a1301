/**
 * The smaller languages: the output of ethtool, configuration files, and what stands behind flags (flows, rules, ports,
 * lists, keys).
 *
 * Promises: refused in one line or understood; what was understood is within the ranges that its users rely on, and
 * written out and read again it is the same where it can be written out.
 */
import { forwardOptions } from '#rxsteer/cli/forward-options.js';
import { parsePort } from '#rxsteer/dataplane/ports/port-spec.js';
import { parseHex, toHex } from '#rxsteer/hash/hex.js';
import { parseMac } from '#rxsteer/mac/address.js';
import { parseEthtool } from '#rxsteer/nic/ethtool.js';
import { parseNtuple } from '#rxsteer/nic/ntuple-text.js';
import { Burst } from '#rxsteer/packet/burst.js';
import { dissectBurst } from '#rxsteer/packet/dissect.js';
import { flowFrame, parseFlow } from '#rxsteer/packet/flow-text.js';
import { parseFreeze } from '#rxsteer/policy/freeze.js';
import { parseCpuList } from '#rxsteer/policy/parse.js';
import type { FuzzTarget } from '../driver.js';
import { must, refusedOr } from '../promise.js';
import { readSlowly } from '../slow-reader.js';
import { InputFile } from './policies.js';

const ETHTOOL = `RX flow hash indirection table for eth0 with 4 RX ring(s):
    0:      0     1     2     3     0     1     2     3
    8:      0     1     2     3     0     1     2     3
RSS hash key:
6d:5a:56:da:25:5b:0e:c2:41:67:25:3d:43:a3:8f:b0:d0:ca:2b:cb:ae:7b:30:b4:77:cb:2d:a3:80:30:f2:0c:6a:42:b7:3b:be:ac:01:fa
RSS hash function:
    toeplitz: on
    xor: off
    crc32: off
`;
const FIELDS = `UDP over IPV4 flows use these fields for computing Hash flow key:
IP SA
IP DA
L4 bytes 0 & 1 [TCP/UDP src port]
L4 bytes 2 & 3 [TCP/UDP dst port]
`;
const JSON_FORM = JSON.stringify([
  {
    ifname: 'eth0',
    'rss-indirection-table': [0, 1, 0, 1],
    'rss-hash-key': [0x6d, 0x5a, 0x56, 0xda],
    'rss-hash-function': { toeplitz: true, xor: false, crc32: false },
  },
]);

export const ethtoolTexts: FuzzTarget = {
  name: 'ethtool',
  covers: /\/dist\/nic\/ethtool/,
  maxBytes: 2000,
  tokens: [
    ...[
      'RSS hash key:\n',
      'RSS hash function:\n',
      'Operation not supported\n',
      'RSS input transformation:\n',
    ],
    ...['    symmetric-xor: on\n', 'TCP over IPV6 flows use these fields', 'L2DA\n', '\n', ':', ' on', '...'],
    ...['"rss-input-transformation"', 'null', '[', '{', ','],
  ],
  seeds: () => [ETHTOOL, ETHTOOL + FIELDS, FIELDS, JSON_FORM, JSON_FORM + FIELDS],
  check(input) {
    const found = refusedOr(() => parseEthtool(Buffer.from(input).toString(), 'ethtool=x'));
    if (found === null) return;
    const { entries = [], key = '' } = found;
    for (const entry of entries) must(Number.isInteger(entry) && entry >= 0, `an entry ${entry}`);
    must(/^([0-9a-f]{2})*$/.test(key), `a key ${key}`);
    for (const value of Object.values(found.ports))
      must(typeof value === 'boolean', `ports ${String(value)}`);
  },
};

const file = new InputFile();

export const configs: FuzzTarget = {
  name: 'configs',
  covers: /\/(dist\/(cli|dataplane|policy)|node_modules\/yaml)\//,
  maxBytes: 900,
  tokens: [
    ...[
      'ports:',
      '- a=memory:sink',
      'policy:',
      'workers:',
      'fdb:',
      'mac:',
      'vlan:',
      'port:',
      ': ',
      '\n',
      '- ',
      '{',
      '[',
    ],
    ...[
      '? ',
      '&a ',
      '*a',
      '!!binary ',
      '!<x>',
      '---\n',
      '~',
      '.inf',
      '.nan',
      '0x10',
      '1e9',
      '__proto__',
      '<<: ',
    ],
  ],
  seeds: () => [
    'ports: [a=memory:source, b=memory:sink]\nworkers: 2\npolicy: rss\n',
    'ports:\n  - a=memory:source,flows=10,rate=100\n  - b=memory:sink,queues=1\n  - c=memory:sink\nmode: switch\nmacAge: 5\nfdb:\n  - { mac: "02:00:00:00:00:01", vlan: 7, port: b }\n',
    'ports: [a=tap:t0, "b=af_packet:eth0,queues=2,fanout=cpu"]\npolicy: { policy: mac, owners: [{ mac: "02:00:00:00:00:01", worker: 0 }] }\ncpus: 0-1\nduration: 3.5\nspin: 10\ncontrol: false\n',
  ],
  check(input) {
    if (/ethtool|js:|@|file/.test(Buffer.from(input).toString('latin1'))) return;
    const config = file.write('config.yaml', input);
    const parsed = refusedOr(() => forwardOptions({ config, port: [] }, () => {}));
    if (parsed === null) return;
    must(parsed.engine.ports.length >= 2, 'fewer than two ports');
    must(
      Number.isInteger(parsed.engine.workers) && parsed.engine.workers >= 1,
      `${parsed.engine.workers} workers`,
    );
  },
  close: () => file.remove(),
};

const burst = new Burst(new Uint8Array(256));

/** Each language by the first character of an input. */
const LANGUAGES: Readonly<Record<string, (text: string) => void>> = {
  f(text) {
    const flow = parseFlow(text, 'flow');
    const frame = flowFrame(flow);
    burst.bytes.set(frame);
    burst.n = 0;
    burst.add(0, frame.length);
    dissectBurst(burst);
    const { version, ports } = readSlowly(frame);
    must(version === (flow.version === 4 ? 1 : 2), 'the frame has another IP version');
    if (ports < 0) return;
    const port = (at: number) => frame[at]! * 256 + frame[at + 1]!;
    must(port(ports) === flow.sport && port(ports + 2) === flow.dport, 'the frame has other ports');
  },
  n(text) {
    const { fields, action } = parseNtuple(text, 'rule');
    must(Number.isInteger(action), `an action ${action}`);
    for (const { value, care } of fields) must(value.length === care.length, 'a mask of another length');
  },
  p(text) {
    const spec = parsePort(text);
    must(spec.name !== '' && spec.text === text, 'a port without its text');
  },
  z: (text) => void parseFreeze(text),
  c(text) {
    for (const cpu of parseCpuList('--cpus', text)) must(Number.isInteger(cpu) && cpu >= 0, `CPU ${cpu}`);
  },
  h(text) {
    const bytes = parseHex(text, 'hex');
    must(toHex(parseHex(toHex(bytes), 'hex')) === toHex(bytes), 'hex digits change');
  },
  m: (text) => void parseMac(text, 'mac'),
};

export const texts: FuzzTarget = {
  name: 'texts',
  covers: /\/dist\/(packet|nic|hash|mac|policy|dataplane)\//,
  maxBytes: 300,
  tokens: [
    ...[
      ' > ',
      ':',
      '[',
      ']',
      'tcp ',
      'udp ',
      'sctp ',
      'icmp ',
      'ip ',
      '::',
      '%',
      ' m ',
      ' action ',
      ' loc ',
      ' context ',
    ],
    ...[
      'dst-ip ',
      'src-port ',
      'vlan ',
      ',',
      '=',
      'queues=',
      'memory:',
      'source',
      'sink',
      'tap:',
      'pcap:',
      '-',
      '+',
      '\n',
    ],
  ],
  seeds: () => [
    'ftcp 66.9.149.187:2794 > 161.142.100.80:1766',
    'fudp [2001:db8::1]:53 > [2001:db8::2]:4000',
    'ficmp 192.0.2.1 > 192.0.2.2',
    'nflow-type udp4 src-ip 192.0.2.1 m 0.0.0.255 dst-port 2000 action 1 loc 3',
    'nflow-type tcp6 src-ip 2001:db8::1 action -1',
    'nflow-type ether dst 02:00:00:00:00:01 vlan 5 action 2 context 1',
    'pa=af_packet:eth0,queues=2,fanout=cpu,offload=off,cpu=1',
    'pb=tap:vm0,queues=2,mtu=1400',
    'pc=pcap:in.pcap,mode=write',
    'pd=memory:source,flows=64,guests=4,rate=1000,size=imix',
    'pe=memory:sink,queues=1,latency=on',
    'z3,8-15,02:00:00:00:00:01,tcp 192.0.2.1:1 > 192.0.2.2:2',
    'c0-3+5,7',
    'h6d:5a56da',
    'm02:00:00:00:00:01',
  ],
  check(input) {
    const text = Buffer.from(input).toString();
    const language = LANGUAGES[text.charAt(0)];
    if (language !== undefined) refusedOr(() => language(text.slice(1)));
  },
};
