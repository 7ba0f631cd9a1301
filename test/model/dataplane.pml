/*
 * The data plane under order=strict: dispatch, ring, hold, wake-up, transmit, completion, death of a worker.
 *
 * One flow on one receive queue, polled by worker 0. Worker 0 steers each frame to the worker that the policy names at
 * that moment (any, changed at any time), subject to the guard: another worker only when the ring towards the old one is
 * done with the flow's newest frame. A flow that does not drain may be held, and the hold may be cancelled, at any time: both
 * bounds are clocks, so every moment is possible. Every worker sends what it took, then reports it finished.
 *
 * Checked: no frame is sent after a later one of its flow; every frame received ends once (sent, or dropped under a
 * reason); nobody waits for ever (an invalid end state), which also means that no wake-up is lost.
 *
 * What the code does in one burst is several steps here wherever another thread could look in between. Memory is
 * sequentially consistent, as JavaScript's Atomics are; plain words are written by one thread only.
 *
 * DEATH: one worker dies, at any of its steps. POLLER_DEATH: the one that steers dies, at any of its steps; its successor
 * waits until everything that was published has been finished, and takes the flow's slot for empty. AWAKE: workers do not
 * sleep, so that more of them can be searched.
 *
 * Bounds: N frames, W workers, rings of CAP frames, bursts of BURST frames, HOLD_MAX held frames.
 * Each MUTANT below is a mistake that somebody could make; the checker must find it.
 */
#ifndef N
#define N 4
#endif
#ifndef W
#define W 3
#endif
#ifndef CAP
#define CAP 2
#endif
#ifndef BURST
#define BURST 2
#endif
#ifndef HOLD_MAX
#define HOLD_MAX 2
#endif

byte wanted = 0;          /* the worker that the policy names now */
byte tail[W];             /* ring 0 -> w: published, taken, finished; [0] are worker 0's own frames */
byte head[W];
byte doneTo[W];
byte entry[W * CAP];

byte slotWorker = 0;      /* the flow's slot, written by worker 0 only: where its newest frame went, */
byte slotTail = 0;        /* and the position after it in that ring */

bool asleep[W];
bool event[W];
bool over = false;        /* the exit phase */

byte lastSent = 0;        /* what the receiver saw last */
byte received = 0;
byte counted = 0;         /* transmitted or dropped: frames whose life has ended */
byte deaths = 0;

/* A frame leaves: this is what must be in order. Frames number from 1. */
inline transmit(seq) {
  atomic { assert(seq > lastSent); lastSent = seq }
}

/* Its end is counted where its slot is freed, after the send; the ring's done follows once a burst. */
inline commit() {
  atomic { counted++ }
}

inline wake(w) {
  if
  :: asleep[w] -> atomic { if :: asleep[w] -> asleep[w] = false; event[w] = true :: else fi }
  :: else
  fi
}

#ifdef MUTANT_GUARD_BY_HEAD
#define drained() (head[slotWorker] >= slotTail)
#else
#ifdef MUTANT_NO_GUARD
#define drained() (true)
#else
#ifdef MUTANT_BETWEEN_OTHERS
#define drained() (doneTo[slotWorker] >= slotTail || (slotWorker != 0 && to != 0))
#else
#define drained() (doneTo[slotWorker] >= slotTail)
#endif
#endif
#endif

/* Worker 0 puts a frame where it goes; own frames wait in `own` until the end of the burst. */
inline accept(seq, to) {
  if
  :: to == 0 -> own[nOwn] = seq; nOwn++; tail[0] = tail[0] + 1; head[0] = tail[0]; slotWorker = 0; slotTail = tail[0]
  :: to != 0 && unpublished[to] - head[to] < CAP ->
     entry[to * CAP + unpublished[to] % CAP] = seq;
     unpublished[to] = unpublished[to] + 1;
     slotWorker = to; slotTail = unpublished[to]
  :: to != 0 && unpublished[to] - head[to] >= CAP -> atomic { counted++ }   /* dropped: backlog, or hold */
  fi
}

inline publish() {
  w = 1;
  do
  :: w < W ->
     if
     :: unpublished[w] != tail[w] -> tail[w] = unpublished[w]; wake(w)
     :: else
     fi;
     w++
  :: else -> break
  od
}

/* The held frames, oldest first, to worker `to`. */
inline release(to) {
  h = 0;
  do
  :: h < nHeld -> accept(held[h], to); held[h] = 0; h++
  :: else -> break
  od;
  nHeld = 0
}

inline processOwn() {
  h = 0;
  do :: h < nOwn -> commit(); own[h] = 0; h++ :: else -> break od;
  doneTo[0] = tail[0];
  nOwn = 0; h = 0
}

/*
 * It dies: what it held, had not published, or had not accounted for is swept and counted as workerDied. What was
 * published lives on.
 */
