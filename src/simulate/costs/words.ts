/**
 * What each cost is, in a sentence: for editors (`rxsteer simulate --schema`) and for readers. Nanoseconds, but where a
 * sentence says otherwise.
 */

export const COSTS = {
  hardIrq: 'Hard interrupt of a device, with entering and leaving',
  softirqEntry: 'Entering a run of the receive softirq',
  ipiSend: 'Interrupt to another CPU: at its sender',
  ipiLatency: 'Interrupt to another CPU: under way',
  ipiReceive: 'Interrupt to another CPU: at its receiver',
  idleExit: 'Leaving idle, woken by another CPU; booked as busy time',
  idleExitDevice: 'Leaving idle, woken by a device; booked as busy time',
  contextSwitch: 'Switching to another task',
  wakeLocal: 'Waking a task of the same CPU: paid by the waker',
  wakeRemote: 'Waking a task of another CPU: paid by the waker',
  slice: 'Turn of a task while others wait',
  granularity: 'By how much less time a woken task must have had to take over at once',
  driverReceive: 'NIC driver: a packet received, with the completion of one that was sent',
  steer: 'RPS or a policy in software: hash, table, enqueue to a backlog',
  protocol: 'IP and transport of a packet, up to its socket',
  route: 'Forwarding a packet by IP',
  socketBacklog: "What release_sock costs for each packet of a socket's backlog",
  application: "An application's work for a message where the scenario does not say",
  send: 'A message through the stack down to the device',
  qdiscEnqueue: 'Queueing discipline: adding a packet, under its lock',
  qdiscDequeue: 'Queueing discipline: taking a packet, under its lock',
  transmit: "The driver's transmit, under the queue's lock",
  bridge: 'Linux bridge, a packet',
  macvlan: 'macvlan, a packet',
  ovs: 'Open vSwitch, a packet',
  ovsStatistics: 'What Open vSwitch holds its statistics lock for, where the scenario gives it one',
  tapEnqueue: "Entering a packet in a tap's ring, under its lock",
  tunCall: 'A call into tun: saved for all but one of a batch',
  vethEnqueue: 'Sending a packet into a veth pair; default as tapEnqueue',
  vethCall: 'A call that sends a batch into a veth pair; default as tunCall',
  vhostReceive: 'vhost worker: a packet into a guest, without copying',
  vhostTransmit: 'vhost worker: a packet out of a guest, without copying',
  vhostBlock: 'vhost worker: a block request',
  pinPages: 'Pinning the pages of a packet instead of copying it',
  qemuReceive: "QEMU's thread: a packet into a guest, with its system calls",
  qemuTransmit: "QEMU's thread: a packet out of a guest, with its system calls",
  registerAccess: "A register of an emulated device, under QEMU's lock, beyond the exit",
  eventfd: 'A signal between a guest and its device thread (eventfd)',
  vhostUser: 'A vhost-user switch that polls: a packet in either direction',
  bypassSend: 'AF_XDP or another bypass: a packet sent',
  bypassReceive: 'AF_XDP or another bypass: a packet received',
  exit: 'Leaving guest mode for the kernel, and coming back',
  exitUser: 'Leaving guest mode for user space, and coming back',
  inject: 'Making an interrupt pending for a vCPU',
  post: 'Posting an interrupt to a vCPU by hardware',
  guestIpi: "A guest's interrupt to another vCPU, beyond its exit",
  halt: "The way back from a vCPU's halt, beyond the exit that it was and the wake-up",
  guestHardIrq: 'Guest: hard interrupt of its device',
  guestDriver: 'Guest: driver, a packet received',
  guestProtocol: 'Guest: IP and transport of a packet, up to its socket',
  guestSend: 'Guest: a message through the stack down to the device',
  guestTransmit: "Guest: the driver's transmit, under the queue's lock",
  guestContextSwitch: 'Guest: switching to another task',
  guestWake: 'Guest: waking a task',
  line: 'A cache line that was last written at a distance',
  handOver: 'The hand-over of a contended lock at a distance (c)',
  dram: 'A miss to memory of the own node and of another',
  copyByte: 'A byte copied from memory of the own node and of another',
  lines: 'Cache lines (numbers) that change CPUs with a hand-over',
  misses: "Misses (numbers) to a packet's memory",
  siblingSlowdown: 'A CPU whose sibling is busy takes so many times as long',
  interference: 'Application work grows by this share for each busy CPU of the socket',
} as const;

export const DISTANCE = {
  core: 'Between siblings of a core',
  cache: 'Between cores that share a last-level cache',
  socket: 'Between cores of a socket that share no cache',
  remote: 'Between sockets',
} as const;

export const MEMORY = { local: 'Memory of the own node', remote: 'Memory of another node' } as const;

export const LINES = {
  backlog: "Taken from another CPU's backlog",
  socket: 'Read by an application from a socket that another CPU filled',
  transmit: 'A transmit queue that another CPU used last, beside its lock',
  lock: 'Under a lock that another CPU held last',
  ring: 'A ring between a host CPU and a vCPU or worker',
  task: 'Brought along by a task that runs on another CPU than the last time',
} as const;

export const MISSES = {
  receive: 'By the driver or device thread that receives it',
  guest: 'By the guest that reads it',
} as const;
