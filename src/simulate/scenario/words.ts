/**
 * What each key of a scenario says, in a sentence: for editors (`rxsteer simulate --schema`) and for readers.
 *
 * Promise: a key without a sentence does not compile (`explained`).
 */
export const MACHINE = {
  sockets: 'Sockets of the host',
  nodesPerSocket: 'NUMA nodes of each socket',
  cores: 'Cores of each socket, all its nodes together',
  threads: 'Threads of each core (siblings)',
  caches: 'Last-level caches of a socket; its cores are divided among them in order',
  siblings: 'CPU numbers of siblings: after those of all cores (last), or beside each other',
} as const;

export const SOFTIRQ = {
  weight: 'Packets of one device before the next has its turn (NAPI weight)',
  budget: 'Packets of one run of the receive softirq (netdev_budget)',
  timeUs: 'Microseconds of one run (netdev_budget_usecs)',
  maxBacklog: "Packets that a CPU's backlog holds (netdev_max_backlog)",
  flowLimitCpus: 'CPUs with a flow limit (flow_limit_cpu_bitmap); default none',
  flowLimitTable: 'Buckets of the flow limit (flow_limit_table_len)',
} as const;

export const RPS = {
  cpus: 'rps_cpus: one list of CPUs for all queues, or one for each; an empty list is off',
  flows: 'rps_flow_cnt of each queue; with sockEntries it makes RFS',
  sockEntries: 'rps_sock_flow_entries; with flows it makes RFS',
  accelerated: 'Accelerated RFS: the NIC moves flows to the queue nearest to their CPU',
} as const;

export const TRANSMIT_QUEUES = {
  queues: 'Transmit queues',
  select:
    'How a packet gets its queue: cpus (XPS, each CPU a queue in turn), hash (by flow), or xps_cpus of each queue',
  lock: 'Kind of the locks: ticket, halved, queue (MCS), none',
} as const;

export const TRANSMIT = {
  qdisc: 'A queueing discipline in front of each queue, with a lock of its own',
  busylock: 'With qdisc: the lock in front of it',
  limit: 'With qdisc: packets that it holds (txqueuelen)',
} as const;

export const NIC = {
  queues: 'Receive queues',
  ring: 'Packets that each receive ring holds',
  policy: 'How the NIC chooses its queue where the policy under test works behind it, e.g. rss:queues=4',
  irqs: "CPU of each queue's interrupt, repeated as often as needed",
  moderationUs: 'Microseconds between two interrupts of a queue, at least',
  moderationPackets: 'Packets that interrupt before that time has passed; 0 = none',
  node: "Node of the rings' memory; default that of each interrupt's CPU",
  gbps: 'Rate of the link each way, Gb/s; default without limit',
  wireUs: 'Microseconds to the other end, one way',
  rps: 'RPS, RFS and accelerated RFS of the NIC, as sysfs has them',
  transmit: 'The transmit side',
  dispatch:
    'each: a packet goes its way before the next is steered, as in the kernel (default); poll: all packets of a poll are steered and other CPUs told before any of it goes on, as in a forwarder of user space',
} as const;

export const APP = {
  name: 'Its name, for loads',
  kind: 'echo answers; sink takes; send sends without end; forward routes on and drop throws away (both in the softirq, without a thread); ping wakes another thread that wakes it; ipi interrupts another CPU and waits; block asks a disk',
  threads: 'Threads: a number, or flow = one for each flow; flows go to threads in turn',
  cpus: 'CPUs (of its kernel) that threads may use; default all',
  pin: 'Each thread has one of the CPUs, in turn; false: any of them',
  local: "Share of the threads that run where their flow's softirq runs",
  wake: 'Where a woken thread goes: home (where it was), affine (to its waker), idle (to an idle CPU)',
  affinity: 'Probability that affine pulls a thread to its waker',
  workNs: 'Nanoseconds of work for a message; default the cost application',
  byteNs: 'Nanoseconds of work for each byte of a message',
  pressure: 'How much it suffers from busy neighbours: a multiple of the cost interference',
  replyBytes: 'Bytes of an answer; default those of the message',
  socket: 'Packets that a socket holds',
  socketLock:
    'The reader locks its socket while it frees what it has read: none, unlimited, or limited (senders are refused before the lock)',
  flows: 'send: flows of each thread',
  to: 'send: the guest that gets it; default out of the first NIC',
  bytes: 'send: bytes of a packet',
  rate: 'send: packets a second of each thread; default as fast as it can',
  bypass: 'send, echo, sink, forward, drop: packets bypass the stack (AF_XDP, pktgen, a poll-mode driver)',
  switch: 'forward: a switch instead of the route',
  switchLock: 'forward: the lock that the switch takes for its statistics',
  depth: 'block: requests under way of each thread',
  deviceUs: "block: microseconds of the disk's own time",
} as const;

