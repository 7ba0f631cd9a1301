// What people wrote for the manual pages: what a command is good for, and examples that say what they are for. Options,
// arguments and commands are not here: they come from the program itself.
//
// `about`: paragraphs behind the command's one line. `examples`: what, and the command lines. Between backquotes: as it
// is typed.

/** By command; a command without an entry has the examples of its help. */
export const PAGES = {
  demo: {
    about: [
      'With root it makes network namespaces with veth and TAP links of its own, sends real packets across a forwarder under several policies, prints what each did, and removes everything again, also after an interrupt. Without root it does the same with ports in memory, and says so. It ends within 30 seconds.',
    ],
    examples: [['See what steering does on this machine.', 'sudo rxsteer demo']],
  },
  forward: {
    about: [
      'Receives on every port, lets the policy choose the worker of each packet, and sends it on: two ports make a wire, more of them a switch that learns MAC addresses. When every port is open and every worker runs it prints `ready` on standard error. It ends at `--duration`, at SIGINT or SIGTERM, or when its finite sources are drained; it then stops receiving, sends what is under way, and prints a summary that accounts for every frame.',
      'With `--config`, SIGHUP lets it read the file again and apply what changed while it runs; what cannot change while it runs is named and left. A service manager that sets NOTIFY_SOCKET is told when it is ready, reloads and stops.',
      'Ports of interfaces need CAP_NET_RAW, TAPs and promiscuous mode CAP_NET_ADMIN.',
    ],
    examples: [
      [
        'A guest behind an interface; its packets are divided among two workers by owner.',
        'rxsteer forward --port a=af_packet:eth0 --port b=tap:vm0 --policy mac:uplink=a --workers 2 --stats 1',
      ],
      [
        'Check a configuration without touching anything, then run it.',
        'rxsteer forward --config /etc/rxsteer/forward.yaml --check',
        'rxsteer forward --config /etc/rxsteer/forward.yaml',
      ],
      [
        'Without rights and interfaces: a million made packets into a sink.',
        'rxsteer forward --port a=memory:source,packets=1000000 --port b=memory:sink --policy rss --workers 2 --json',
      ],
    ],
  },
  replay: {
    about: [
      'Reads captures once and sends each packet through every policy that is given, on virtual time: how evenly queues and workers are loaded, what is handed from worker to worker, and what comes out of order. Nothing is sent and no rights are needed.',
    ],
    examples: [
      [
        'Would more queues help, and what should be set?',
        'tcpdump -Q in -s 128 -i eth0 -w in.pcap',
        'rxsteer replay in.pcap --policy rss:nic=ixgbe-82599,queues=8,key=microsoft --policy rps:cpus=0-7 --advice --html report.html',
      ],
      [
        'From a pipe, and only the traffic of one network.',
        'tcpdump -i eth0 -w - | rxsteer replay - --policy rss:queues=4 --to 192.0.2.0/24 --direction both',
      ],
    ],
  },
  explain: {
    about: [
      'Says for one packet which bytes are hashed with which key, the bucket of the table, the queue and the worker, and the rule by which it is so. The packet is a flow in words, a frame in hexadecimal digits, or a packet of a capture.',
    ],
    examples: [
      [
        'Where a flow goes on a Mellanox NIC with 8 queues.',
        'rxsteer explain --policy rss:nic=mlx5,queues=8 --flow "tcp 192.0.2.1:1000 > 192.0.2.2:80"',
      ],
      [
        'The seventh packet of a capture under RPS.',
        'rxsteer explain --policy rps:cpus=0-3 --capture in.pcap --packet 7 --json',
      ],
    ],
  },
  flows: {
    about: [
      'The other way round than `rxsteer explain`: finds flows that the policy sends to a queue or a worker, by linear algebra where the hash is linear. For load generators, and to fill or to spare a queue on purpose.',
    ],
    examples: [
      ['Ten flows that meet on queue 5.', 'rxsteer flows --policy rss:nic=mlx5,queues=8 --queue 5'],
      [
        'A hundred that resemble a flow of IPv6.',
        'rxsteer flows --policy rps:cpus=0-3 --worker 2 --count 100 --like "udp [2001:db8::1]:5000 > [2001:db8::2]:53"',
      ],
    ],
  },
  hash: {
    about: [
      'Toeplitz as NICs compute it, the CRCs and the XOR of 32-bit words. `--batch` hashes many inputs in one go.',
    ],
    examples: [
      [
        'A row of the table that every RSS implementation is checked with.',
        'rxsteer hash --key microsoft --input 420995bba18e64500aea06e6',
      ],
      ['Another function.', 'rxsteer hash --function crc32c --input 00010203'],
    ],
  },
  make: {
    about: [
      'Writes a capture of a wanted shape: number, sizes and skew of flows, protocols, tags, tunnels, fragments, arrivals; uneven on purpose under a policy; or an existing capture spread over many flows or guests. The same options and seed give the same bytes.',
    ],
    examples: [
      [
        'One flow has 40 percent of the packets.',
        'rxsteer make hot.pcap --flows 2000 --elephants 1 --elephant-share 0.4',
      ],
      [
        'Traffic of which a NIC would put half on queue 3.',
        'rxsteer make uneven.pcap --imbalance rss:queues=8,key=microsoft --hot-queue 3 --share 0.5',
      ],
      [
        'A capture that has one flow, as if it had a thousand.',
        'rxsteer make spread.pcap --from one.pcap --as-flows 1000',
      ],
    ],
  },
  sweep: {
    about: [
      'Replays captures under every combination of policies, NICs, queue counts, keys and seeds, on all processors. Results are appended to `--out` as they come, and a sweep that was interrupted goes on where it was. `--shard` computes one part of several, for other machines; `merge` joins them.',
    ],
    examples: [
      [
        'Which number of queues, and does the key matter?',
        'rxsteer sweep in.pcap --policy rss --policy rps --queues 4,8 --keys microsoft,random --seeds 1-10 --html sweep.html',
      ],
      [
        'Any option of a policy can be varied.',
        'rxsteer sweep in.pcap --policy rps:cpus=0-3 --vary hash=linux,toeplitz --out results.jsonl',
      ],
      [
        'On two machines, and joined.',
        'rxsteer sweep in.pcap --policy rss --queues 2-64 --shard 1/2 --out part-1.jsonl',
        'rxsteer sweep in.pcap --policy rss --queues 2-64 --shard 2/2 --out part-2.jsonl',
        'rxsteer sweep merge part-1.jsonl part-2.jsonl --out all.jsonl',
      ],
    ],
  },
  worker: {
    about: [
      'Takes cells of sweeps that were started with the same `--queue`, computes them, and gives the results back. Any number of workers may run, on any machines that reach the queue and have the captures: at the same path, below another one (`--map`), or over HTTP. The packages bullmq and ioredis are needed: `npm install -g bullmq ioredis`.',
    ],
    examples: [
      [
        'On each machine; the sweep on one of them.',
        'rxsteer worker --queue redis://queue.lan:6379',
        'rxsteer sweep in.pcap --policy rss --queues 2-64 --queue redis://queue.lan:6379 --out all.jsonl',
      ],
      [
        'The captures are mounted elsewhere here.',
        'rxsteer worker --queue redis://queue.lan:6379 --map /captures=/mnt/nas --jobs 4',
      ],
    ],
  },
  simulate: {
    about: [
      'A host with interrupts, softirqs, vhost threads and guests on virtual time: throughput, latency, where the processors spend their time and what limits. Presets stand for published measurements; `--validate` shows both side by side.',
    ],
    examples: [
      ['What there is.', 'rxsteer simulate --list'],
      [
        'A preset as a file, changed, under two policies.',
        'rxsteer simulate --show lwn-rps/rps > host.yaml',
        'rxsteer simulate host.yaml --policy rss:queues=1 --policy rss:queues=4 --html host.html',
      ],
    ],
  },
  ctl: {
    about: [
      'Speaks to a running `rxsteer forward` through its socket, which only the same user and root may do. Changes are made under load and in order: a plan says what would move and what that costs before anything does.',
    ],
    examples: [
      ['Counters, a line each second.', 'rxsteer ctl stats --watch'],
      [
        'Look first, change then, and go back.',
        'rxsteer ctl plan --policy rss:queues=2',
        'rxsteer ctl apply --policy rss:queues=2 --budget 100',
        'rxsteer ctl rollback',
      ],
      ['Keep what runs for the next start.', 'rxsteer ctl save forward.yaml'],
    ],
  },
  top: {
    about: [
      'Load, rates, hand-offs and order of a running `rxsteer forward` in a terminal, drawn anew as they change.',
    ],
    examples: [['The one forwarder that runs here.', 'rxsteer top']],
  },
  dashboard: {
    about: ['Serves a page that shows a running `rxsteer forward`, to browsers of this machine.'],
    examples: [['The one forwarder that runs here.', 'rxsteer dashboard']],
  },
  doctor: {
    about: [
      'Reads how interrupts, queues, RPS, RFS, XPS, hash tables and guests of a Linux host are set up, says what is wrong with it, why, and with which commands it is mended and undone. It changes nothing, and most of it needs no rights. The exit status is 1 where something at or above `--fail-on` was found.',
    ],
    examples: [
      ['This host, and the cures as a script.', 'rxsteer doctor eth0 --fail-on W --fix-script fix.sh'],
      [
        'Another host: collect there, look here.',
        'rxsteer doctor --collect host.tar.gz --anonymous',
        'rxsteer doctor --root host.tar.gz --json',
      ],
    ],
  },
  compile: {
    about: [
      'Prints the commands that make the kernel or a NIC do what the policy says, those that undo them, and what the target cannot do. `--check` holds the target against the policy, packet by packet.',
    ],
    examples: [
      ['RPS of an interface.', 'rxsteer compile --policy rps:cpus=0-3 --to sysfs --dev eth0 --check'],
      [
        'Key and table of a NIC.',
        'rxsteer compile --policy rss:nic=mlx5,queues=8,key=microsoft --to ethtool --dev eth0 --json',
      ],
    ],
  },
  bench: {
    about: [
      'Measures on this machine. Some suites need packages or programs that rxsteer does not bring; they name them.',
    ],
    examples: [
      [
        'Steering by flow or by MAC address: which is better here?',
        'rxsteer bench flow-vs-mac --guests 12 --workers 4',
      ],
      ['The forwarder beside others that are installed.', 'sudo rxsteer bench forward peers'],
    ],
  },
  policies: {
    about: ['Every command that takes a policy takes these, as a string or, with @, from a file.'],
    examples: [['All keys of RSS with their defaults.', 'rxsteer policies rss']],
  },
  nics: {
    about: ['Number of queues, size of table, keys and hash types, as data sheets and drivers have them.'],
    examples: [['What a policy takes from a NIC.', 'rxsteer nics ixgbe-82599']],
  },
  schema: {
    about: ['For editors and checks of files that are written by programs.'],
    examples: [
      ['Completion while a configuration is written.', 'rxsteer schema forward > forward.schema.json'],
    ],
  },
  completion: {
    about: [
      'Prints a script for the shell, which asks the program for what may come next: commands, options, policies with their keys, NICs, interfaces, and sockets of running forwarders.',
    ],
    examples: [
      ['In ~/.bashrc:', 'eval "$(rxsteer completion bash)"'],
      ['In ~/.config/fish/config.fish:', 'rxsteer completion fish | source'],
    ],
  },
};

