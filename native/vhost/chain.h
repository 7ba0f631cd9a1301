// The buffers of one frame: chains of descriptors as a driver lays them out (virtio 1.2, 2.7.5), followed and checked.
//
// Promise: whatever stands in the tables, following ends, and every piece lies inside the guest's memory. A descriptor is
// read once and judged then: the guest may write another one meanwhile.
//
// Threads: one at a time.
#pragma once

#include <array>
#include <cstdint>

#include "vhost/dirty_log.h"
#include "vhost/guest_memory.h"
#include "vhost/ring_words.h"

namespace rxsteer {

constexpr uint32_t kRingMost = 32768;
// Buffers of one frame: as many as the kernel's own vhost takes (UIO_MAXIOV).
constexpr uint32_t kPiecesMost = 1024;
// Descriptors that are read for one frame: those without a byte are no pieces, and cost as much.
constexpr uint32_t kStepsMost = 2 * kPiecesMost;

class Chain {
 public:
  // Another frame begins.
  void begin() { count_ = steps_ = 0, bytes_ = 0; }
  // Adds the pieces of the chain that begins at `head` of a table of `size` descriptors: all of them to be read, or to be
  // written. Null, or what cannot be.
  const char* follow(const GuestMemory& memory, const uint8_t* table, uint32_t size, uint32_t head, bool writable);
  // Room in all pieces together.
  uint64_t bytes() const { return bytes_; }

  // Copies all of it out: the first `headerBytes` to `header`, the rest to `frame`.
  void copyOut(uint8_t* header, uint32_t headerBytes, uint8_t* frame) const;

  // Where the next byte is written; there must be room.
  class Writer {
   public:
    // Marks what it writes, if there is a log.
    Writer(const Chain& chain, const DirtyLog* log) : chain_(chain), log_(log) {}
    void write(const uint8_t* from, uint32_t length);

   private:
    const Chain& chain_;
    const DirtyLog* log_;
    uint32_t piece_ = 0;
    uint32_t within_ = 0;
  };

 private:
  struct Piece {
    uint8_t* at;
    uint32_t length;
    // Guest-physical.
    uint64_t address;
  };

  std::array<Piece, kPiecesMost> pieces_{};
  uint32_t count_ = 0;
  // Descriptors read.
  uint32_t steps_ = 0;
  uint64_t bytes_ = 0;
};

}  // namespace rxsteer