export const REGISTERS = {
  receive: 'Registers touched for each packet received',
  transmit: 'Registers touched for each packet sent',
} as const;

export const GUEST = {
  count: 'Guests of this kind; with several their names get a number',
  vcpus: 'vCPUs of each guest',
  path: 'How packets get into the guest and out of it',
  queues: 'Receive queues of its device',
  transmitQueues: 'Transmit queues; default as many as receive queues, or those of transmit',
  ring: 'Entries of each ring of its device',
  tapRing: 'Packets that each ring of the tap holds',
  cpus: 'Host CPUs of the vCPUs: one each in turn, guest by guest; default all',
  pin: 'Each vCPU has one CPU; false: any of them',
  node: "Node of the guest's memory; default that of its first vCPU",
  workers: 'Device threads: device (one), queue (one for each), or a number',
  workerCpus: 'Host CPUs of the device threads, one each in turn; default any of the node of the vCPUs',
  workerWake: 'Where a woken device thread goes: home, affine, idle',
  workerPollUs: 'Microseconds that a device thread polls before it sleeps',
  guestPollUs: 'Microseconds that a vCPU polls before it halts',
  hostPollUs: 'Microseconds that the host polls before it puts a halted vCPU to sleep',
  interrupts: "The device's interrupts: relayed through the host, or posted to the vCPU",
  ipis: 'Interrupts between vCPUs: exits (one for each target), hypercall (one for each poll), or offload (none)',
  irqs: "vCPU of each queue's interrupt, in turn; default all in order",
  moderationUs: 'Microseconds between two interrupts of a queue, at least',
  policy: "How the device chooses the guest's queue, e.g. rss:nic=virtio-net; default the tap's own rule",
  rps: 'RPS and RFS inside the guest',
  transmit: "The guest's transmit side",
  switch: 'Switch of the host in front of the tap; default that of the path',
  switchLock: 'The lock that the switch takes for its statistics',
  tapLock: "Lock of the tap's ring: shared by both ends, split (one for each end), or none",
  tapLockKind: 'Kind of that lock',
  batch: 'Packets of one call into tun',
  device: 'What the host sends into: a tap (default), or a veth pair, which costs vethEnqueue and vethCall',
  enter:
    "How packets enter the device's ring: each by itself (default), or those of a poll together, in one call under one lock (XDP_REDIRECT, a forwarder of user space)",
  zeroCopy: 'vhost-macvtap, vhost-tap: pages of large packets are pinned instead of copied',
  registers: "qemu-e1000: registers that the guest's driver touches for each packet",
  softirq: "The receive softirq of the guest's kernel",
  apps: 'Applications in the guest',
} as const;

export const LOAD = {
  name: 'Its name; random numbers depend on it',
  kind: 'closed: clients that wait for answers; open: packets at a rate; capture: packets of a file',
  to: 'Guests (names or kinds) or host; default all guests, or the host where there are none',
  nic: 'NIC that it arrives at; default the first',
  app: 'Application that gets it; default the first',
  bytes: 'Bytes of a packet or request',
  flows: 'open: flows of each target',
  rate: 'open: packets a second to each target, all flows together',
  arrival: 'open: poisson, constant, or bursts',
  burst: 'open: packets of a burst',
  skew: "open: exponent of Zipf's law over the flows; 0 = all alike",
  elephants: 'open: so many flows have elephantShare of the packets',
  elephantShare: 'open: share of the packets that the elephants have together',
  clients: 'closed: clients, each with one request under way and a flow of its own',
  thinkUs: 'closed: microseconds between an answer and the next request, on average',
  think: 'closed: how that time varies: constant or exponential',
  mirror: 'closed: the clients run on a second host that is like the first',
  retryMs: 'closed: milliseconds after which a client whose request or answer was lost asks again',
  file: 'capture: the file (pcap, pcapng)',
  speed: 'capture: so many times as fast as it was taken',
  startMs: 'capture: milliseconds after which it begins',
  protocol: 'tcp or udp; default tcp for closed, udp for open',
} as const;

export const CHANGE = {
  atMs: 'Milliseconds after which it happens, warm-up included',
  nic: 'NIC that it is for; default the first',
  policy: 'The policy from then on, of the same stage: planned and applied as by a running forwarder',
  budget: 'Steps (buckets or guests moved) a second; default all at once',
  freeze: 'Buckets, guests (MAC addresses) and flows that must stay where they are',
  order:
    'strict: a flow that moves to another CPU waits until its frames in flight are done; loose: it does not',
  rollback: 'Undoes the last change of policy, table or owners that was not undone',
  rpsCpus: 'rps_cpus of all queues of the NIC from then on',
} as const;