/** Of the page of the program itself. */
export const PROGRAM = {
  about: [
    'Decides which worker, queue or CPU gets a packet, as RSS, RPS, RFS and MAC steering do: as a forwarder in user space, as predictions over captures, as a check of a host, and as a library for Node programs.',
    'Each command has a page of its own, and `rxsteer COMMAND --help` says the same in short.',
  ],
  examples: [
    [
      'Which queue gets a flow, and why.',
      'rxsteer explain --policy rss:nic=mlx5,queues=8 --flow "tcp 192.0.2.1:1000 > 192.0.2.2:80"',
    ],
    ['What is wrong with the steering of this host.', 'rxsteer doctor'],
    [
      'Packets between two interfaces, on two workers.',
      'sudo rxsteer forward --port a=af_packet:eth0 --port b=af_packet:eth1 --policy rss --workers 2',
    ],
  ],
};

export const EXIT_STATUS = [
  ['0', 'done'],
  ['1', 'it failed while it ran; `rxsteer doctor`: there are findings'],
  [
    '2',
    'the call or the configuration is wrong: one line on standard error says what, where and what would be right',
  ],
  ['130', 'it was interrupted before it had begun, or twice'],
];

export const ENVIRONMENT = [
  [
    'RXSTEER_ADDON',
    'file of the native addon, instead of the one that the package brings; it runs with the rights of the program',
  ],
  ['NO_COLOR', 'no colours, also on a terminal'],
  [
    'RXSTEER_QUEUE_PASSWORD, RXSTEER_QUEUE_USER',
    'credentials for the queue of `rxsteer sweep` and `rxsteer worker`; an address that holds them is refused',
  ],
  ['XDG_CACHE_HOME', 'below it captures that came over HTTP are kept (default: ~/.cache)'],
  [
    'NOTIFY_SOCKET, WATCHDOG_USEC, WATCHDOG_PID',
    'set by a service manager, see sd_notify(3); for `rxsteer forward`',
  ],
];

export const FILES = [
  ['/run/rxsteer/PID.sock', 'control socket of a running forwarder of root'],
  ['/etc/rxsteer/forward.yaml', 'configuration of the service'],
];
