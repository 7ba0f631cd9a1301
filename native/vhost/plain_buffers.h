// The buffers of a burst, looked up ahead: those that are one descriptor each, as a driver lays out all frames but long ones.
//
// Promise: entries and descriptors are read once, and what is found here lies inside the guest's memory, may be used in the
// wanted direction, and is not empty. Anything else (a chain, an indirect table, what cannot be) is null here: it is for
// `Chain` to follow and to judge. The memory of all of them is asked for before the first is used: another core wrote it
// last, and to wait for one line after the other takes longer than everything else that is done for a frame.
//
// Threads: one at a time.
#pragma once

#include <array>
#include <cstdint>

#include "util/copy.h"
#include "vhost/guest_memory.h"
#include "vhost/ring_words.h"

namespace rxsteer {

class PlainBuffers {
 public:
  static constexpr uint32_t kMost = 64;

  // By entry: where it lies, its bytes, its head.
  std::array<uint8_t*, kMost> at;
  std::array<uint32_t, kMost> length;
  std::array<uint16_t, kMost> head;

  // A ring, and where it goes on.
  struct Place {
    const uint8_t *desc, *avail, *used;
    uint32_t size;
    uint16_t next, usedIdx;
  };

  // Looks at `count` available entries from the next one on.
  template <bool kWritable>
  void look(const GuestMemory& memory, const Place& place, uint32_t count) {
    const auto [desc, avail, used, size, next, usedIdx] = place;
    for (uint32_t k = 0; k < count; k++) {
      head[k] = load16(avail + 4 + 2 * (static_cast<uint16_t>(next + k) & (size - 1)), __ATOMIC_RELAXED);
      prefetchToRead(desc + kDescBytes * (head[k] & (size - 1)));
      // Eight entries of the used ring are a line.
      if (k % 8 == 0) prefetchToWrite(used + 4 + 8 * (static_cast<uint16_t>(usedIdx + k) & (size - 1)));
    }
    for (uint32_t k = 0; k < count; k++) {
      at[k] = nullptr;
      length[k] = 0;
      if (head[k] >= size) continue;
      const Descriptor d = readDescriptor(desc + kDescBytes * head[k]);
      if (d.flags != (kWritable ? kDescWrite : 0) || d.length == 0) continue;
      uint8_t* found = span_.find(d.address, d.length);
      if (found == nullptr) {
        // Neighbours lie in one region, nearly always.
        span_ = memory.spanOf(d.address);
        found = span_.find(d.address, d.length);
        if (found == nullptr) continue;
      }
      at[k] = found;
      length[k] = d.length;
      if (kWritable) {
        prefetchToWrite(found);
        prefetchToWrite(found + 64);
      } else {
        prefetchToRead(found);
        prefetchToRead(found + 64);
      }
    }
  }

  // The memory is another one.
  void forget() { span_ = {0, 0, nullptr}; }

 private:
  GuestMemory::Span span_{0, 0, nullptr};
};

}  // namespace rxsteer
