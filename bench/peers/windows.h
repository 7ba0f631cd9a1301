// How the C programs beside `ring` and `pipeline` measure: many short windows, each with the share of it that both
// threads really ran. A window in which a thread had to wait for its CPU says nothing about the program.
#ifndef RXSTEER_BENCH_WINDOWS_H
#define RXSTEER_BENCH_WINDOWS_H
#include <pthread.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

static inline double clock_ns(clockid_t clock) {
  struct timespec t;
  clock_gettime(clock, &t);
  return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static inline double now_ns(void) { return clock_ns(CLOCK_MONOTONIC); }

static inline void pin(int cpu) {
  cpu_set_t set;
  CPU_ZERO(&set);
  CPU_SET(cpu, &set);
  pthread_setaffinity_np(pthread_self(), sizeof set, &set);
}

// Measures `count` windows and prints "windows":[[nanoseconds an item, share that both threads ran], ...]. `done`
// counts finished items.
static inline void print_windows(double seconds, int count, const pthread_t threads[2], uint64_t (*done)(void)) {
  clockid_t clocks[2];
  for (int t = 0; t < 2; t++) pthread_getcpuclockid(threads[t], &clocks[t]);
  printf("\"windows\":[");
  for (int w = 0, printed = 0; w < count; w++) {
    const double cpu[2] = {clock_ns(clocks[0]), clock_ns(clocks[1])};
    const double start = now_ns();
    const uint64_t before = done();
    usleep((useconds_t)(seconds * 1e6));
    const uint64_t items = done() - before;
    const double ns = now_ns() - start;
    double ran = 1;
    for (int t = 0; t < 2; t++) {
      const double share = (clock_ns(clocks[t]) - cpu[t]) / ns;
      if (share < ran) ran = share;
    }
    if (items == 0) continue;
    printf("%s[%.3f,%.3f]", printed++ ? "," : "", ns / (double)items, ran);
  }
  printf("]");
}

// Answers each line "SECONDS COUNT" on standard input with a line {"windows":...} and what `more` prints behind it,
// until the input ends. `before` is called when a line has come.
static inline void serve(const pthread_t threads[2], uint64_t (*done)(void), void (*before)(void), void (*more)(void)) {
  double seconds;
  int count;
  printf("ready\n");
  fflush(stdout);
  while (scanf("%lf %d", &seconds, &count) == 2) {
    if (before) before();
    printf("{");
    print_windows(seconds, count, threads, done);
    if (more) more();
    printf("}\n");
    fflush(stdout);
  }
}
#endif
