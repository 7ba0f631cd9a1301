// The transmit half of an AF_XDP socket in copy mode: plain frames, without the per-message cost of sendmmsg.
//
// Promise: `send` gives the kernel the frames that it can take, in order, and says how many of them it took; what
// follows goes another way (sendmmsg), so that nothing is lost or sent twice. No XDP program is needed or loaded,
// nothing is received. Frames are copied into staging chunks; a chunk is used again only when the kernel has
// completed it, as the AF_XDP protocol asks, even where the driver copies the data at once. A socket that sends `direct`ly
// from the pool (`XskSocket`) copies nothing, and its few chunks are free again when the call returns. Partial checksums are
// completed where a frame is copied to, or in the frame for the moment of the call.
//
// Threads: a socket belongs to a transmit queue. Workers that share the queue share all of it (`XskSocket`);
// the lock of the transmit queue, which they hold while sending, makes that safe. Its release and taking
// order all plain accesses here. Between this program and the kernel the ring indices are stored with release and
// loaded with acquire, as the kernel does on its side (net/xdp/xsk_queue.h).
#pragma once

#include <napi.h>

#include <array>
#include <cstdint>
#include <memory>

#include "ports/frames.h"
#include "ports/xsk_socket.h"
#include "util/fd.h"

namespace rxsteer {

class XskTransmit {
 public:
  XskTransmit() = default;
  XskTransmit(const XskTransmit&) = delete;
  XskTransmit& operator=(const XskTransmit&) = delete;
  ~XskTransmit() { close(); }

  // Duplicates the descriptor of a socket of this process; false where it is none, or has other staging memory. The
  // caller keeps that memory until `close`.
  bool attach(int fd, const uint8_t* staging);
  void close();
  bool ready() const { return static_cast<bool>(socket_); }
  // It takes frames with partial checksums.
  bool completes() const { return shared_ != nullptr && shared_->queue != nullptr; }

  // Frames up to this length may be given (a VLAN tag comes on top): the interface's MTU (see `setXskMtu`) and the chunk
  // limit it.
  uint32_t longest() const;
  bool fits(const uint8_t* frame, uint32_t length) const;
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
  bool place(uint32_t length, uint32_t staged, uint64_t& address);
  bool stage(const SendArrays& frames, int32_t index, uint32_t staged, uint32_t at);

  UniqueFd socket_;
  std::shared_ptr<XskSocket> shared_;
  // Of the frames that are being sent: their chunks (-1: they lie in the pool), and fields of checksums that have to be put
  // back as they were.
  std::array<int32_t, kXskChunks> chunkOf_{};
  std::array<uint8_t*, kXskChunks> field_{};
  std::array<uint16_t, kXskChunks> kept_{};
  // Of the chunk taken last: where it is free, and how many bytes.
  uint64_t room_ = 0;
  uint32_t left_ = 0;
  int error_ = 0;
};

}  // namespace rxsteer
