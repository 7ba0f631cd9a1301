/**
 * A host that is made of texts, for the doctor: healthy until something is set otherwise; two readings.
 *
 * The texts are those that the kernel prints. `apply` runs the commands that the doctor printed on it, with what the
 * kernel would make of them, so that a cure is the command's and not the test's.
 */

import type { Host, Role } from '#rxsteer/host/host.js';
import { formatCpuMask, parseCpuList } from '#rxsteer/host/lists.js';
import { readHost } from '#rxsteer/host/read-host.js';
import { type Lookup, type Node, TreeSource } from '#rxsteer/host/source/tree.js';

export const LATER = '/rxsteer/later';
/** Between the two readings. */
export const SECONDS = 2;
const PROCESS = 4000;

export interface NicOptions {
  readonly queues?: number;
  readonly driver?: string;
  readonly node?: number;
  readonly firstIrq?: number;
  /** CPU of each queue's interrupt; default: queue i on CPU i. */
  readonly cpus?: readonly number[];
  /** Packets that each queue gets between the readings. */
  readonly packets?: readonly number[];
  readonly entries?: readonly number[];
  readonly ethtool?: object;
}

export interface ThreadOptions {
  readonly name: string;
  readonly cpu: number;
  readonly allowed: string;
}

export interface GuestOptions {
  readonly pid?: number;
  /** CPUs that the threads ran on last; vhost -1: no worker. */
  readonly vcpu?: number;
  readonly vhost?: number;
  readonly vcpuAllowed?: string;
  readonly vhostAllowed?: string;
  readonly queues?: number;
  readonly fds?: number;
  /** QEMU's words about the card. */
  readonly words?: readonly string[];
}

interface Interrupt {
  irq: number;
  chip: string;
  action: string;
  count: number;
  later: number;
}

export class FakeHost {
  readonly files = new Map<string, string>();
  readonly links = new Map<string, string>();
  readonly interrupts: Interrupt[] = [];
  /** Added between the readings, by CPU: softnet_stat's columns. */
  readonly softnet = new Map<
    number,
    { processed?: number; dropped?: number; squeezed?: number; ipis?: number; flowLimit?: number }
  >();
  /** Share of time in softirqs, by CPU; the rest is idle unless `busy` says otherwise. */
  readonly softirq = new Map<number, number>();
  readonly busy = new Map<number, number>();
  readonly netRx = new Map<number, number>();
  #ifindex = 2;
  role: Role | null = 'server';

  constructor(
    readonly cpus = 8,
    nodes = 1,
    smt = false,
  ) {
    const system = '/sys/devices/system';
    const all = `0-${cpus - 1}`;
    for (const name of ['online', 'possible']) this.set(`${system}/cpu/${name}`, all);
    for (const name of ['offline', 'isolated', 'nohz_full']) this.set(`${system}/cpu/${name}`, '');
    const each = cpus / nodes;
    for (let node = 0; node < nodes; node++) {
      this.set(`${system}/node/node${node}/cpulist`, `${node * each}-${(node + 1) * each - 1}`);
      const distance = Array.from({ length: nodes }, (_, other) => (other === node ? 10 : 21));
      this.set(`${system}/node/node${node}/distance`, distance.join(' '));
    }
    for (let cpu = 0; cpu < cpus; cpu++) {
      const core = cpu % (cpus / 2);
      this.set(
        `${system}/cpu/cpu${cpu}/topology/thread_siblings_list`,
        smt ? `${core},${core + cpus / 2}` : `${cpu}`,
      );
      this.softnet.set(cpu, { processed: 1000 });
    }
    this.set('/proc/sys/kernel/osrelease', '6.12.5');
    this.set('/proc/cmdline', 'quiet');
    this.set('/proc/uptime', '100000.00 0.00');
    this.set('/proc/net/sockstat', 'sockets: used 900\nTCP: inuse 400 orphan 0\nUDP: inuse 20 mem 3');
    this.set('/proc/net/packet', 'sk               RefCnt Type Proto  Iface R Rmem   User   Inode');
    this.snmp(0, 0);
    this.process(1, 'systemd');
    const sysctls = {
      'net/core/rps_sock_flow_entries': '0',
      'net/core/rps_default_mask': '00',
      'net/core/netdev_max_backlog': '1000',
      'net/core/netdev_budget': '300',
      'net/core/netdev_budget_usecs': '2000',
      'net/ipv4/ip_forward': '0',
      'kernel/numa_balancing': '0',
    };
    for (const [name, value] of Object.entries(sysctls)) this.set(`/proc/sys/${name}`, value);
  }

