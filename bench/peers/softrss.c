// Times DPDK's rte_softrss and rte_softrss_be on tuples read from standard input (12 bytes each, as on the wire:
// addresses, ports). The argument is the key, 80 hex digits: known at compile time it would be folded into the code.
// Prints {"softrss":{"ns":[…],"xor":N},"softrss_be":{…}}: nanoseconds a
// hash, a sample for each pass over all tuples, the two in turn; xor = all hashes XORed, so that nothing is
// optimised away and the caller can check them.
#include <arpa/inet.h>
#include <rte_thash.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#define TUPLES_MAX 65536
#define WORDS 3
#define ROUNDS 20
#define KEY_BYTES 40

static uint8_t key[KEY_BYTES];
static uint8_t key_be[KEY_BYTES];
static uint32_t tuples[TUPLES_MAX][WORDS];
static double times[2][ROUNDS];

static double now_ns(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static uint32_t pass(size_t count, int be) {
  uint32_t sum = 0;
  for (size_t i = 0; i < count; i++)
    sum ^= be ? rte_softrss_be(tuples[i], WORDS, key_be) : rte_softrss(tuples[i], WORDS, key);
  return sum;
}

int main(int argc, char **argv) {
  if (argc != 2 || strlen(argv[1]) != 2 * KEY_BYTES) return 2;
  for (int i = 0; i < KEY_BYTES; i++)
    if (sscanf(argv[1] + 2 * i, "%2hhx", &key[i]) != 1) return 2;
  size_t count = fread(tuples, sizeof tuples[0], TUPLES_MAX, stdin);
  if (count == 0) return 2;
  // rte_softrss wants words in the order of this machine.
  for (size_t i = 0; i < count; i++)
    for (int w = 0; w < WORDS; w++) tuples[i][w] = ntohl(tuples[i][w]);
  rte_convert_rss_key((const uint32_t *)(const void *)key, (uint32_t *)(void *)key_be, sizeof key);
  uint32_t sums[2] = {pass(count, 0), pass(count, 1)};
  for (int round = 0; round < ROUNDS; round++)
    for (int be = 0; be < 2; be++) {
      const double start = now_ns();
      const uint32_t sum = pass(count, be);
      times[be][round] = (now_ns() - start) / (double)count;
      if (sum != sums[be]) return 1;
    }
  for (int be = 0; be < 2; be++) {
    printf("%s\"%s\":{\"ns\":[", be ? "," : "{", be ? "softrss_be" : "softrss");
    for (int round = 0; round < ROUNDS; round++) printf("%s%.3f", round ? "," : "", times[be][round]);
    printf("],\"xor\":%u}", sums[be]);
  }
  printf("}\n");
  return 0;
}
