// The pipeline of the `pipeline` suite in C++: what the same work costs without JavaScript.
//
// Two threads, each pinned, with the memory of the engine: slots of 2 KiB in one pool, an owner word a slot, free list
// of the home worker, ring entries of 32 bytes, slot numbers that were handed over in a list of the producer's, which
// takes them back up to the ring's "done", indices on lines of their own, the order ledger, one counter block a thread.
// Thread 0: generate, dissect, hash, table, ledger, hand off. Thread 1: take, decide (wire), send to a sink, ledger,
// counters. Nothing is left out that the engine does for
// a frame of this kind; nothing is done that it does not.
//
// reference FLOWS FRAMES none|strict on|off RATE on|off: order, ledger, with RATE > 0 bursts of 32 at that rate, and
// whether the producer claims the lines of its next entries and the consumer reads backwards, as the engine does
// (`Lane.claim`); measured as ../peers/windows.h says. "latency" has pairs of bucket value and count: nanoseconds from the moment the burst was
// due until the sink had the frame.
#include <pthread.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <bit>
#include <vector>

#include "../peers/windows.h"

namespace {

constexpr int kBurst = 64;
constexpr int kWork = 256;
constexpr int kSlot = 2048;
constexpr int kHeadroom = 64;
constexpr int kLine = 32;  // words: 128 bytes
constexpr int kRing = 4096;
constexpr int kEntry = 8;
constexpr int kLedger = 16384;

// How far a source with a rate may fall behind and still catch up, as the memory source's.
constexpr double kCatchUpNs = 250e6;

std::atomic_ref<int32_t> at(int32_t& word) { return std::atomic_ref<int32_t>(word); }

int32_t* words(size_t count) {
  void* p = mmap(nullptr, count * 4 + 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (p == MAP_FAILED) abort();
  return static_cast<int32_t*>(p);
}

struct Shared {
  uint8_t* pool;
  int32_t* owner;
  int32_t* ids;  // of frames handed over, by position
  int32_t* free;  // word 0: count
  int32_t* index; // tail, head, done
  int32_t* entries;
  int32_t* slots;
  int32_t* finished;
  int32_t* touched;
  alignas(128) int32_t returned;
  alignas(128) double counters[2][64];
  alignas(128) double handoff[16];
  std::atomic<bool> stop{false};
  alignas(128) double* stamps;
} shared;

struct Options {
  int flows, frames;
  bool strict, ledger;
  double rate;
  bool claims;
} options;

uint32_t mix(uint32_t x) {
  x = (x ^ (x >> 16)) * 0x85ebca6bu;
  x = (x ^ (x >> 13)) * 0xc2b2ae35u;
  return x ^ (x >> 16);
}

uint16_t be16(const uint8_t* p) { uint16_t v; memcpy(&v, p, 2); return __builtin_bswap16(v); }
int32_t be32(const uint8_t* p) { uint32_t v; memcpy(&v, p, 4); return static_cast<int32_t>(__builtin_bswap32(v)); }
void put16(uint8_t* p, uint32_t v) { p[0] = static_cast<uint8_t>(v >> 8); p[1] = static_cast<uint8_t>(v); }

uint32_t fold(uint32_t s) { s = (s & 0xffff) + (s >> 16); return (s & 0xffff) + (s >> 16); }
uint32_t sum16(const uint8_t* p, int n, uint32_t s) {
  for (int i = 0; i < n; i += 2) s += be16(p + i);
  return s;
}

struct Burst {
  int n = 0;
  int32_t id[kBurst], off[kBurst], len[kBurst], flags[kBurst], kind[kBurst], ethertype[kBurst], l3[kBurst], l4[kBurst],
      vlan[kBurst], dmacHi[kBurst], dmacLo[kBurst], smacHi[kBurst], smacLo[kBurst], flow[kBurst], hash[kBurst],
      hashType[kBurst], bucket[kBurst], rxq[kBurst], worker[kBurst];
};

// Thread 0: the generator (see src/dataplane/ports/memory/source.ts).
struct Source {
  std::vector<uint32_t> templates, udpSum;
  int step = 1, place = 0, flow = 0;
  uint32_t round = 0;

  int firstOf(uint32_t r) const { return static_cast<int>(mix(mix(1) ^ r) % static_cast<uint32_t>(options.flows)); }

  Source() : templates(static_cast<size_t>(options.flows) * 16), udpSum(static_cast<size_t>(options.flows)) {
    for (int f = 0; f < options.flows; f++) {
      uint8_t* p = reinterpret_cast<uint8_t*>(&templates[static_cast<size_t>(f) * 16]);
      memset(p, 0, 64);
      const uint32_t guest = static_cast<uint32_t>(f % 8) + 1, address = (static_cast<uint32_t>(f) ^ mix(1)) * 0x9e3779b1u;
      const uint32_t ports = mix(1 ^ mix(static_cast<uint32_t>(f) + 0x10000));
      p[0] = 2;
      put16(p + 4, guest);
      p[6] = 2;
      p[7] = 1;
      p[11] = 1;
      put16(p + 12, 0x0800);
      p[14] = 0x45;
      put16(p + 16, 46);
      put16(p + 20, 0x4000);
      p[22] = 64;
      p[23] = 17;
      p[26] = 10;
      p[27] = static_cast<uint8_t>(address >> 16);
      put16(p + 28, address);
      p[30] = 11;
      put16(p + 32, guest);
      put16(p + 34, 1024 + (ports & 0xffff) % 64512);
      put16(p + 36, 1024 + (ports >> 16) % 64512);
      put16(p + 38, 26);
      put16(p + 42, 0x5258);
      put16(p + 44, static_cast<uint32_t>(f) >> 16);
      put16(p + 46, static_cast<uint32_t>(f));
      put16(p + 24, ~fold(sum16(p + 14, 20, 0)));
      udpSum[static_cast<size_t>(f)] = fold(sum16(p + 34, 26, sum16(p + 26, 8, 17 + 26)));
    }
    step = 1 + static_cast<int>(mix(1 ^ 0x5eed) % static_cast<uint32_t>(options.flows));
    auto gcd = [](int a, int b) { while (b) { const int t = a % b; a = b; b = t; } return a; };
    while (gcd(step, options.flows) != 1) step++;
    step %= options.flows;
    flow = firstOf(0);
  }

  bool receive(Burst& b, int max) {
    int n = 0;
    bool starved = false;
    for (; n < max; n++) {
      const int32_t count = shared.free[0];
      if (count == 0) { starved = true; break; }
      const int32_t id = shared.free[count];
      shared.free[0] = count - 1;
      shared.owner[id] = 1;
      const int32_t off = id * kSlot + kHeadroom;
      uint8_t* p = shared.pool + off;
      memcpy(p, &templates[static_cast<size_t>(flow) * 16], 60);
      const uint32_t sum = ~fold(udpSum[static_cast<size_t>(flow)] + (round & 0xffff) + (round >> 16));
      put16(p + 40, (sum & 0xffff) == 0 ? 0xffff : sum);
      const uint32_t swapped = __builtin_bswap32(round);
      memcpy(p + 48, &swapped, 4);
      b.id[n] = id;
      b.off[n] = off;
      b.len[n] = 60;
      b.flags[n] = 0;
      if (++place == options.flows) { place = 0; flow = firstOf(++round); }
      else { flow += step; if (flow >= options.flows) flow -= options.flows; }
    }
    b.n = n;
    return starved;
  }
};

int32_t flowTag(int32_t s, int32_t d, int32_t p, int32_t rest) {
  const uint32_t sum =
      ((static_cast<uint32_t>(s) * 0x9e3779b1u) ^ std::rotl(static_cast<uint32_t>(d) * 0x85ebca6bu, 9)) +
      (std::rotl(static_cast<uint32_t>(p) * 0xc2b2ae35u, 17) ^ std::rotl(static_cast<uint32_t>(rest) * 0x27d4eb2fu, 25));
  const uint32_t x = (sum ^ (sum >> 15)) * 0x2c1b3c6du;
  const uint32_t y = x ^ (x >> 13);
  return y == 0 ? 1 : static_cast<int32_t>(y);
}

constexpr int kPlain = 1 | 4 | 8;

void dissect(Burst& b) {
  for (int i = 0; i < b.n; i++) {
    const uint8_t* p = shared.pool + b.off[i];
    const int length = b.len[i];
    b.kind[i] = 64;
    if (length < 14) continue;
    const int high = be16(p);
    b.dmacHi[i] = high;
    b.dmacLo[i] = be32(p + 2);
    b.smacHi[i] = be16(p + 6);
    b.smacLo[i] = be32(p + 8);
    const int group = (high & 0x100) >> 1;
    int type = be16(p + 12), ip = 14, tag = -1;
    if (type == 0x8100 && length >= 18) { tag = be16(p + 14); type = be16(p + 16); ip += 4; }
    const int there = length - ip;
    if (type != 0x0800 || there < 24) continue;
    const int32_t first = be32(p + ip);
    const int total = first & 0xffff, protocol = p[ip + 9];
    if ((static_cast<uint32_t>(first) >> 24) != 0x45 || total < 24 || total > there || (be16(p + ip + 6) & 0x3fff) != 0) continue;
    if (protocol != 6 && protocol != 17) continue;
    b.kind[i] = kPlain | group | (protocol << 8);
    b.ethertype[i] = type;
    b.l3[i] = b.off[i] + ip;
    b.l4[i] = b.off[i] + ip + 20;
    b.vlan[i] = tag;
    b.flow[i] = flowTag(be32(p + ip + 12), be32(p + ip + 16), be32(p + ip + 20), (protocol << 12) | (tag < 0 ? 0 : tag & 0xfff));
  }
}

int32_t toeplitz[12 * 256];
int32_t targets[128];

void makeTables() {
  static const uint8_t key[40] = {0x6d, 0x5a, 0x56, 0xda, 0x25, 0x5b, 0x0e, 0xc2, 0x41, 0x67, 0x25, 0x3d, 0x43, 0xa3,
      0x8f, 0xb0, 0xd0, 0xca, 0x2b, 0xcb, 0xae, 0x7b, 0x30, 0xb4, 0x77, 0xcb, 0x2d, 0xa3, 0x80, 0x30, 0xf2, 0x0c, 0x6a,
      0x42, 0xb7, 0x3b, 0xbe, 0xac, 0x01, 0xfa};
  for (int byte = 0; byte < 12; byte++)
    for (int v = 0; v < 256; v++) {
      uint32_t h = 0;
      for (int bit = 0; bit < 8; bit++)
        if (v & (0x80 >> bit)) {
          uint64_t window = 0;
          for (int k = 0; k < 5; k++) window = (window << 8) | key[byte + k];
          h ^= static_cast<uint32_t>(window >> (8 - bit));
        }
      toeplitz[byte * 256 + v] = static_cast<int32_t>(h);
    }
  for (int i = 0; i < 128; i++) targets[i] = (1 << 12) | 1;
}

void steer(Burst& b) {
  for (int i = 0; i < b.n; i++) {
    const int kind = b.kind[i] & ~128;
    b.hash[i] = 0;
    b.hashType[i] = 0;
    if (kind != (kPlain | (6 << 8)) && kind != (kPlain | (17 << 8))) continue;
    const uint8_t* a = shared.pool + b.l3[i] + 12;
    const uint8_t* p = shared.pool + b.l4[i];
    int32_t h = 0;
    for (int k = 0; k < 8; k++) h ^= toeplitz[(k << 8) | a[k]];
    for (int k = 0; k < 4; k++) h ^= toeplitz[((8 + k) << 8) | p[k]];
    b.hash[i] = h;
    b.hashType[i] = kind == (kPlain | (6 << 8)) ? 2 : 3;
  }
  for (int i = 0; i < b.n; i++) {
    int bucket = -1, target = 0;
    if (b.hashType[i] != 0) { bucket = b.hash[i] & 127; target = targets[bucket]; }
    b.bucket[i] = bucket;
    b.rxq[i] = target >> 12;
    b.worker[i] = target & 0xfff;
  }
}

// The order ledger (see src/dataplane/order/ledger.ts): a slot is eight words.
enum { kTag, kWord, kNewest, kPlace, kTail, kSince, kHold, kFrames, kSlotWords };

bool drained(int s) {
  return shared.slots[s + kPlace] == 0 || at(shared.index[2 * kLine]).load() - shared.slots[s + kTail] >= 0;
}

int slotFor(int32_t flow, int32_t seq) {
  if (!options.ledger) return kLedger * kSlotWords;
  const int first = ((flow ^ static_cast<int32_t>(static_cast<uint32_t>(flow) >> 15)) & (kLedger - 1)) * kSlotWords;
  for (int way = 0; way < 4; way++) {
    const int s = first ^ (way * kSlotWords);
    if (shared.slots[s] == flow) return s;
  }
  for (int way = 0; way < 4; way++) {
    const int s = first ^ (way * kSlotWords);
    if (shared.slots[s] != 0 && !drained(s)) continue;
    shared.slots[s] = flow;
    shared.slots[s + kWord] = s / kSlotWords;
    shared.slots[s + kPlace] = shared.slots[s + kTail] = shared.slots[s + kFrames] = 0;
    shared.finished[s / kSlotWords * 2] = shared.finished[s / kSlotWords * 2 + 1] = seq - 1;
    return s;
  }
  return kLedger * kSlotWords;
}

// Which guests this thread has sent to (see src/dataplane/order/guest-sharing.ts).
void touch(int32_t high, int32_t low) {
  const uint32_t x = static_cast<uint32_t>(low ^ high) * 0x9e3779b1u;
  uint32_t i = 2 + ((x >> 19) << 1);
  const int32_t key = high | 1 << 16;
  for (;; i = i == 2 * 8192 ? 2 : i + 2) {
    if (shared.touched[i + 1] == key && shared.touched[i] == low) return;
    if (shared.touched[i + 1] == 0) break;
  }
  shared.touched[i] = low;
  at(shared.touched[i + 1]).store(key);
  shared.touched[0]++;
}

void reclaim(int32_t tail) {
  int32_t at_ = shared.returned;
  if (at_ == tail) return;
  const int32_t end = at(shared.index[2 * kLine]).load();
  int32_t count = shared.free[0];
  for (; at_ != end; at_++) {
    const int32_t id = shared.ids[at_ & (kRing - 1)];
    shared.owner[id] = 0;
    shared.free[++count] = id;
  }
  shared.free[0] = count;
  shared.returned = end;
}

// A frame as it crosses, see src/forward/batch.ts.
enum { kSeq, kSize, kDmacLo, kId, kSmacLo, kOrigin, kMacs, kLedgerWord };
constexpr int32_t kGroup = 1 << 24;

enum { kReceived, kRxPackets, kRxBytes, kQueuePackets, kQueueBytes, kHandedOff, kBad, kUnwatched, kPostponed, kEmpty, kDropped, kLoops };

// One store into each line of the next burst's entries (two entries a line) that are free: see `Lane.claim`. Returns up
// to where that is done.
int32_t claim(int32_t claimed, int32_t tail, int32_t limit) {
  const int32_t end = tail + std::min(limit - tail, kBurst);
  const int32_t next = (tail + 1) & -2;
  int32_t p = claimed - next > 0 ? claimed : next;
  for (; end - p > 0; p += 2) *static_cast<volatile int32_t*>(shared.entries + (p & (kRing - 1)) * kEntry) = 0;
  return p;
}

void* producer(void*) {
  pin(0);
  static Burst b;
  Source source;
  double* c = shared.counters[0];
  int32_t tail = 0, headSeen = 0, sequence = 0, claimed = 0;
  double start = 0, given = 0;
  while (!shared.stop.load()) {
    c[kLoops]++;
    int max = kBurst;
    double due = 0;
    if (options.rate > 0) {
      const double now = now_ns();
      if (start == 0) start = now;
      due = start + given * 1e9 / options.rate;
      // After a stall the schedule moves, as the memory source's does.
      if (now - due > kCatchUpNs) {
        start += now - due - kCatchUpNs;
        due = now - kCatchUpNs;
      }
      if (due > now) continue;
      max = 32;
    }
    // Recently freed slots first: they are in this core's cache.
    reclaim(tail);
    if (source.receive(b, max)) c[kEmpty]++;
    if (b.n == 0) continue;
    given += b.n;
    int bytes = 0;
    for (int i = 0; i < b.n; i++) {
      shared.owner[b.id[i]] = 1;
      bytes += b.len[i];
      if (options.rate > 0) shared.stamps[b.id[i]] = due;
    }
    c[kReceived] += b.n;
    c[kRxPackets] += b.n;
    c[kRxBytes] += bytes;
    c[kQueuePackets] += b.n;
    c[kQueueBytes] += bytes;
    dissect(b);
    steer(b);
    const int32_t first = sequence;
    sequence += b.n;
    const int32_t published = tail;
    int bad = 0, unwatched = 0, postponed = 0;
    for (int i = 0; i < b.n; i++) {
      if (b.kind[i] & 64) bad++;
      int to = b.worker[i];
      const int32_t seq = first + i;
      const int slot = slotFor(b.flow[i], seq);
      if (shared.slots[slot + kPlace] != to + 1) {
        if (options.strict && !drained(slot)) {
          to = shared.slots[slot + kPlace] - 1;
          postponed++;
        } else {
          shared.slots[slot + kPlace] = to + 1;
        }
      }
      const int32_t word = shared.slots[slot + kWord];
      if (word < 0) unwatched++;
      if (tail - headSeen >= kRing) {
        headSeen = at(shared.index[kLine]).load();
        if (tail - headSeen >= kRing) { c[kDropped]++; shared.owner[b.id[i]] = 0; shared.free[++shared.free[0]] = b.id[i]; continue; }
      }
      int32_t* e = shared.entries + (tail & (kRing - 1)) * kEntry;
      e[kSeq] = seq;
      e[kSize] = b.len[i] | (b.flags[i] << 20) | ((b.kind[i] & 128) != 0 ? kGroup : 0);
      e[kDmacLo] = b.dmacLo[i];
      e[kId] = b.id[i];
      e[kSmacLo] = b.smacLo[i];
      e[kOrigin] = (b.vlan[i] < 0 ? 0 : (b.vlan[i] & 0xfff) + 1) << 10;
      e[kMacs] = static_cast<int32_t>(static_cast<uint32_t>(b.dmacHi[i]) << 16) | b.smacHi[i];
      e[kLedgerWord] = word;
      shared.ids[tail & (kRing - 1)] = b.id[i];
      tail++;
      shared.slots[slot + kNewest] = seq;
      shared.slots[slot + kTail] = tail;
      shared.slots[slot + kFrames]++;
    }
    at(shared.index[0]).store(tail);
    if (options.claims) claimed = claim(claimed, tail, headSeen + kRing);
    c[kBad] += bad;
    c[kUnwatched] += unwatched;
    c[kPostponed] += postponed;
    c[kHandedOff] += tail - published;
    shared.handoff[0] += tail - published;
    if (tail - headSeen > shared.handoff[1]) shared.handoff[1] = tail - headSeen;
  }
  return nullptr;
}

struct Work {
  int n = 0;
  alignas(64) int32_t words[kWork * kEntry];
  int32_t out[kWork];
};

// Log-linear buckets: 128 for every power of two, below 1 % wide.
constexpr int kSub = 7;
constexpr int kBuckets = 40 << kSub;
uint64_t histogram[kBuckets];
// Slices of 5 ms, as the engine's sink keeps them (src/dataplane/memory/latency.ts), and the number of each one's time.
constexpr int kSlices = 64;
constexpr double kSliceNs = 5e6;
uint64_t slices[kSlices][kBuckets];
uint64_t sliceNumber[kSlices];
uint64_t* slice = slices[0];
double sinceNs = 0;

void chooseSlice(double now) {
  const auto number = static_cast<uint64_t>(now / kSliceNs);
  slice = slices[number % kSlices];
  if (sliceNumber[number % kSlices] == number) return;
  memset(slice, 0, sizeof slices[0]);
  sliceNumber[number % kSlices] = number;
}

void record(double ns) {
  const uint64_t v = ns < 1 ? 1 : static_cast<uint64_t>(ns);
  const int top = 63 - __builtin_clzll(v);
  const int at = top < kSub ? static_cast<int>(v) : ((top - kSub + 1) << kSub) | static_cast<int>((v >> (top - kSub)) & ((1 << kSub) - 1));
  histogram[at]++;
  slice[at]++;
}
double bucketValue(int at) {
  if (at < (2 << kSub)) return at;
  const int top = (at >> kSub) + kSub - 1;
  return (static_cast<double>((1 << kSub) | (at & ((1 << kSub) - 1))) + 0.5) * static_cast<double>(1ull << (top - kSub));
}
// What a share of the frames in a histogram took at most.
double percentile(const uint64_t* counts, double share) {
  double left = 0;
  for (int i = 0; i < kBuckets; i++) left += share * static_cast<double>(counts[i]);
  for (int i = 0; i < kBuckets; i++) {
    left -= static_cast<double>(counts[i]);
    if (counts[i] > 0 && left <= 0) return bucketValue(i);
  }
  return 0;
}
// p50, p99, p99.9 of each whole slice since `sinceNs`.
void printSlices() {
  const auto end = static_cast<uint64_t>(now_ns() / kSliceNs);
  bool first = true;
  for (auto number = static_cast<uint64_t>(sinceNs / kSliceNs) + 1; number < end; number++) {
    if (sliceNumber[number % kSlices] != number) continue;
    const uint64_t* counts = slices[number % kSlices];
    printf("%s[%.0f,%.0f,%.0f]", first ? "" : ",", percentile(counts, 0.5), percentile(counts, 0.99),
           percentile(counts, 0.999));
    first = false;
  }
}
// Share of the recorded frames that took less than `ns`.
double shareBelow(double ns) {
  double all = 0, below = 0;
  for (int i = 0; i < kBuckets; i++) {
    const double count = static_cast<double>(histogram[i]);
    all += count;
    if (bucketValue(i) < ns) below += count;
  }
  return all == 0 ? 0 : below / all;
}

enum { kProcessed, kDelivered, kReordered, kPortPackets, kPortBytes, kClasses };
std::atomic<bool> recording{false};

void* consumer(void*) {
  pin(1);
  static Work w;
  static int32_t list[2 * kWork], frameOf[kWork], sendOff[kWork], sendLen[kWork], sendFlags[kWork];
  double* c = shared.counters[1];
  int32_t head = 0, tailSeen = 0, done = 0;
  while (!shared.stop.load()) {
    c[kLoops]++;
    int32_t available = tailSeen - head;
    if (available == 0) {
      tailSeen = at(shared.index[0]).load();
      available = tailSeen - head;
      if (available == 0) continue;
    }
    const int n = available < kBurst ? available : kBurst;
    // To the newest frame backwards: prefetchers would fetch the lines behind it, which the producer has claimed.
    const bool back = options.claims && n == available;
    for (int k = 0; k < n; k++) {
      const int i = back ? n - 1 - k : k;
      memcpy(w.words + i * kEntry, shared.entries + ((head + i) & (kRing - 1)) * kEntry, kEntry * 4);
    }
    head += n;
    at(shared.index[kLine]).store(head);
    w.n = n;
    for (int i = 0; i < n; i++) {
      const int32_t from = w.words[i * kEntry + kOrigin] & 1023;
      w.out[i] = (w.words[i * kEntry + kSize] & 0xfffff) < 14 ? -4 : from < 2 ? from ^ 1 : -2;
    }
    // Mostly all frames of a work go to one port: then no list is made.
    int others = w.out[0] < 0 ? 1 : 0;
    for (int i = 1; i < n; i++) others |= w.out[i] ^ w.out[0];
    int sent = 0, bytes = 0;
    if (others != 0) {
      int listed[2] = {0, 0};
      for (int i = 0; i < n; i++)
        if (w.out[i] >= 0) list[w.out[i] * kWork + listed[w.out[i]]++] = i;
      for (int k = 0; k < listed[1]; k++) frameOf[k] = list[kWork + k];
      sent = listed[1];
    }
    if (others == 0) sent = n;
    for (int k = 0; k < sent; k++) {
      const int32_t* e = w.words + (others == 0 ? k : frameOf[k]) * kEntry;
      sendOff[k] = e[kId] * kSlot + kHeadroom;
      sendLen[k] = e[kSize] & 0xfffff;
      sendFlags[k] = (e[kSize] >> 20) & 15;
      bytes += sendLen[k];
    }
    // The sink of the engine gets these as arguments of a call; here the compiler must not leave them out.
    asm volatile("" : : "r"(sendOff), "r"(sendLen), "r"(sendFlags), "r"(frameOf) : "memory");
    if (options.rate > 0 && recording.load(std::memory_order_relaxed)) {
      const double now = now_ns();
      chooseSlice(now);
      for (int i = 0; i < n; i++) record(now - shared.stamps[w.words[i * kEntry + kId]]);
    }
    c[kPortPackets] += sent;
    c[kPortBytes] += bytes;
    const int delivered = sent;
    int reordered = 0;
    int32_t classes[8] = {};
    for (int i = 0; i < n; i++) {
      const int32_t* e = w.words + i * kEntry;
      if ((e[kSize] & kGroup) == 0) touch(static_cast<int32_t>(static_cast<uint32_t>(e[kMacs]) >> 16), e[kDmacLo]);
      const int32_t word = e[kLedgerWord], seq = e[kSeq];
      if (word >= 0) {
        classes[(word >> 27) & 7]++;
        const int f = (word & ((1 << 27) - 1)) * 2;
        if (seq - shared.finished[f] > 0 && seq - shared.finished[f + 1] > 0) shared.finished[f] = seq;
        else reordered++;
      }
    }
    c[kProcessed] += n;
    c[kReordered] += reordered;
    for (int k = 0; k < 8; k++)
      if (classes[k] != 0) c[kClasses + k] += classes[k];
    std::atomic_ref<double>(c[kDelivered]).store(c[kDelivered] + delivered, std::memory_order_relaxed);
    done += n;
    at(shared.index[2 * kLine]).store(done);
  }
  return nullptr;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 7) return 2;
  options = {atoi(argv[1]), atoi(argv[2]), strcmp(argv[3], "strict") == 0, strcmp(argv[4], "on") == 0, atof(argv[5]),
             strcmp(argv[6], "on") == 0};
  const size_t slots = static_cast<size_t>(options.frames);
  shared.pool = reinterpret_cast<uint8_t*>(words(slots * kSlot / 4));
  shared.owner = words(slots);
  shared.ids = words(kRing);
  shared.free = words(slots + 1);
  shared.index = words(3 * kLine);
  shared.entries = words(kRing * kEntry);
  // One slot more: where a flow has none of its own.
  shared.slots = words((kLedger + 1) * kSlotWords);
  shared.finished = words((kLedger + 1) * 2);
  shared.touched = words(2 + 2 * 8192);
  shared.slots[kLedger * kSlotWords + kWord] = -1;
  shared.stamps = reinterpret_cast<double*>(words(2 * slots));
  for (int32_t id = options.frames - 1; id >= 0; id--) shared.free[++shared.free[0]] = id;
  makeTables();
  pthread_t threads[2];
  pthread_create(&threads[0], nullptr, producer, nullptr);
  pthread_create(&threads[1], nullptr, consumer, nullptr);
  usleep(100000);
  serve(
      threads,
      [] { return static_cast<uint64_t>(std::atomic_ref<double>(shared.counters[1][kDelivered]).load()); },
      [] {
        // A source with a rate catches up after a pause; that is not the pipeline's latency.
        if (options.rate == 0) return;
        recording = true;
        for (int k = 0; k < 60; k++) {
          memset(histogram, 0, sizeof histogram);
          usleep(20000);
          if (shareBelow(5e6) > 0.9) break;
        }
        memset(histogram, 0, sizeof histogram);
        sinceNs = now_ns();
      },
      [] {
        recording = false;
        usleep(1000);
        printf(",\"dropped\":%.0f,\"reordered\":%.0f,\"latency\":[", shared.counters[0][kDropped],
               shared.counters[1][kReordered]);
        bool first = true;
        for (int i = 0; i < kBuckets; i++) {
          if (histogram[i] == 0) continue;
          printf("%s[%.0f,%llu]", first ? "" : ",", bucketValue(i), static_cast<unsigned long long>(histogram[i]));
          first = false;
        }
        printf("],\"slices\":[");
        printSlices();
        printf("]");
      });
  shared.stop = true;
  for (pthread_t t : threads) pthread_join(t, nullptr);
  return 0;
}