  set(path: string, text: string): this {
    this.files.set(path, `${text}\n`);
    return this;
  }

  later(path: string, text: string): this {
    return this.set(`${LATER}${path}`, text);
  }

  /** What UDP and TCP received between the readings. */
  snmp(udp: number, tcp: number, reassembled = 0): this {
    const text = (u: number, t: number, r: number) =>
      `Ip: InReceives ReasmReqds\nIp: ${u + t} ${r}\nTcp: InSegs OutSegs\nTcp: ${t} 0\nUdp: InDatagrams NoPorts\nUdp: ${u} 0`;
    this.set('/proc/net/snmp', text(1000, 1000, 0));
    return this.later('/proc/net/snmp', text(1000 + udp, 1000 + tcp, reassembled));
  }

  /** A device without hardware. */
  device(name: string, files: Readonly<Record<string, string>> = {}, queues = 1, pps = 10_000): this {
    const at = `/sys/class/net/${name}`;
    const basics = {
      ifindex: `${this.#ifindex++}`,
      flags: '0x1003',
      operstate: 'up',
      carrier: '1',
      type: '1',
    };
    for (const [file, text] of Object.entries({ ...basics, ...files })) this.set(`${at}/${file}`, text);
    for (const file of ['napi_defer_hard_irqs', 'gro_flush_timeout', 'threaded']) {
      if (!this.files.has(`${at}/${file}`)) this.set(`${at}/${file}`, '0');
    }
    for (let queue = 0; queue < queues; queue++) {
      this.set(`${at}/queues/rx-${queue}/rps_cpus`, '00');
      this.set(`${at}/queues/rx-${queue}/rps_flow_cnt`, '0');
      this.set(`${at}/queues/tx-${queue}/xps_cpus`, '00');
    }
    this.counter(name, 'rx_packets', pps * SECONDS);
    for (const counter of ['rx_missed_errors', 'rx_fifo_errors', 'rx_over_errors', 'tx_dropped'])
      this.counter(name, counter, 0);
    return this;
  }

  /** A statistic of sysfs and what it gains. */
  counter(device: string, name: string, gain: number): this {
    const path = `/sys/class/net/${device}/statistics/${name}`;
    this.set(path, '5000');
    return this.later(path, `${5000 + gain}`);
  }

  /** A NIC as a driver with pairs of queues sets it up on a server. */
  nic(name: string, options: NicOptions = {}): this {
    const { queues = 8, driver = 'ice', node = 0, firstIrq = 40 } = options;
    const packets = options.packets ?? Array.from({ length: queues }, () => 20_000 / queues);
    const pps = packets.reduce((a, b) => a + b, 0) / SECONDS;
    this.device(name, {}, queues, pps);
    const at = `/sys/class/net/${name}`;
    this.set(`${at}/device/numa_node`, `${node}`);
    this.links.set(`${at}/device/driver`, `../../../../bus/pci/drivers/${driver}`);
    for (let queue = 0; queue < queues; queue++) {
      const cpu = options.cpus?.[queue] ?? queue;
      const irq = firstIrq + queue;
      this.set(`${at}/queues/tx-${queue}/xps_cpus`, formatCpuMask([queue % this.cpus]));
      this.set(`${at}/device/msi_irqs/${irq}`, 'msix');
      this.irq(irq, `${name}-TxRx-${queue}`, cpu, packets[queue]!);
    }
    const entries = options.entries ?? Array.from({ length: 128 }, (_, i) => i % queues);
    this.ethtool(name, {
      driver,
      channels: { rx: 0, tx: 0, combined: queues, maxRx: 0, maxTx: 0, maxCombined: queues },
      rings: { rx: 4096, maxRx: 4096 },
      features: {
        'receive-hashing': { on: true, fixed: false },
        'ntuple-filters': { on: false, fixed: false },
        'generic-receive-offload': { on: true, fixed: false },
        'large-receive-offload': { on: false, fixed: true },
      },
      coalescing: { adaptiveRx: true, rxUsecs: 50, rxFrames: 0 },
      rss: {
        entries,
        // A random key.
        key: '2cc681d15bdbf4f7fca28319db1a3e946b9e38d92c9c03d1ad9944a7d9563d593a7d30f3c2b1e7a1',
        function: 'toeplitz',
        symmetric: 'none',
      },
      fields: { tcp4: 'sdfn', udp4: 'sdfn', tcp6: 'sdfn', udp6: 'sdfn' },
      rules: [],
      ...options.ethtool,
    });
    const counted = (base: number) =>
      Object.fromEntries(
        packets.map((count, queue) => [`rx_queue_${queue}_packets`, base === 0 ? 0 : count]),
      );
    this.set(`/rxsteer/statistics/${name}.json`, JSON.stringify(counted(0)));
    return this.later(`/rxsteer/statistics/${name}.json`, JSON.stringify(counted(1)));
  }