inline diePoller() {
  atomic {
    deaths++;
    counted = counted + nHeld + nOwn;
    h = 0;
    do :: h < nHeld -> held[h] = 0; h++ :: else -> break od;
    h = 0;
    do :: h < nOwn -> own[h] = 0; h++ :: else -> break od;
    nHeld = 0; nOwn = 0;
    doneTo[0] = tail[0]; head[0] = tail[0];
    w = 1;
    do
    :: w < W -> counted = counted + unpublished[w] - tail[w]; unpublished[w] = tail[w]; w++
    :: else -> break
    od;
    h = 0; w = 0; to = 0; k = 0
  }
#ifndef MUTANT_SUCCESSOR_RUSHES
  w = 1;
  do :: w < W -> doneTo[w] == tail[w]; w++ :: else -> break od;
  w = 0;
#endif
  slotTail = doneTo[slotWorker]
}

/* Own frames leave; `commit` follows for all of them. */
inline sendOwn() {
  h = 0;
  do :: h < nOwn -> transmit(own[h]); h++ :: else -> break od;
  h = 0
}

#ifdef POLLER_DEATH
#define mayDie() if :: deaths == 0 -> diePoller() :: true fi
#else
#define mayDie() skip
#endif

active proctype Poller() {
  byte own[BURST + HOLD_MAX];
  byte held[HOLD_MAX];
  byte unpublished[W];
  byte nOwn = 0, nHeld = 0, holdTo = 0, seq = 0, to = 0, h = 0, w = 0, k = 0;
  do
  :: seq < N || nHeld > 0 ->
     /* What is held is looked at first, in every pass. */
     if
     :: nHeld > 0 ->
        if
#ifdef MUTANT_RELEASE_EARLY
        :: true -> release(holdTo)
#else
        :: drained() -> release(holdTo)
#endif
        :: true -> release(slotWorker)                  /* a bound is reached: cancelled */
        :: seq < N -> skip                              /* neither yet */
        fi
     :: else
     fi;
     k = 0;
     do
     :: seq < N && k < BURST ->
        seq++; k++; received++;
        to = wanted;
        if
        :: nHeld > 0 && nHeld < HOLD_MAX ->
#ifdef MUTANT_PASS_THE_HELD
           accept(seq, slotWorker)
#else
           held[nHeld] = seq; nHeld++
#endif
        :: nHeld == HOLD_MAX ->
           release(slotWorker);
           accept(seq, slotWorker)
        :: nHeld == 0 && (to == slotWorker || drained()) -> accept(seq, to)
        :: nHeld == 0 && to != slotWorker && !drained() ->
           if
           :: accept(seq, slotWorker)                   /* postponed */
           :: held[0] = seq; nHeld = 1; holdTo = to     /* postponed for too long: held */
           fi
        fi
     :: else -> break
     :: k > 0 -> break
     od;
     to = 0; k = 0;
     mayDie();
     publish();
     mayDie();
     sendOwn();
     mayDie();
     processOwn()
  :: seq == N && nHeld == 0 -> break
  od;
  /* Shutdown: everything published has been finished, then exit. */
  counted == received;
  over = true;
  w = 1;
  do :: w < W -> wake(w); w++ :: else -> break od
}

proctype Worker(byte me) {
  byte work[BURST];
  byte n = 0, h = 0;
  do
  :: over && head[me] == tail[me] -> break
  :: head[me] != tail[me] ->
     n = 0;
     do
     :: n < BURST && head[me] + n != tail[me] -> work[n] = entry[me * CAP + (head[me] + n) % CAP]; n++
     :: else -> break
     od;
     head[me] = head[me] + n;
#ifdef DEATH
     if
     :: deaths == 0 ->
        /* It dies holding the burst, unsent: swept, counted as workerDied, its rings done; a successor starts here. */
        atomic { deaths++; counted = counted + n; doneTo[me] = head[me] };
        h = 0; do :: h < n -> work[h] = 0; h++ :: else -> break od;
        n = 0; h = 0
     :: true
     fi;
#endif
     h = 0;
     do :: h < n -> transmit(work[h]); h++ :: else -> break od;
#ifdef DEATH
     if
     :: deaths == 0 && n > 0 ->
        /* Or sent, but not yet accounted for: the sweep counts the frames as workerDied all the same. */
        atomic { deaths++; counted = counted + n; doneTo[me] = head[me] };
        h = 0; do :: h < n -> work[h] = 0; h++ :: else -> break od;
        n = 0; h = 0
     :: true
     fi;
#endif
     h = 0;
     do :: h < n -> commit(); work[h] = 0; h++ :: else -> break od;
     doneTo[me] = head[me];
     n = 0; h = 0
  :: head[me] == tail[me] && !over ->
#ifdef AWAKE
     head[me] != tail[me] || over
#else
     asleep[me] = true;
     if
#ifndef MUTANT_SLEEP_UNSEEN
     :: head[me] != tail[me] || over -> asleep[me] = false
     :: else ->
#else
     :: true ->
#endif
        event[me]; event[me] = false; asleep[me] = false
     fi
#endif
  od
}

/* Whatever changes the policy: RFS, a table entry, a key, an owner, a rebalancer. */
active proctype Policy() {
end:
  do
  :: !over -> select (wanted : 0 .. W - 1)
  :: over -> break
  od
}

init {
  byte i = 1;
  atomic { do :: i < W -> run Worker(i); i++ :: else -> break od }
}
