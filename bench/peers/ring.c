// DPDK's rte_ring between two pinned threads, one producer, one consumer, bulks of 32. `ring BYTES`: items of 4 (as
// rte_ring_elem takes them), 8 or 32 bytes; measured as windows.h says.
#define _GNU_SOURCE
#include <pthread.h>
#include <rte_eal.h>
#include <rte_ring.h>
#include <rte_ring_elem.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "windows.h"

#define BULK 32
#define ITEMS 4096

static volatile int stop;
static volatile uint64_t taken __attribute__((aligned(128)));
static struct rte_ring *ring __attribute__((aligned(128)));
static unsigned bytes;
static uint64_t sum;

static uint64_t done(void) { return taken; }

// The size is a constant at each call, as DPDK's documentation asks for.
static void *produce(void *arg) {
  (void)arg;
  pin(0);
  uint32_t items[BULK * 8];
  for (uint32_t value = 0; !stop;) {
    for (unsigned i = 0; i < BULK * bytes / 4; i++) items[i] = value++;
    if (bytes == 4)
      while (rte_ring_sp_enqueue_bulk_elem(ring, items, 4, BULK, NULL) == 0 && !stop) rte_pause();
    else if (bytes == 8)
      while (rte_ring_sp_enqueue_bulk_elem(ring, items, 8, BULK, NULL) == 0 && !stop) rte_pause();
    else
      while (rte_ring_sp_enqueue_bulk_elem(ring, items, 32, BULK, NULL) == 0 && !stop) rte_pause();
  }
  return NULL;
}

static void *consume(void *arg) {
  (void)arg;
  pin(1);
  uint32_t items[BULK * 8];
  while (!stop) {
    unsigned count;
    if (bytes == 4)
      count = rte_ring_sc_dequeue_bulk_elem(ring, items, 4, BULK, NULL);
    else if (bytes == 8)
      count = rte_ring_sc_dequeue_bulk_elem(ring, items, 8, BULK, NULL);
    else
      count = rte_ring_sc_dequeue_bulk_elem(ring, items, 32, BULK, NULL);
    if (count == 0) {
      rte_pause();
      continue;
    }
    for (unsigned i = 0; i < count * bytes / 4; i++) sum += items[i];
    taken += count;
  }
  return NULL;
}

int main(int argc, char **argv) {
  if (argc != 2) return 2;
  bytes = (unsigned)atoi(argv[1]);
  if (bytes != 4 && bytes != 8 && bytes != 32) return 2;
  // No EAL: a ring in memory of our own needs none.
  const ssize_t size = rte_ring_get_memsize_elem(bytes, ITEMS);
  if (size < 0 || posix_memalign((void **)&ring, 4096, (size_t)size) != 0) return 3;
  memset(ring, 0, (size_t)size);
  if (rte_ring_init(ring, "bench", ITEMS, RING_F_SP_ENQ | RING_F_SC_DEQ) != 0) return 3;
  pthread_t threads[2];
  pthread_create(&threads[0], NULL, produce, NULL);
  pthread_create(&threads[1], NULL, consume, NULL);
  usleep(100000);
  serve(threads, done, NULL, NULL);
  stop = 1;
  for (int t = 0; t < 2; t++) pthread_join(threads[t], NULL);
  fprintf(stderr, "sum %llu\n", (unsigned long long)sum);
  return 0;
}
