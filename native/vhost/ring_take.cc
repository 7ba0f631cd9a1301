// Frames that a guest sends, from its buffers into the pool.
#include <algorithm>
#include <cstring>

#include "ports/vnet.h"
#include "util/copy.h"
#include "vhost/ring_words.h"
#include "vhost/split_ring.h"

namespace rxsteer {

namespace {

// Slots lie as far from each other as makes them contend for a few places of the first cache: none of them is there.
void prefetchSlots(const FramePool& pool, uint32_t count) {
  const auto slots = pool.smallSlots();
  const int32_t free = pool.small.words[0];
  for (int32_t k = 0; k < static_cast<int32_t>(count) && k < free; k++)
    prefetchToWrite(slots.bytes + slots.offset(pool.small.words[free - k]));
}

}  // namespace

int32_t SplitRing::take(FramePool& pool, ReceiveArrays& out, int32_t from, int32_t to) {
  if (!started_ || from >= to || out.heavy()) return from;
  const auto pending = static_cast<uint16_t>(available() - last_);
  if (pending == 0) return from;
  if (pending > size_) {
    fail("an available index that jumps");
    return from;
  }
  announceWork();
  int32_t count = from;
  const uint32_t most = std::min<uint32_t>(pending, 2 * static_cast<uint32_t>(to - from));
  bool goesOn = true;
  for (uint32_t looked = 0; goesOn && looked < most && count < to && !out.heavy();) {
    const uint32_t end = std::min({PlainBuffers::kMost, most - looked, static_cast<uint32_t>(to - count)});
    prefetchSlots(pool, end);
    buffers_.look<false>(*memory_, place(), end);
    uint32_t k = takePlain(pool, out, 0, end, count);
    while (k < end && !out.heavy() && (goesOn = takeOne(pool, out, count))) k = takePlain(pool, out, k + 1, end, count);
    looked += k;
  }
  if (started_) publish();
  return count;
}

uint32_t SplitRing::takePlain(FramePool& pool, ReceiveArrays& out, uint32_t k, uint32_t end, int32_t& count) {
  if (!enabled_ || usedLog_ != nullptr) return k;
  const auto slots = pool.smallSlots();
  const auto columns = out.columns();
  int32_t* const list = pool.small.words;
  uint8_t* const used = used_ + 4;
  const uint32_t mask = size_ - 1;
  const uint32_t header = headerBytes_;
  const uint32_t room = pool.smallCapacity() - kEthernetBytes;
  const uint32_t begin = k;
  uint16_t usedIdx = usedIdx_;
  int32_t free = list[0];
  int32_t at = count;
  for (; k < end && free > 0; k++) {
    const uint8_t* const from = buffers_.at[k];
    const uint32_t length = buffers_.length[k] - header;
    // Wrapped where it is shorter: no room for that either.
    if (from == nullptr || length - kEthernetBytes > room) break;
    VnetHeader vnet;
    std::memcpy(&vnet, from, kVnetBytes);
    if (vnet.gsoType != 0) break;
    vnet.flags &= kVnetNeedsCsum;
    const int32_t id = list[free];
    const uint32_t off = slots.offset(id);
    uint8_t* const frame = slots.bytes + off;
    copyFrame(frame, from + header, length);
    storeUsed(used + 8 * (usedIdx++ & mask), buffers_.head[k], 0);
    if (vnet.flags != 0) {
      if (!out.accepts(vnet, length)) continue;
      // Without a flag nobody reads it, and the line that it lies in is left alone.
      std::memcpy(frame - kVnetBytes, &vnet, kVnetBytes);
    }
    free--;
    columns.id[at] = id;
    columns.off[at] = static_cast<int32_t>(off);
    columns.len[at] = static_cast<int32_t>(length);
    columns.flags[at] = vnetFlags(vnet);
    at++;
  }
  list[0] = free;
  count = at;
  last_ = static_cast<uint16_t>(last_ + (k - begin));
  usedIdx_ = complete_ = usedIdx;
  return k;
}

bool SplitRing::takeOne(FramePool& pool, ReceiveArrays& out, int32_t& count) {
  const uint16_t head = load16(avail_ + 4 + 2 * (last_ & (size_ - 1)), __ATOMIC_RELAXED);
  chain_.begin();
  if (!follow(head, false)) return false;
  // A ring that the guest has disabled is emptied: it must not find these frames when it enables it again.
  if (!enabled_) {
    out.status[kStatusKernelDrops]++;
    useWhole(head);
    return true;
  }
  const uint64_t length = chain_.bytes() < headerBytes_ ? 0 : chain_.bytes() - headerBytes_;
  if (length < kEthernetBytes || length > pool.largeCapacity()) {
    out.status[length < kEthernetBytes ? kStatusMalformed : kStatusTooLong]++;
    useWhole(head);
    return true;
  }
  const bool isSmall = length <= pool.smallCapacity();
  FreeList& list = isSmall ? pool.small : pool.large;
  if (list.empty()) {
    out.status[kStatusStopped] = isSmall ? kStoppedNoSmall : kStoppedNoLarge;
    return false;
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
  if (out.accepts(vnet, static_cast<uint32_t>(length))) {
    out.put(count++, id, off, static_cast<uint32_t>(length), vnetFlags(vnet));
  } else {
    list.giveBack(id);
  }
  return true;
}

}  // namespace rxsteer
