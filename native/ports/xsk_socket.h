// AF_XDP sockets for sending, and what all threads of the process that send through one know of it.
//
// A socket has staging memory of its own as its UMEM, where frames are copied to; or the frame pool, when it sends on a queue
// of which another socket receives into the pool (xsk_queue.h). Then frames go from where they lie, if the kernel has them
// when the send call returns (`direct`: copy mode, but for devices that keep references to our pages); all others, and those
// that do not lie in a small slot, are copied to slots of the pool that the socket has for itself (its chunks).
//
// Promise: nothing that is used as an address or an index lies in memory that JavaScript can write: the staging memory
// holds bytes of frames and nothing else. Rings, free chunks and the position in the ring are in an `XskSocket`, which
// senders find by the socket's cookie: a number that the kernel gives once, so that a descriptor's number that was closed
// and given again finds nothing. It lives as long as the descriptor that JavaScript has, or a sender.
//
// Threads: finding is safe from any thread. What sending changes is changed by the thread that has the lock of the
// transmit queue; its release and taking order all plain accesses.
#pragma once

#include <linux/if_xdp.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>

#include "ports/frames.h"
#include "ports/xsk_queue.h"
#include "util/fd.h"

namespace rxsteer {

// Staging memory of a socket: chunks, one page more than they need, so that a page boundary is found in any memory.
constexpr uint32_t kXskChunkBytes = 2048;
constexpr uint32_t kXskChunks = 1024;
constexpr size_t kXskStagingBytes = (size_t{kXskChunks} * kXskChunkBytes) + 4096;
// Entries of each ring: more than chunks, so that completions of abandoned descriptors have room too.
constexpr uint32_t kXskRing = 2 * kXskChunks;

// Descriptors that the kernel takes in a call (TX_BATCH_SIZE).
constexpr uint32_t kXskBatch = 32;

// When the kernel publishes up to where it has read.
enum class XskPublishes : uint32_t {
  unknown,
  // With every call: newer kernels, 6.18 for one.
  atOnce,
  // When a call finds the ring empty, 6.1 for one: after one that ends early nobody knows what it has sent.
  late,
};

struct XskSocket {
  explicit XskSocket(uint8_t* staging);
  // Sends from the pool of `queue`; `slots` are its chunks.
  XskSocket(std::shared_ptr<XskQueue> queue, const int32_t* slots, uint32_t count, bool direct);
  XskSocket(const XskSocket&) = delete;
  XskSocket& operator=(const XskSocket&) = delete;
  // Unmaps the rings.
  ~XskSocket();

  // Maps the rings of a socket that is not bound yet (older kernels, 6.1 for one, map those only). Throws SystemError.
  void map(int fd);

  // What JavaScript keeps for it: the staging memory, or the pool.
  uint8_t* const staging;
  // Where addresses of descriptors count from.
  uint8_t* const chunks;
  // The queue whose pool it sends from; else null.
  const std::shared_ptr<XskQueue> queue;
  const bool direct = false;
  uint64_t addressOf(int32_t chunk) const { return firstAddress_ + static_cast<uint64_t>(chunk) * kXskChunkBytes; }
  // The chunk of a completed address; one that there is not where it was none.
  uint64_t chunkOf(uint64_t address) const { return (address - firstAddress_) / kXskChunkBytes; }
  // Frames that are sent from where they lie: the address of one, or `kNoAddress`.
  static constexpr uint64_t kNoAddress = ~uint64_t{0};
  uint64_t addressInPool(const uint8_t* frame, uint32_t length) const {
    if (!direct) return kNoAddress;
    const XskMemory& memory = queue->memory;
    const bool inside = frame >= memory.pool && frame + length <= memory.pool + size_t{memory.slots} * memory.slotBytes;
    return inside ? static_cast<uint64_t>(frame - memory.base) : kNoAddress;
  }
  // Frames so long fit into a descriptor.
  uint32_t roomOf() const { return queue == nullptr ? kXskChunkBytes : queue->memory.slotBytes - queue->memory.headroom; }
  uint32_t* txProducer = nullptr;
  uint32_t* txConsumer = nullptr;
  xdp_desc* tx = nullptr;
  uint32_t* doneProducer = nullptr;
  uint32_t* doneConsumer = nullptr;
  uint64_t* done = nullptr;
  // Where the kernel will read next. `atOnce` only.
  uint32_t position = 0;
  XskPublishes publishes = XskPublishes::unknown;
  // Descriptors that the kernel takes in a call: it is offered no more, so that a call that succeeds has taken all of them.
  uint32_t batch = kXskBatch;
  // Longest frame: MTU and Ethernet header. Written by the main thread, atomically.
  uint32_t longest = 0;
  FreeList free;
  // Chunks that it has.
  uint32_t chunkCount = kXskChunks;
  // Chunks are below that.
  uint64_t chunkEnd = kXskChunks;

 private:
  uint64_t firstAddress_ = 0;
  std::array<int32_t, 1 + kXskChunks> freeWords_{};
  void* txMapping_ = nullptr;
  size_t txBytes_ = 0;
  void* doneMapping_ = nullptr;
  size_t doneBytes_ = 0;
};

// A descriptor, and what keeps the socket known for as long as it is open.
struct OpenXsk {
  UniqueFd fd;
  std::shared_ptr<XskSocket> socket;
};

// Opens a socket that sends on a queue of an interface, with `staging` (at least kXskStagingBytes) as its UMEM; all
// chunks become free. `tellsLate`: treats the kernel as one that tells late what it has sent (tests; it is found out else).
// Throws SystemError: the kernel may lack AF_XDP, or another socket may have the queue.
OpenXsk openXskSend(int ifindex, uint32_t queue, uint8_t* staging, bool tellsLate = false);

// Opens a socket that sends on the queue that `receiving` receives from, out of the pool. `slots`: its chunks, at most
// kXskChunks. Throws SystemError.
OpenXsk openXskPoolSend(int receiving, const int32_t* slots, uint32_t count, bool direct, bool tellsLate = false);

// The socket behind a descriptor that one of them has opened, or a duplicate of it; else null.
std::shared_ptr<XskSocket> findXsk(int fd);

// The interface's MTU is another one now. Any thread.
void setXskMtu(XskSocket& socket, uint32_t mtu);

}  // namespace rxsteer
