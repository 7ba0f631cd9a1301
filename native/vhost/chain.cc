#include "vhost/chain.h"

#include <algorithm>
#include <cstring>

namespace rxsteer {

const char* Chain::follow(const GuestMemory& memory, const uint8_t* table, uint32_t size, uint32_t head, bool writable) {
  uint32_t limit = size;
  uint32_t left = size;
  uint32_t index = head;
  bool indirect = false;
  for (;;) {
    if (index >= limit || left-- == 0 || ++steps_ > kStepsMost)
      return "a chain of descriptors that leaves its table, or has no end";
    const Descriptor d = readDescriptor(table + index * kDescBytes);
    if ((d.flags & kDescIndirect) != 0) {
      if (indirect || (d.flags & kDescNext) != 0 || d.length == 0 || d.length % kDescBytes != 0 ||
          d.length / kDescBytes > kRingMost)
        return "an indirect table that cannot be one";
      table = memory.guest(d.address, d.length);
      if (table == nullptr || reinterpret_cast<uintptr_t>(table) % 8 != 0)
        return "an indirect table outside the guest's memory";
      limit = left = static_cast<uint32_t>(d.length / kDescBytes);
      index = 0;
      indirect = true;
      continue;
    }
    if (((d.flags & kDescWrite) != 0) != writable)
      return writable ? "a buffer to be written that may only be read" : "a buffer to be read that may only be written";
    if (d.length > 0) {
      uint8_t* at = memory.guest(d.address, d.length);
      if (at == nullptr) return "a buffer outside the guest's memory";
      if (count_ == kPiecesMost) return "a frame in more buffers than 1024";
      pieces_[count_++] = {at, d.length, d.address};
      bytes_ += d.length;
    }
    if ((d.flags & kDescNext) == 0) return nullptr;
    index = d.next;
  }
}

void Chain::copyOut(uint8_t* header, uint32_t headerBytes, uint8_t* frame) const {
  uint32_t have = 0;
  for (uint32_t k = 0; k < count_; k++) {
    const uint8_t* piece = pieces_[k].at;
    uint32_t rest = pieces_[k].length;
    if (have < headerBytes) {
      const uint32_t now = std::min(rest, headerBytes - have);
      std::memcpy(header + have, piece, now);
      have += now;
      piece += now;
      rest -= now;
    }
    std::memcpy(frame, piece, rest);
    frame += rest;
  }
}

void Chain::Writer::write(const uint8_t* from, uint32_t length) {
  while (length > 0) {
    const Piece& piece = chain_.pieces_[piece_];
    const uint32_t now = std::min(length, piece.length - within_);
    std::memcpy(piece.at + within_, from, now);
    if (log_ != nullptr) log_->mark(piece.address + within_, now);
    from += now;
    length -= now;
    within_ += now;
    if (within_ == piece.length) {
      piece_++;
      within_ = 0;
    }
  }
}

}  // namespace rxsteer
