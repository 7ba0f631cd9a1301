// The transmit half of an AF_XDP socket in copy mode: plain frames, without the per-message cost of sendmmsg.
//
// Promise: `send` gives the kernel the frames that it can take, in order, and says how many of them it took; what
// follows goes another way (sendmmsg), so that nothing is lost or sent twice. No XDP program is needed or loaded,
// nothing is received. Frames are copied into staging chunks; a chunk is used again only when the kernel has
// completed it, as the AF_XDP protocol asks, even where the driver copies the data at once.
//
// Threads: a socket belongs to a transmit queue. Workers that share the queue share socket, rings and staging
// memory; the lock of the transmit queue, which they hold while sending, makes that safe. Its release and taking
// order all plain accesses here. Between this program and the kernel the ring indices are stored with release and
// loaded with acquire, as the kernel does on its side (net/xdp/xsk_queue.h).
#pragma once

#include <napi.h>

#include <array>
#include <cstdint>

#include "ports/frames.h"
#include "util/fd.h"

struct xdp_desc;

namespace rxsteer {

// Staging memory of a socket: chunks, then the list of free ones. One page more than that is needed, so that a page
// boundary is found in any memory.
constexpr uint32_t kXskChunkBytes = 2048;
constexpr uint32_t kXskChunks = 1024;
constexpr size_t kXskStagingBytes = (size_t{kXskChunks} * kXskChunkBytes) + (3 * 4096);

// Opens a socket that sends on a queue of an interface, with `staging` (at least kXskStagingBytes) as its UMEM; all
// chunks become free. `tellsLate`: treats the kernel as one that tells late what it has sent (tests; it is found out else).
// Throws SystemError: the kernel may lack AF_XDP, or another socket may have the queue.
UniqueFd openXskSend(int ifindex, uint32_t queue, uint8_t* staging, bool tellsLate = false);

// The interface's MTU is another one now. Any thread.
void setXskMtu(uint8_t* staging, uint32_t mtu);

// The mapped rings of a socket.
struct XskRings {
  uint8_t* tx = nullptr;
  uint8_t* done = nullptr;
};

struct XskShared;

class XskTransmit {
 public:
  XskTransmit() = default;
  XskTransmit(const XskTransmit&) = delete;
  XskTransmit& operator=(const XskTransmit&) = delete;
  ~XskTransmit() { close(); }

  // Duplicates the descriptor and maps its rings; false (errno) where that fails.
  bool attach(int fd, uint8_t* staging);
  void close();
  bool ready() const { return static_cast<bool>(socket_); }

  // Frames up to this length may be given: the interface's MTU (see `setXskMtu`) and the chunk limit it.
  uint32_t longest() const;
  // Why the last `send` took less than it was offered; ENOBUFS where no chunk was free.
  int error() const { return error_; }

  // Offers frames index[0 … count-1] of `frames`, none longer than `longest`. Returns how many, from the first on,
  // the kernel has taken.
  uint32_t send(const SendArrays& frames, const int32_t* index, uint32_t count);

 private:
  void reclaim();
  int kick();
  uint64_t invalid() const;
  bool drain();
  void abandon(uint32_t from, uint32_t end);
  uint32_t stoppedAt(uint32_t before, uint32_t end, int error);
  bool begin();

  UniqueFd socket_;
  uint8_t* chunks_ = nullptr;
  FreeList free_;
  XskShared* shared_ = nullptr;
  // Of the frames that are being sent.
  std::array<int32_t, kXskChunks> chunkOf_{};
  int error_ = 0;
  XskRings rings_;
  // Those of them that are this object's.
  XskRings mapped_;
  uint32_t* txProducer_ = nullptr;
  uint32_t* txConsumer_ = nullptr;
  xdp_desc* tx_ = nullptr;
  uint32_t* doneProducer_ = nullptr;
  uint32_t* doneConsumer_ = nullptr;
  uint64_t* done_ = nullptr;
};

}  // namespace rxsteer