  /** Changes what ethtool tells of a device. */
  ethtool(name: string, facts: object): this {
    const path = `/rxsteer/ethtool/${name}.json`;
    const old = this.files.get(path);
    return this.set(path, JSON.stringify({ ...(old === undefined ? {} : JSON.parse(old)), ...facts }));
  }

  ethtoolFacts(name: string) {
    return JSON.parse(this.files.get(`/rxsteer/ethtool/${name}.json`)!);
  }

  statistic(name: string, counter: string, gain: number): this {
    for (const [prefix, value] of [
      ['', 0],
      [LATER, gain],
    ] as const) {
      const path = `${prefix}/rxsteer/statistics/${name}.json`;
      this.set(path, JSON.stringify({ ...JSON.parse(this.files.get(path)!), [counter]: value }));
    }
    return this;
  }

  /** An interrupt on one CPU. */
  irq(irq: number, action: string, cpu: number, gain = 1000, chip = 'IR-PCI-MSIX-0000:03:00.0'): this {
    this.interrupts.push({ irq, chip, action, count: 5000, later: 5000 + gain });
    const at = `/proc/irq/${irq}`;
    this.set(`${at}/smp_affinity_list`, `${cpu}`);
    this.set(`${at}/effective_affinity_list`, `${cpu}`);
    this.set(`${at}/affinity_hint`, '00');
    return this;
  }

  process(pid: number, name: string, words: readonly string[] = [name]): this {
    this.set(`/proc/${pid}/comm`, name);
    this.files.set(`/proc/${pid}/cmdline`, words.map((word) => `${word}\0`).join(''));
    return this.thread(`/proc/${pid}`, pid, { name, cpu: 0, allowed: `0-${this.cpus - 1}` });
  }

  thread(at: string, tid: number, { name, cpu, allowed }: ThreadOptions): this {
    this.set(`${at}/comm`, name);
    const fields = Array.from({ length: 50 }, () => '0');
    fields[36] = `${cpu}`;
    this.set(`${at}/stat`, `${tid} (${name}) ${fields.join(' ')}`);
    return this.set(`${at}/status`, `Name:\t${name}\nCpus_allowed_list:\t${allowed}`);
  }

  /** A guest of QEMU's with one card on a tap. */
  guest(name: string, tap: string, options: GuestOptions = {}): this {
    const { pid = PROCESS, vcpu = 2, vhost = 3, queues = 1, words = [] } = options;
    const { vcpuAllowed = '', vhostAllowed = '', fds = queues } = options;
    const line =
      words.length > 0
        ? words
        : [
            '-netdev',
            `tap,id=n0,ifname=${tap},vhost=on,queues=${queues}`,
            '-device',
            `virtio-net-pci,netdev=n0,mq=${queues > 1 ? 'on' : 'off'}`,
          ];
    this.process(pid, 'qemu-system-x86', [
      'qemu-system-x86_64',
      '-name',
      `guest=${name},debug-threads=on`,
      ...line,
    ]);
    const all = `0-${this.cpus - 1}`;
    const task = `/proc/${pid}/task`;
    this.thread(`${task}/${pid}`, pid, { name: 'qemu-system-x86', cpu: vcpu, allowed: all });
    this.thread(`${task}/${pid + 1}`, pid + 1, { name: 'CPU 0/KVM', cpu: vcpu, allowed: vcpuAllowed || all });
    if (vhost >= 0)
      this.thread(`${task}/${pid + 2}`, pid + 2, {
        name: `vhost-${pid}`,
        cpu: vhost,
        allowed: vhostAllowed || all,
      });
    for (let fd = 0; fd < fds; fd++) {
      this.set(`/proc/${pid}/fdinfo/${20 + fd}`, `pos:\t0\nflags:\t0104002\niff:\t${tap}`);
      this.links.set(`/proc/${pid}/fd/${20 + fd}`, '/dev/net/tun');
    }
    if (vhost >= 0) {
      this.set(`/proc/${pid}/fdinfo/40`, 'pos:\t0');
      this.links.set(`/proc/${pid}/fd/40`, '/dev/vhost-net');
    }
    return this;
  }

