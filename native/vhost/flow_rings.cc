#include "vhost/flow_rings.h"

#include <chrono>
#include <mutex>

namespace rxsteer {

namespace {

// Takes the ring's lock, and counts where somebody else has it.
void take(BurstLock& lock, LockWaits waits) {
  if (lock.try_lock()) return;
  const auto start = std::chrono::steady_clock::now();
  lock.lock();
  *waits.contended += 1;
  *waits.nanoseconds += static_cast<double>((std::chrono::steady_clock::now() - start) / std::chrono::nanoseconds(1));
}

int32_t load(const int32_t* word) { return __atomic_load_n(word, __ATOMIC_ACQUIRE); }

// Tries before a frame is given up whose flow others move all the time.
constexpr int kTriesMost = 16;

}  // namespace

// The ring that the bucket is in; one that is in none comes into the wanted one.
uint32_t FlowRings::ringOf(int32_t bucket, uint32_t wanted) {
  if (bucket < 0 || static_cast<uint32_t>(bucket) >= buckets_) return wanted;
  int32_t* word = words_ + 2 * bucket;
  int32_t now = load(word);
  if (now == 0) {
    int32_t none = 0;
    const auto mine = static_cast<int32_t>(wanted + 1);
    now = __atomic_compare_exchange_n(word, &none, mine, false, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE) ? mine : none;
  }
  return static_cast<uint32_t>(now - 1);
}

// Where a frame belongs, the lock of this pair's ring held. A bucket that may leave the ring is moved.
FlowRings::Place FlowRings::placeOf(const SplitRing& ring, uint32_t pair, int32_t bucket, uint32_t wanted) {
  if (ringOf(bucket, wanted) != pair) return Place::elsewhere;
  if (wanted == pair) return Place::here;
  int32_t* word = words_ + 2 * bucket;
  if (ring.taken(static_cast<uint32_t>(word[1]))) {
    __atomic_store_n(word, static_cast<int32_t>(wanted + 1), __ATOMIC_RELEASE);
    return Place::elsewhere;
  }
  return ring.enabled() ? Place::here : Place::shut;
}

int32_t FlowRings::send(Backend& backend, SendArrays& in, const int32_t* wanted, const int32_t* bucket, int32_t from,
                        int32_t to, LockWaits waits) {
  int32_t sent = 0;
  int tries = 0;
  while (from < to) {
    const uint32_t pair = ringOf(bucket[from], static_cast<uint32_t>(wanted[from]));
    if (pair >= backend.pairs) {
      in.result(from++, SendResult::down);
      continue;
    }
    LockedRing& locked = backend.at(2 * pair);
    take(locked.mutex, waits);
    const std::lock_guard<BurstLock> lock(locked.mutex, std::adopt_lock);
    Place place = Place::here;
    int32_t end = from;
    while (end < to && (place = placeOf(locked.ring, pair, bucket[end], static_cast<uint32_t>(wanted[end]))) == Place::here)
      end++;
    if (end == from) {
      if (place == Place::shut || ++tries > kTriesMost) in.result(from++, SendResult::full);
      continue;
    }
    tries = 0;
    int32_t next = end;
    sent += locked.ring.give(in, from, end, next);
    backend.report(locked.ring);
    const auto position = static_cast<int32_t>(locked.ring.position());
    for (int32_t k = from; k < next; k++)
      if (bucket[k] >= 0 && static_cast<uint32_t>(bucket[k]) < buckets_) words_[2 * bucket[k] + 1] = position;
    if (next < end) {
      in.result(next, SendResult::segment);
      for (int32_t k = next + 1; k < to; k++) in.result(k, SendResult::untried);
      break;
    }
    from = end;
  }
  return sent;
}

}  // namespace rxsteer