export const REBALANCE = {
  everyMs: 'Milliseconds between two looks',
  threshold: 'Load of the fullest worker over the mean above which something is moved',
  intervals: 'Looks in a row that must see it',
  gain: 'Least gain of a move',
  moves: 'Moves at one look, at most',
  bound: 'Load of a worker over the mean that a move may lead to, at most',
  least: 'Packets of a look below which nothing is moved',
} as const;

export const FIGURE = {
  of: 'Path in the result of the run, e.g. latencyUs.p99, perSecond.ipis, guests.0.vcpus.31.exits',
  value: 'The published figure, in the unit of the result',
  within: 'Share by which the simulated figure may differ',
  fitted: 'Costs were fitted to it',
} as const;

export const PUBLISHED = {
  value: 'Operations a second, in the unit of the result',
  cpu: 'Share of all CPUs that is busy',
  source: 'Where it was published',
  within: 'Share by which the operations may differ',
  cpuWithin: 'Share by which the CPU may differ',
  fitted: 'Costs were fitted to the operations: they are reproduced, not predicted',
  cpuFitted: 'Costs were fitted to the CPU',
  relativeTo: 'A preset: value and CPU count as ratios to those of it',
  figures: 'Figures of other kinds',
} as const;

export const HOST = {
  cpus: 'CPUs, numbered socket by socket',
  softirq: 'The receive softirq (net.core)',
  apps: 'Applications of the host',
} as const;

export const SCENARIO = {
  name: 'Its name',
  about: 'A sentence about it',
  durationMs: 'Milliseconds of virtual time that are measured, after the warm-up',
  warmupMs: 'Milliseconds before that',
  seed: 'Seed of all random numbers',
  costs: 'What things cost: the name of a set, or costs over a set (base)',
  variation: 'How costs vary from packet to packet: none, uniform (by spread), exponential',
  spread: 'Share by which costs vary where variation is uniform',
  policies: 'Policies that are compared; --policy takes their place',
  workers: 'CPU of each worker of a policy that knows workers (mac, js, …), in order; default all CPUs',
  host: 'The host',
  nics: 'Its NICs by name',
  guests: 'Its guests by name',
  disks: 'Its disks by name, with who asks them',
  load: 'What comes from outside',
  changes: 'What changes while it runs',
  rebalance: "The library's rebalancer looks on and moves",
  published: 'What was published about it; by the text of the policy where there are several',
} as const;

export const TENANT = {
  count: 'Tenants of this kind; with several their names get a number',
  threads: 'Threads of each tenant',
  cpus: 'CPUs of the threads, each one in turn, tenant by tenant; default all',
  depth: 'Requests under way of each thread',
  bytes: 'Bytes of a request',
  reads: 'Share of the requests that read; others write',
  workNs: 'Nanoseconds of work of a thread for a request',
  thinkUs: 'Microseconds between a completion and the next request',
  polled: 'Completions are polled for (IORING_SETUP_IOPOLL), in poll queues',
} as const;

export const DISK = {
  queues: 'Queue pairs that the controller grants',
  vectors: 'Interrupt vectors that it has; default as many as it needs',
  depth: 'Requests of a queue (tags)',
  parallelism: 'Requests that the disk works on at once',
  latencyUs: 'Microseconds of a request in the disk',
  byteNs: 'Nanoseconds for each byte in addition',
  coalescePackets: 'Completions that interrupt before coalesceUs have passed; 0 = no number of them does',
  coalesceUs: 'Microseconds that completions may wait for an interrupt together',
  writeQueues: 'Queues for writes alone (write_queues of the driver)',
  pollQueues: 'Queues that are polled (poll_queues of the driver)',
  rqAffinity: 'Where requests complete (rq_affinity): 0, 1 or 2',
  kernel: 'Release of Linux whose rules are followed',
  irqs: "CPU of each vector behind the admin queue's; default the first of those that it may go to",
  isolated: 'CPUs that interrupts avoid where their queue has others (isolcpus=managed_irq)',
  elevator: 'Lock of a scheduler with one lock a device (mq-deadline, bfq), or none',
  steer:
    "Who chooses the queue: hctx (the kernel's maps), least-loaded, or a policy; default the policy under test",
  submitNs: 'A request through the block layer',
  enqueueNs: "Entering it in the device's queue, under that queue's lock",
  elevatorNs: "Under the elevator's lock",
  reapNs: "Taking a completion from the device's queue",
  completeNs: 'Completing the request',
  lines: 'Cache lines of a request that follow it from CPU to CPU',
  tenants: 'Who asks, by name',
} as const;