  /** A tap; a port of a bridge where one is named. */
  tap(name: string, bridge: string | null, queues = 1, pps = 10_000): this {
    this.device(name, { tun_flags: queues > 1 ? '0x5102' : '0x5002' }, queues, pps);
    return bridge === null ? this : this.port(bridge, name);
  }

  bridge(name: string): this {
    return this.device(name, { 'bridge/bridge_id': '8000.0' });
  }

  port(bridge: string, name: string): this {
    this.links.set(`/sys/class/net/${name}/master`, `../${bridge}`);
    this.links.set(`/sys/class/net/${bridge}/lower_${name}`, `../${name}`);
    this.links.set(`/sys/class/net/${name}/upper_${bridge}`, `../${bridge}`);
    return this.set(`/sys/class/net/${bridge}/brif/${name}/port_id`, '0x8001');
  }

  #counters(): void {
    const cpus = Array.from({ length: this.cpus }, (_, cpu) => cpu);
    const header = `           ${cpus.map((cpu) => `CPU${cpu}`.padStart(10)).join(' ')}`;
    const interrupts = (which: 'count' | 'later') =>
      [
        header,
        ...this.interrupts.map((one) => {
          const list = this.files.get(`/proc/irq/${one.irq}/effective_affinity_list`) ?? '0';
          const on = parseCpuList(list)?.[0] ?? 0;
          const counts = cpus.map((cpu) => `${cpu === on ? one[which] : 0}`.padStart(10)).join(' ');
          return `${String(one.irq).padStart(4)}: ${counts}  ${one.chip}   ${one.irq}-edge      ${one.action}`;
        }),
        ` NMI: ${cpus.map(() => '0').join(' ')}   Non-maskable interrupts`,
        ' ERR:          0',
      ].join('\n');
    this.set('/proc/interrupts', interrupts('count'));
    this.later('/proc/interrupts', interrupts('later'));
    const hex = (value: number) => (value >>> 0).toString(16).padStart(8, '0');
    const softnet = (later: boolean) =>
      cpus
        .map((cpu) => {
          const more = later ? (this.softnet.get(cpu) ?? {}) : {};
          const cells = [
            1e6 + (more.processed ?? 0),
            more.dropped ?? 0,
            more.squeezed ?? 0,
            0,
            0,
            0,
            0,
            0,
            0,
          ];
          return [...cells, more.ipis ?? 0, more.flowLimit ?? 0, 0, cpu, 0, 0].map(hex).join(' ');
        })
        .join('\n');
    this.set('/proc/net/softnet_stat', softnet(false));
    this.later('/proc/net/softnet_stat', softnet(true));
    const stat = (ticks: number) =>
      cpus
        .map((cpu) => {
          const softirq = Math.round(ticks * (this.softirq.get(cpu) ?? 0.01));
          const busy = Math.round(ticks * (this.busy.get(cpu) ?? 0));
          return `cpu${cpu} ${busy} 0 0 ${ticks - softirq - busy} 0 0 ${softirq} 0 0 0`;
        })
        .join('\n');
    this.set('/proc/stat', stat(0));
    this.later('/proc/stat', stat(100 * SECONDS));
    const netRx = (later: boolean) =>
      `${header}\n      NET_RX: ${cpus.map((cpu) => 1000 + (later ? (this.netRx.get(cpu) ?? 10) : 0)).join(' ')}`;
    this.set('/proc/softirqs', netRx(false));
    this.later('/proc/softirqs', netRx(true));
    this.set('/rxsteer/clock', '1000');
    this.later('/rxsteer/clock', `${1000 + 1000 * SECONDS}`);
  }

  /** Its files and links as a tree. @param later false: one reading only */
  source(later = true): TreeSource {
    return new TreeSource('made', this.lookup(later));
  }

  /** The same as a look-up. */
  lookup(later = true): Lookup {
    this.#counters();
    return this.#lookup(later);
  }

  #lookup(later: boolean): Lookup {
    const folders = new Map<string, Set<string>>();
    const isThere = (path: string) => later || !path.startsWith(LATER);
    for (const path of [...this.files.keys(), ...this.links.keys()].filter(isThere)) {
      for (let at = path; at !== ''; ) {
        const cut = at.lastIndexOf('/');
        const folder = at.slice(0, cut);
        const names = folders.get(folder) ?? new Set<string>();
        names.add(at.slice(cut + 1));
        folders.set(folder, names);
        at = folder;
      }
    }
    return (path): Node | null => {
      const at = path === '/' ? '' : path;
      const text = this.files.get(at);
      const target = this.links.get(at);
      if (!isThere(at)) return null;
      if (target !== undefined) return { kind: 'link', target };
      if (text !== undefined) return { kind: 'file', text: () => text };
      const names = folders.get(at);
      return names === undefined ? null : { kind: 'folder', names: () => [...names] };
    };
  }

  /** As the checks see it. */
  async read(samples = 2): Promise<Host> {
    const source = this.source(samples === 2);
    const second = source.secondSample();
    return readHost(source, {
      role: this.role,
      second: async () => second,
      now: (from) => Number(from.read('/rxsteer/clock')),
    });
  }

  /** Runs commands that the doctor printed. Throws for one that it does not know. */
  apply(commands: readonly string[]): void {
    for (const command of commands) {
      if (!command.startsWith('#')) this.#run(command);
    }
  }

  #run(command: string): void {
    const echo = /^echo (\S+) > '?([^']+)'?$/.exec(command);
    const sysctl = /^sysctl -w ([\w.-]+)=(\S+)$/.exec(command);
    const ethtool = /^ethtool -([A-Z]) (\S+) (.*)$/.exec(command);
    const taskset = /^taskset -pc (\S+) (\d+)$/.exec(command);
    if (echo !== null) {
      const [, value, path] = echo as unknown as [string, string, string];
      if (!this.files.has(path)) throw new Error(`no such file: ${command}`);
      this.set(path, value);
      const irq = /^\/proc\/irq\/\d+/.exec(path)?.[0];
      // x86 sends an interrupt to one CPU of the list.
      if (irq !== undefined) this.set(`${irq}/effective_affinity_list`, `${parseCpuList(value)![0]}`);
      for (const moved of [...this.files.keys()].filter(
        (file) => irq !== undefined && file === `${LATER}${path}`,
      )) {
        this.set(moved, value);
      }
    } else if (sysctl !== null) this.set(`/proc/sys/${sysctl[1]!.replaceAll('.', '/')}`, sysctl[2]!);
    else if (ethtool !== null) this.#ethtool(ethtool[1]!, ethtool[2]!, ethtool[3]!);
    else if (taskset !== null) {
      const path = [...this.files.keys()].find(
        (file) => file.endsWith(`/task/${taskset[2]}/status`) || file === `/proc/${taskset[2]}/status`,
      );
      this.set(
        path!,
        this.files
          .get(path!)!
          .trimEnd()
          .replace(/Cpus_allowed_list:.*/, `Cpus_allowed_list:\t${taskset[1]}`),
      );
    } else throw new Error(`unknown command: ${command}`);
  }

  /** Queues that a driver takes back leave sysfs; new ones come without RPS and with the CPU that drivers give them. */
  #queues(device: string, kinds: readonly string[], count: number): void {
    const at = `/sys/class/net/${device}/queues`;
    for (const path of [...this.files.keys()]) {
      const [, kind, queue] = path.startsWith(at) ? (/([rt]x)-(\d+)\/[^/]+$/.exec(path) ?? []) : [];
      if (kinds.includes(kind ?? '') && Number(queue) >= count) this.files.delete(path);
    }
    if (kinds.includes('tx')) this.#pairs(device, count);
    for (let queue = 0; queue < count; queue++) {
      const bare = {
        rx: { rps_cpus: '00', rps_flow_cnt: '0' },
        tx: { xps_cpus: formatCpuMask([queue % this.cpus]) },
      };
      for (const [kind, files] of Object.entries(bare)) {
        for (const [file, content] of kinds.includes(kind) ? Object.entries(files) : []) {
          const path = `${at}/${kind}-${queue}/${file}`;
          if (!this.files.has(path)) this.set(path, content);
        }
      }
    }
  }

  /** Interrupts of pairs of queues: those of taken ones are freed, new ones go round the CPUs. */
  #pairs(device: string, count: number): void {
    const queueOf = (action: string) => Number(new RegExp(`^${device}-TxRx-(\\d+)$`).exec(action)?.[1] ?? -1);
    const has = new Set<number>();
    for (const { irq, action } of [...this.interrupts]) {
      const queue = queueOf(action);
      has.add(queue);
      if (queue < count) continue;
      this.interrupts.splice(
        this.interrupts.findIndex((one) => one.irq === irq),
        1,
      );
      const own = [`/proc/irq/${irq}/`, `/sys/class/net/${device}/device/msi_irqs/${irq}`];
      for (const path of [...this.files.keys()])
        if (own.some((start) => path.startsWith(start))) this.files.delete(path);
    }
    let irq = Math.max(...this.interrupts.map((one) => one.irq));
    for (let queue = 0; queue < count; queue++) {
      if (has.has(queue)) continue;
      irq++;
      this.set(`/sys/class/net/${device}/device/msi_irqs/${irq}`, 'msix');
      this.irq(irq, `${device}-TxRx-${queue}`, queue % this.cpus);
    }
  }

  #ethtool(flag: string, device: string, words: string): void {
    const facts = this.ethtoolFacts(device);
    const [first, second] = words.split(' ') as [string, string];
    if (flag === 'K') {
      const names: Record<string, string> = {
        ntuple: 'ntuple-filters',
        rxhash: 'receive-hashing',
        gro: 'generic-receive-offload',
        lro: 'large-receive-offload',
      };
      const pairs = words.split(' ');
      for (let at = 0; at < pairs.length; at += 2) {
        facts.features[names[pairs[at]!]!] = { on: pairs[at + 1] === 'on', fixed: false };
      }
    } else if (flag === 'L') {
      facts.channels[first] = Number(second);
      this.#queues(device, first === 'rx' ? ['rx'] : ['rx', 'tx'], Number(second));
      // RSS of ixgbe reaches 16 queues.
      const reached = Math.min(Number(second), facts.driver === 'ixgbe' ? 16 : 256);
      facts.rss.entries = facts.rss.entries.map((_: number, i: number) => i % reached);
    } else if (flag === 'X' && first === 'equal')
      facts.rss.entries = facts.rss.entries.map((_: number, i: number) => i % Number(second));
    else if (flag === 'X' && first === 'weight') {
      const counts = words.split(' ').slice(1).map(Number);
      facts.rss.entries = counts.flatMap((count, queue) => Array.from({ length: count }, () => queue));
    } else if (flag === 'X' && first === 'hkey') facts.rss.key = second.replaceAll(':', '');
    else if (flag === 'X' && first === 'xfrm')
      facts.rss.symmetric = second === 'symmetric-xor' ? 'xor' : 'none';
    else if (flag === 'N' && first === 'rx-flow-hash') {
      const [, type, letters] = words.split(' ');
      facts.fields[type!] = letters;
    } else if (flag === 'N' && first === 'delete')
      facts.rules = facts.rules.filter((rule: { location: number }) => rule.location !== Number(second));
    else if (flag === 'N' && first === 'flow-type') {
      const [, queue, location] = /action (\d+) loc (\d+)$/.exec(words)!;
      facts.rules.push({
        location: Number(location),
        queue: Number(queue),
        context: null,
        contextExists: null,
        words,
      });
    } else if (flag === 'G') facts.rings.rx = Number(second);
    else if (flag === 'C') facts.coalescing.adaptiveRx = second === 'on';
    else throw new Error(`unknown: ethtool -${flag} ${device} ${words}`);
    this.ethtool(device, facts);
  }
}
