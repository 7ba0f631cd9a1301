// Hands packets to one worker by DPDK's rte_distributor in burst mode, measured as windows.h says. The packets are
// mbufs of one pool, made before: neither generated nor parsed nor hashed here; the tag is set once.
#define _GNU_SOURCE
#include <pthread.h>
#include <sched.h>
#include <rte_distributor.h>
#include <rte_eal.h>
#include <rte_launch.h>
#include <rte_lcore.h>
#include <rte_mbuf.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "windows.h"

#define BURST 32
#define MBUFS 2047
#define FLOWS 1024

// Written by the distributing core only.
static volatile uint64_t returned __attribute__((aligned(128)));
static struct rte_distributor *distributor;

// The distributing and the working thread.
static pthread_t threads[2];

static uint64_t done(void) { return returned; }

__attribute__((noreturn)) static int work(void *arg) {
  (void)arg;
  threads[1] = pthread_self();
  struct rte_mbuf *bufs[8] __attribute__((aligned(64)));
  unsigned count = 0;
  for (;;) {
    int got = rte_distributor_get_pkt(distributor, 0, bufs, bufs, count);
    count = got < 0 ? 0 : (unsigned)got;
  }
}

static void *measure(void *arg) {
  (void)arg;
  usleep(100000);
  serve(threads, done, NULL, NULL);
  // The two others never end: they hold nothing that outlives the process.
  _exit(0);
}

int main(int argc, char **argv) {
  (void)argc;
  char *eal[] = {argv[0],    "-l",           "0,1",     "--no-huge",    "--no-shconf", "--no-pci",
                 "-m",       "64",           "--no-telemetry", "--log-level", "4",  NULL};
  threads[0] = pthread_self();
  pthread_t thread;
  if (rte_eal_init((int)(sizeof eal / sizeof eal[0]) - 1, eal) < 0) return 3;
  struct rte_mempool *pool = rte_pktmbuf_pool_create("mbufs", MBUFS, 0, 0, RTE_MBUF_DEFAULT_BUF_SIZE, 0);
  if (pool == NULL) return 3;
  distributor = rte_distributor_create("d", 0, 1, RTE_DIST_ALG_BURST);
  if (distributor == NULL) return 3;
  static struct rte_mbuf *bufs[MBUFS];
  static struct rte_mbuf *back[1024];
  if (rte_pktmbuf_alloc_bulk(pool, bufs, 1024) != 0) return 3;
  for (int i = 0; i < 1024; i++) bufs[i]->hash.usr = (uint32_t)(i * 2654435761u) % FLOWS + 1;
  pthread_create(&thread, NULL, measure, NULL);
  cpu_set_t all;
  CPU_ZERO(&all);
  CPU_SET(0, &all);
  CPU_SET(1, &all);
  // The thread that measures must not share the pin of the one that made it.
  pthread_setaffinity_np(thread, sizeof all, &all);
  rte_eal_remote_launch(work, NULL, 1);
  // Whoever has come back is given out again; what is on its way is bounded by the distributor's own backlogs.
  for (unsigned next = 0;; next = (next + BURST) & 1023) {
    rte_distributor_process(distributor, &bufs[next], BURST);
    int count;
    while ((count = rte_distributor_returned_pkts(distributor, back, 1024)) > 0) returned += (uint64_t)count;
  }
}
