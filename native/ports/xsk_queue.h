// AF_XDP sockets that receive into the frame pool: the pool's small slots are their UMEM.
//
// Promise: a frame lies where the kernel has put it, in a slot, at the pool's own offset (`headroom`); the bytes before it are
// the slot's. The UMEM is registered in unaligned mode with chunks as long as slot and XDP_PACKET_HEADROOM less headroom:
// so no alignment of the pool is asked for, and a slot takes as long a frame as from any other port. Chunks overlap the end
// of the slot before by what the kernel leaves free; it writes nothing there but metadata of a frame (the last bytes,
// inside the slot's own headroom).
//
// Rings of the kernel are mapped once in a process. Nothing that is used as an address comes from memory that JavaScript can
// write. A queue's fill ring has a lock: several sockets of one queue, each a worker's, share it. What else a receiver
// changes belongs to the thread that polls its socket. Rings are stored to with release and loaded from with acquire, as the
// kernel does (net/xdp/xsk_queue.h). Sources: Documentation/networking/af_xdp.rst, net/xdp/xsk.c, xdp_umem.c.
#pragma once

#include <linux/if_xdp.h>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>

#include "util/fd.h"

#ifndef AF_XDP
#define AF_XDP 44
#endif
#ifndef SOL_XDP
#define SOL_XDP 283
#endif

namespace rxsteer {

// What the kernel leaves free before a received frame.
constexpr uint32_t kXdpHeadroom = 256;
// Entries of a completion ring: twice what a sender has in flight at most.
constexpr uint32_t kXskCompletions = 2048;
// In an address of unaligned mode: where the offset begins.
constexpr int kOffsetShift = 48;
constexpr uint64_t kAddressMask = (uint64_t{1} << kOffsetShift) - 1;

// The geometry of the pool as UMEM.
struct XskMemory {
  uint8_t* pool = nullptr;
  // Small slots; they begin with the pool.
  uint32_t slots = 0;
  uint32_t slotBytes = 0;
  uint32_t headroom = 0;
  // Where the UMEM begins: the page that the pool begins in.
  uint8_t* base = nullptr;
  size_t bytes = 0;
  uint32_t chunkBytes = 0;

  XskMemory() = default;
  XskMemory(uint8_t* bytes, uint32_t slots, uint32_t slotBytes, uint32_t headroom);

  uint64_t frameAddress(uint32_t slot) const {
    return static_cast<uint64_t>(pool - base) + uint64_t{slot} * slotBytes + headroom;
  }
  // What the fill ring takes for a slot. The first slot has none where the pool begins a page: see `lendable`.
  uint64_t fillAddress(uint32_t slot) const { return frameAddress(slot) - kXdpHeadroom; }
  bool lendable(uint32_t slot) const { return frameAddress(slot) >= kXdpHeadroom; }
};

// A mapped ring.
class Mapping {
 public:
  Mapping() = default;
  // Throws SystemError.
  Mapping(int fd, size_t length, off_t which, const char* what);
  Mapping(const Mapping&) = delete;
  Mapping& operator=(const Mapping&) = delete;
  Mapping(Mapping&& other) noexcept : at_(other.at_), length_(other.length_) { other.at_ = nullptr; }
  ~Mapping();
  template <typename T>
  T* at(uint64_t offset) const {
    return reinterpret_cast<T*>(static_cast<uint8_t*>(at_) + offset);
  }

 private:
  void* at_ = nullptr;
  size_t length_ = 0;
};

// A ring between this program and the kernel.
template <typename T>
struct XskRing {
  Mapping mapping;
  uint32_t* producer = nullptr;
  uint32_t* consumer = nullptr;
  uint32_t* flags = nullptr;
  T* entries = nullptr;
  uint32_t mask = 0;

