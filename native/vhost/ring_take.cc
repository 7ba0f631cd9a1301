// Frames that a guest sends, from its buffers into the pool.
#include <algorithm>
#include <cstring>

#include "ports/vnet.h"
#include "vhost/ring_words.h"
#include "vhost/split_ring.h"

namespace rxsteer {

int32_t SplitRing::take(FramePool& pool, ReceiveArrays& out, int32_t from, int32_t to) {
  if (!started_ || from >= to || out.heavy()) return from;
  uint16_t pending = static_cast<uint16_t>(available() - last_);
  if (pending == 0) {
    announceSleep();
    pending = static_cast<uint16_t>(available() - last_);
    if (pending == 0) return from;
  }
  if (pending > size_) {
    fail("an available index that jumps");
    return from;
  }
  announceWork();
  int32_t count = from;
  uint32_t looked = 0;
  for (const auto most = 2 * static_cast<uint32_t>(to - from); looked < pending && looked < most && count < to && !out.heavy();
       looked++) {
    const uint16_t head = load16(avail_ + 4 + 2 * (last_ & (size_ - 1)), __ATOMIC_RELAXED);
    chain_.begin();
    if (!follow(head, false)) break;
    // A ring that the guest has disabled is emptied: it must not find these frames when it enables it again.
    if (!enabled_) {
      out.status[kStatusKernelDrops]++;
      useWhole(head);
      continue;
    }
    const uint64_t length = chain_.bytes() < headerBytes_ ? 0 : chain_.bytes() - headerBytes_;
    if (length < kEthernetBytes || length > pool.largeCapacity()) {
      out.status[length < kEthernetBytes ? kStatusMalformed : kStatusTooLong]++;
      useWhole(head);
      continue;
    }
    const bool isSmall = length <= pool.smallCapacity();
    FreeList& list = isSmall ? pool.small : pool.large;
    if (list.empty()) {
      out.status[kStatusStopped] = isSmall ? kStoppedNoSmall : kStoppedNoLarge;
      break;
    }
    const int32_t id = list.take();
    const uint32_t off = pool.frameOffset(id);
    uint8_t* frame = pool.bytes() + off;
    uint8_t header[12];
    chain_.copyOut(header, headerBytes_, frame);
    VnetHeader vnet;
    std::memcpy(&vnet, header, kVnetBytes);
    vnet.flags &= kVnetNeedsCsum;
    std::memcpy(frame - kVnetBytes, &vnet, kVnetBytes);
    useWhole(head);
    if (!out.accepts(vnet, static_cast<uint32_t>(length))) {
      list.giveBack(id);
      continue;
    }
    out.put(count++, id, off, static_cast<uint32_t>(length), vnetFlags(vnet));
  }
  if (started_) publish();
  // Thrown away was all that was looked at: whoever sleeps now would not hear of the rest.
  if (started_ && count == from && looked < pending) kickAgain();
  return count;
}

}  // namespace rxsteer
