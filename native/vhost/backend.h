// The back-end of one vhost-user port: its rings, the guest's memory, and the locks between those who change them and
// those who use them.
//
// Promise: the main thread changes a ring, its memory or its descriptors only between two bursts, and what it has changed
// is what the next burst sees: a call that returns has nobody behind it who still uses the old. A worker's burst takes one
// lock that nobody else wants, as a rule. The rings outlive every worker and every guest; positions are never lost.
//
// Threads: found by number from any thread (`findBackend`); control calls are the main thread's.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "util/fd.h"
#include "vhost/split_ring.h"

namespace rxsteer {

// Taken once a burst by a worker, and by the main thread between two. A mutex of the C library would need a newer one
// for its `trylock` than Node does.
class BurstLock {
 public:
  bool try_lock() { return !taken_.test_and_set(std::memory_order_acquire); }
  void lock() {
    // Whoever has it is in the middle of a burst: a few microseconds, or descheduled.
    for (int looks = 0; !try_lock(); looks++) {
      if (looks < 64) std::this_thread::yield();
      else std::this_thread::sleep_for(std::chrono::microseconds(50));
    }
  }
  void unlock() { taken_.clear(std::memory_order_release); }

 private:
  std::atomic_flag taken_ = ATOMIC_FLAG_INIT;
};

struct LockedRing {
  BurstLock mutex;
  SplitRing ring;
  // The main thread's: its kicks are heard.
  bool watched = false;
};

class Backend {
 public:
  // Ring 2q is what the guest receives on, ring 2q + 1 what it sends on. Throws SystemError.
  explicit Backend(uint32_t pairs);

  const uint32_t pairs;
  LockedRing& at(uint32_t index) { return *rings_[index]; }
  // Readable when the guest has kicked a ring that it sends on: one descriptor for all of them, and the same whatever the
  // guest's are. They are one receive queue, with one poller: a guest that moves a flow between its rings waits only until
  // its frames are marked as used, and two pollers could then send the later ones first.
  int event() const { return events_.get(); }
  // Readable when a burst has found a broken ring, until `broken` is asked.
  int trouble() const { return trouble_.get(); }
  // A burst is over, the ring's lock held: whoever listens is told of a ring that has just broken.
  void report(const SplitRing& ring);

  // The rest belongs to the main thread. Each may throw SystemError: what the front-end asked for cannot be, or a worker
  // stands still in the middle of a burst (EBUSY).
  void setFeatures(uint64_t features);
  void setMemory(std::vector<std::shared_ptr<Region>> regions);
  const std::vector<std::shared_ptr<Region>>& regions() const;
  // What is written into the guest's memory is marked there, from now on, as far as features and ring addresses say so.
  void setLog(std::shared_ptr<const DirtyLog> log);
  void setSize(uint32_t index, uint32_t entries);
  void setBase(uint32_t index, uint32_t next);
  void setAddresses(uint32_t index, const SplitRing::Addresses& addresses);
  // An empty descriptor: the guest does not kick, the ring is looked at all the time.
  void start(uint32_t index, UniqueFd kick);
  void setCall(uint32_t index, UniqueFd call);
  void enable(uint32_t index, bool on);
  uint32_t stop(uint32_t index);
  // The guest is gone.
  void reset();
  // Some ring is broken, or memory was lost: what happened, or null.
  const char* broken();

 private:
  std::unique_lock<BurstLock> hold(uint32_t index);
  void watch(uint32_t index, bool on);

  std::vector<std::unique_ptr<LockedRing>> rings_;
  UniqueFd events_;
  UniqueFd trouble_;
  // Always readable; a member of `events_` while rings run whose guest does not kick.
  UniqueFd always_;
  uint32_t silent_ = 0;
  std::shared_ptr<const GuestMemory> memory_;
  std::shared_ptr<const DirtyLog> log_;
};

// Gives the back-end a number; it stays known until the last owner has let go of it.
int32_t enter(const std::shared_ptr<Backend>& backend);
std::shared_ptr<Backend> findBackend(int32_t number);

}  // namespace rxsteer
