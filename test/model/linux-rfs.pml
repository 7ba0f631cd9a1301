/*
 * Linux's rule for moving a flow (get_rps_cpu, set_rps_cpu in net/core/dev.c): the promise, and where it ends.
 *
 * One flow on one receive queue. Its slot of the queue's flow table holds a CPU and the tail of that CPU's backlog
 * after the flow's last packet; it takes another CPU only when the backlog's head has passed that tail. A packet whose
 * flow is not found in the socket table goes where the RPS map says, and leaves no trace in the slot.
 *
 * Checked: packets are delivered in the order in which they came. Without any HOLE that holds: the application is seen
 * before the first packet, and from then on it moves between CPUs at any time. With a HOLE the checker must find
 * packets out of order:
 *   HOLE_FIRST_RECORD  the application is seen only after some packets: they wait on the map's CPU, and the slot does
 *                      not know
 *   HOLE_TAG_LOSS      another flow, or the close of another socket, takes the flow's entry of the socket table
 *   HOLE_TABLE_WRITE   writing rps_flow_cnt makes a new flow table, whose slots know nothing
 *
 * A backlog's head moves after a whole poll; -DLEGACY: after each packet, as before 6.10.
 */
#ifndef N
#define N 4
#endif
#ifndef CPUS
#define CPUS 2
#endif
#define BATCH 2
#define NONE 255
#define MAP_CPU 1   /* where the flow's hash points in rps_cpus */

#ifdef HOLE_FIRST_RECORD
byte sock = NONE;   /* CPU in the flow's entry of the socket table */
#else
byte sock = 0;
#endif
byte slotCpu = NONE;
byte lastQtail = 0;
byte tail[CPUS];
byte head[CPUS];            /* processed, as the steering CPU sees it */
byte taken[CPUS];
byte entry[CPUS * N];
byte lastDelivered = 0;
bool over = false;

inline enqueue(cpu) {
  entry[cpu * N + tail[cpu]] = seq;
  tail[cpu] = tail[cpu] + 1
}

/* The interrupt: one packet after the other of the receive queue. */
active proctype Poller() {
  byte seq = 0, want = NONE;
  do
  :: seq < N ->
     seq++;
     want = sock;
     /* One piece: a new flow table is seen by the next packet (RCU). */
     if
     :: want != NONE -> atomic {
        if
        :: slotCpu != want ->
           if
           :: slotCpu == NONE -> slotCpu = want; lastQtail = head[want]
           :: slotCpu != NONE ->
              if
              :: head[slotCpu] >= lastQtail -> slotCpu = want; lastQtail = head[want]
              :: else                                   /* packets of it are still in the old backlog: it stays */
              fi
           fi
        :: else
        fi;
        enqueue(slotCpu); lastQtail = tail[slotCpu] }
     :: else -> atomic { enqueue(MAP_CPU) }
     fi
  :: seq == N -> break
  od;
  over = true
}

inline deliver(cpu) {
  atomic {
    assert(entry[cpu * N + taken[cpu]] > lastDelivered);
    lastDelivered = entry[cpu * N + taken[cpu]];
    taken[cpu] = taken[cpu] + 1
  }
}

proctype Backlog(byte cpu) {
  byte n = 0;
  do
  :: taken[cpu] != tail[cpu] ->
     n = 0;
     do
     :: n < BATCH && taken[cpu] != tail[cpu] ->
        deliver(cpu); n++;
#ifdef LEGACY
        head[cpu] = taken[cpu]
#endif
     :: n > 0 -> break
     od;
     head[cpu] = taken[cpu]; n = 0
  :: over && taken[cpu] == tail[cpu] -> break
  od
}

/* The scheduler moves the application; each recvmsg records where it runs. */
active proctype Application() {
  byte cpu = 0;
end:
  do
  :: !over -> select (cpu : 0 .. CPUS - 1); sock = cpu
  :: over -> break
  od
}

#ifdef HOLE_TAG_LOSS
active proctype Collision() {
end:
  do
  :: !over -> sock = NONE
  :: over -> break
  od
}
#endif

#ifdef HOLE_TABLE_WRITE
active proctype Sysctl() {
end:
  do
  :: !over -> atomic { slotCpu = NONE; lastQtail = 0 }
  :: over -> break
  od
}
#endif

init {
  byte i = 0;
  atomic { do :: i < CPUS -> run Backlog(i); i++ :: else -> break od }
}