  XskRing(int fd, const xdp_ring_offset& at, uint32_t size, off_t which, const char* what)
      : mapping(fd, at.desc + size * sizeof(T), which, what),
        producer(mapping.at<uint32_t>(at.producer)),
        consumer(mapping.at<uint32_t>(at.consumer)),
        flags(mapping.at<uint32_t>(at.flags)),
        entries(mapping.at<T>(at.desc)),
        mask(size - 1) {}
};

inline uint32_t loadIndex(const uint32_t* index) { return __atomic_load_n(index, __ATOMIC_ACQUIRE); }
inline void storeIndex(uint32_t* index, uint32_t value) { __atomic_store_n(index, value, __ATOMIC_RELEASE); }

// What all sockets of a device's queue share.
struct XskShared {
  XskRing<uint64_t> fill;
  XskRing<uint64_t> completion;
  // Held for a few stores.
  std::mutex lock;

  XskShared(int fd, const xdp_mmap_offsets& at, uint32_t fillEntries)
      : fill(fd, at.fr, fillEntries, static_cast<off_t>(XDP_UMEM_PGOFF_FILL_RING), "mapping the fill ring"),
        completion(fd, at.cr, kXskCompletions, static_cast<off_t>(XDP_UMEM_PGOFF_COMPLETION_RING),
                   "mapping the completion ring") {}
};

struct XskQueue {
  XskMemory memory;
  int ifindex = 0;
  uint32_t queue = 0;
  bool zeroCopy = false;
  // Its poller lets the kernel look into the device whenever it finds nothing.
  bool busyPolls = false;
  std::unique_ptr<XskRing<xdp_desc>> rx;
  std::shared_ptr<XskShared> shared;
  // Frames that came with a partial checksum, and such as lay outside the pool; written by the poller.
  std::atomic<uint64_t> partial{0};
  std::atomic<uint64_t> foreign{0};

  // Gives the kernel slots to receive into. Their number is bounded by the caller: the ring never overflows.
  void giveSlots(const int32_t* ids, uint32_t count);
  // So many are about to be given: lines of the ring, which the kernel has read on another CPU, come meanwhile.
  void expectSlots(uint32_t count) const {
    const XskRing<uint64_t>& fill = shared->fill;
    const uint32_t at = __atomic_load_n(fill.producer, __ATOMIC_RELAXED);
    constexpr uint32_t kLineEntries = 64 / sizeof(uint64_t);
    for (uint32_t k = 0; k <= count; k += kLineEntries) __builtin_prefetch(&fill.entries[(at + k) & fill.mask], 1);
  }
  // Frames that nobody has taken.
  uint32_t unread() const { return loadIndex(rx->producer) - *rx->consumer; }
};

struct XskQueueOptions {
  int ifindex = 0;
  uint32_t queue = 0;
  XskMemory memory;
  // Powers of two.
  uint32_t entries = 0;
  uint32_t fillEntries = 0;
  bool zeroCopy = false;
  // Microseconds of SO_BUSY_POLL, with SO_PREFER_BUSY_POLL (Linux 5.11); 0 = none.
  int busyPollUs = 0;
  // Of a socket that has registered the pool, for the same device; -1: this one registers it.
  int sharedWith = -1;
};

struct OpenXskQueue {
  UniqueFd fd;
  std::shared_ptr<XskQueue> queue;
};

// Opens and binds a socket that receives from a queue of a device. Throws SystemError: EBUSY where another socket has the
// queue, or one that was closed a moment ago.
OpenXskQueue openXskQueue(const XskQueueOptions& options);

// The queue behind a descriptor of this process, or a duplicate of it; else null.
std::shared_ptr<XskQueue> findXskQueue(int fd);

// XDP_STATISTICS of a socket.
struct XskCounts {
  uint64_t dropped = 0;
  uint64_t ringFull = 0;
  uint64_t fillEmpty = 0;
  uint64_t invalid = 0;
};
XskCounts xskCounts(int fd);

// 0, ENETDOWN where the device is down, ENODEV where it is gone: then the socket is of no more use.
int xskDeviceError(int fd);

}  // namespace rxsteer
