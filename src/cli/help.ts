/**
 * What stands below the options of a command's help: policies, ports, examples.
 *
 * Promise: no line is wider than 80 columns; texts only.
 */
import { POLICY_LINES } from './policy-list.js';

const policies = () =>
  [
    'Policies (NAME or NAME:key=value,key=value; lists use +, ranges -: cpus=0-1+3):',
    ...Object.entries(POLICY_LINES).map(([name, { does }]) => `  ${name.padEnd(12)} ${does}`),
    '  @FILE        a policy from a YAML or JSON file',
    '"rxsteer policies NAME" has the keys of one, "rxsteer nics" the NICs.',
  ].join('\n');

/** Loaded for the command that has ports: the kinds and what checks their options cost all others a tenth of a second. */
const ports = async () => `Ports (NAME=KIND:TARGET[,option=value…], twice or more):
${(await import('../dataplane/ports/usage.js')).portUsage()}
Of each: mac=ADDRESS+…, ip=ADDRESS+…: the only ones that frames from it may
have. All options: docs/forwarding.md.`;

/** Only where packets are asked about: it is no policy to set up. */
const HOST =
  '  host:DEV     what this host does with a packet of DEV, as it is set now\n' +
  '               (root=TREE: a collected host; cpus=, key=: what it does not tell)';

const examples = (...lines: readonly string[]) =>
  `Example${lines.length > 1 ? 's' : ''}:\n${lines.map((line) => `  ${line}`).join('\n')}`;

const P8 = '--policy rss:nic=ixgbe-82599,queues=8,key=microsoft';

/** Texts by command; of most the policies are the first. */
const TEXTS: Readonly<Record<string, readonly (string | (() => string | Promise<string>))[]>> = {
  forward: [
    ports,
    policies,
    examples(
      'rxsteer forward --port a=af_packet:eth0 --port b=af_packet:vm0 \\',
      '    --policy mac:uplink=a --workers 2 --stats 1',
      'rxsteer forward --port a=memory:source,packets=1000000 --port b=memory:sink',
    ),
  ],
  replay: [
    policies,
    HOST,
    examples(
      'tcpdump -Q in -s 128 -i eth0 -w in.pcap',
      `rxsteer replay in.pcap ${P8} \\`,
      '    --policy rps:cpus=0-7 --advice --html report.html',
      'tcpdump -Q in -i eth0 -w - | rxsteer replay - --policy rss:queues=4',
    ),
  ],
  explain: [
    policies,
    HOST,
    examples(
      'rxsteer explain --policy rss:nic=mlx5,queues=8 \\',
      '    --flow "tcp 192.0.2.1:1000 > 192.0.2.2:80"',
      'rxsteer explain --policy rps:cpus=0-3 --capture in.pcap --packet 7',
    ),
  ],
  flows: [
    policies,
    examples(
      'rxsteer flows --policy rss:nic=mlx5,queues=8 --queue 5',
      'rxsteer flows --policy rps:cpus=0-3 --worker 2 --count 100 \\',
      '    --like "udp [2001:db8::1]:5000 > [2001:db8::2]:53"',
    ),
  ],
  sweep: [
    policies,
    examples(
      'rxsteer sweep in.pcap --policy rss --policy rps --queues 4,8 \\',
      '    --keys microsoft,random --seeds 1-10 --html sweep.html',
      'rxsteer sweep in.pcap --policy rps:cpus=0-3 --vary hash=linux,toeplitz',
    ),
  ],
  worker: [
    examples(
      'rxsteer worker --queue redis://queue.lan:6379 --jobs 8',
      'rxsteer worker --queue redis://queue.lan:6379 --map /captures=/mnt/nas',
    ),
  ],
  simulate: [
    policies,
    examples(
      'rxsteer simulate --list',
      'rxsteer simulate lwn-rps/rps',
      'rxsteer simulate --show lwn-rps/rps > host.yaml',
      'rxsteer simulate host.yaml --policy rss:queues=1 --policy rss:queues=4',
    ),
  ],
  hash: [
    examples(
      'rxsteer hash --key microsoft --input 420995bba18e64500aea06e6',
      'rxsteer hash --function crc32c --input 00010203',
    ),
  ],
  make: [
    examples(
      'rxsteer make hot.pcap --flows 2000 --elephants 1 --elephant-share 0.4',
      'rxsteer make udp.pcap --clients 5 --protocols udp=0.8,tcp=0.2 --zipf 1',
    ),
  ],
  ctl: [
    examples(
      'rxsteer ctl stats --watch',
      'rxsteer ctl plan --policy rss:queues=2',
      'rxsteer ctl apply --policy mac',
    ),
  ],
  doctor: [
    examples(
      'rxsteer doctor',
      'rxsteer doctor eth0 --fail-on W --fix-script fix.sh',
      'rxsteer doctor --collect host.tar.gz --anonymous',
      'rxsteer doctor --root host.tar.gz --json',
    ),
  ],
  compile: [
    policies,
    examples(
      'rxsteer compile --policy rps:cpus=0-3 --to sysfs --dev eth0 --check',
      'rxsteer compile --policy rss:nic=mlx5,queues=8,key=microsoft \\',
      '    --to ethtool --dev eth0 --json',
    ),
  ],
  bench: [
    examples(
      'rxsteer bench flow-vs-mac',
      'rxsteer bench flow-vs-mac --guests 12 --workers 4',
      'rxsteer bench flow-vs-mac --capture in.pcap --quick',
      'sudo rxsteer bench forward peers',
    ),
  ],
  policies: [examples('rxsteer policies', 'rxsteer policies rss')],
  nics: [examples('rxsteer nics', 'rxsteer nics ixgbe-82599 --json')],
};

/** What follows the options of a command's help, or an empty text. */
export async function helpBelow(command: string): Promise<string> {
  const parts = await Promise.all(
    (TEXTS[command] ?? []).map((part) => (typeof part === 'string' ? part : part())),
  );
  return parts.map((part) => `\n${part}`).join('\n');
}
