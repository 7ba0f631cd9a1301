// Frames for a guest, out of the pool into its buffers.
#include <algorithm>
#include <cstring>

#include "ports/super_frame.h"
#include "ports/vnet.h"
#include "util/copy.h"
#include "vhost/ring_words.h"
#include "vhost/split_ring.h"

namespace rxsteer {

namespace {

// The internet checksum of bytes, folded, not inverted.
uint16_t sumOf(const uint8_t* data, uint32_t length) {
  uint64_t sum = 0;
  for (; length > 1; data += 2, length -= 2) {
    uint16_t word;
    std::memcpy(&word, data, 2);
    sum += word;
  }
  if (length == 1) sum += *data;
  while (sum >> 16) sum = (sum & 0xffff) + (sum >> 16);
  return static_cast<uint16_t>(sum);
}

}  // namespace

// The guest takes no super-frames of this type.
bool SplitRing::lacks(uint8_t gsoType) const {
  if ((gsoType & kGsoEcn) != 0 && (features_ & Feature::guestEcn) == 0) return true;
  const int type = gsoType & ~kGsoEcn;
  if (type == kGsoTcp4) return (features_ & Feature::guestTso4) == 0;
  if (type == kGsoTcp6) return (features_ & Feature::guestTso6) == 0;
  return true;
}

SendResult SplitRing::giveOne(uint8_t* message, uint32_t length, int32_t flags) {
  const bool merges = (features_ & Feature::mergeable) != 0;
  const uint32_t total = headerBytes_ + length;
  chain_.begin();
  uint64_t room = 0;
  uint32_t buffers = 0;
  // The used entries are written as the buffers are collected, and shown to nobody yet.
  while (room < total) {
    const uint16_t pending = static_cast<uint16_t>(available() - last_ - buffers);
    if (pending == 0 || pending > size_) {
      usedIdx_ = complete_;
      if (pending != 0) fail("an available index that jumps");
      return pending == 0 ? SendResult::full : SendResult::down;
    }
    const auto at = static_cast<uint16_t>(last_ + buffers);
    const uint16_t head = load16(avail_ + 4 + 2 * (at & (size_ - 1)), __ATOMIC_RELAXED);
    const uint64_t before = room;
    if (!follow(head, true)) return SendResult::down;
    room = chain_.bytes();
    if (room == before || (!merges && room < total) || buffers == size_) {
      // One frame a buffer, and it is too short. It stays for a shorter frame.
      usedIdx_ = complete_;
      if (merges) fail("buffers without room");
      return merges ? SendResult::down : SendResult::tooLong;
    }
    use(head, static_cast<uint32_t>(std::min<uint64_t>(room - before, total - before)));
    buffers++;
  }
  uint8_t header[12] = {};
  if ((flags & kFlagVnet) != 0) std::memcpy(header, message, kVnetBytes);
  VnetHeader vnet;
  std::memcpy(&vnet, header, kVnetBytes);
  uint8_t* frame = message + kVnetBytes;
  // A checksum that the guest does not complete: ours for the moment of copying, for others may get the frame as well.
  uint8_t* place = nullptr;
  uint16_t kept = 0;
  if ((vnet.flags & kVnetNeedsCsum) != 0 && (features_ & Feature::guestCsum) == 0) {
    const uint32_t begin = vnet.csumStart;
    if (begin + vnet.csumOffset + 2u <= length) {
      place = frame + begin + vnet.csumOffset;
      std::memcpy(&kept, place, 2);
      uint16_t sum = static_cast<uint16_t>(~sumOf(frame + begin, length - begin));
      if (sum == 0) sum = 0xffff;
      std::memcpy(place, &sum, 2);
    }
    std::memset(header, 0, kVnetBytes);
  }
  const uint16_t count = static_cast<uint16_t>(buffers);
  std::memcpy(header + kVnetBytes, &count, 2);
  Chain::Writer out(chain_, bufferLog_);
  out.write(header, headerBytes_);
  out.write(frame, length);
  if (place != nullptr) std::memcpy(place, &kept, 2);
  last_ = static_cast<uint16_t>(last_ + buffers);
  complete_ = usedIdx_;
  return SendResult::sent;
}

int32_t SplitRing::givePlain(SendArrays& in, int32_t from, int32_t to) {
  if (bufferLog_ != nullptr) return from;
  uint32_t end = std::min<uint32_t>(ahead_, static_cast<uint32_t>(to - from));
  const auto pending = static_cast<uint16_t>(available() - last_);
  // What is wrong with it is said where the next frame fails.
  if (pending > size_) return from;
  end = std::min<uint32_t>(end, pending);
  uint32_t k = 0;
  for (; k < end; k++) {
    const int32_t i = from + static_cast<int32_t>(k);
    const uint8_t* const message = in.message(i);
    if (message == nullptr || in.flags(i) != 0) break;
    prefetchToRead(message + kVnetBytes);
  }
  end = k;
  if (end == 0) return from;
  buffers_.look<true>(*memory_, place(), end);
  uint8_t* const used = used_ + 4;
  const uint32_t mask = size_ - 1;
  const uint32_t header = headerBytes_;
  uint16_t usedIdx = usedIdx_;
  const uint16_t one = 1;
  for (k = 0; k < end; k++) {
    uint8_t* const at = buffers_.at[k];
    const int32_t i = from + static_cast<int32_t>(k);
    const uint8_t* const message = in.message(i);
    const uint32_t length = in.length(i);
    if (at == nullptr || length < kEthernetBytes || buffers_.length[k] < header + length) break;
    // As the device has it where nothing is to be said, one buffer a frame.
    std::memset(at, 0, kVnetBytes);
    if (header > kVnetBytes) std::memcpy(at + kVnetBytes, &one, sizeof one);
    copyFrame(at + header, message + kVnetBytes, length);
    storeUsed(used + 8 * (usedIdx++ & mask), buffers_.head[k], header + length);
    in.result(i, SendResult::sent);
  }
  last_ = static_cast<uint16_t>(last_ + k);
  usedIdx_ = complete_ = usedIdx;
  ahead_ = k < end ? 1 : std::min(PlainBuffers::kMost, 2 * ahead_);
  return from + static_cast<int32_t>(k);
}

int32_t SplitRing::give(SendArrays& in, int32_t from, int32_t to, int32_t& next) {
  int32_t sent = 0;
  SendResult all = started_ && enabled_ ? SendResult::sent : SendResult::down;
  if (all == SendResult::sent) announceWork();
  int32_t i = from;
  for (; i < to; i++) {
    for (int32_t end = i; all == SendResult::sent && i < to; i = end) {
      end = givePlain(in, i, to);
      if (end == i) break;
      sent += end - i;
    }
    if (i == to) break;
    SendResult result = all;
    if (all == SendResult::sent) {
      uint8_t* message = in.message(i);
      const uint32_t length = message == nullptr ? 0 : in.length(i);
      if (length < kEthernetBytes) {
        result = SendResult::refused;
      } else if ((in.flags(i) & kFlagGso) != 0 && (lacks(message[1]) || !describesOutermost(message, length))) {
        break;
      } else {
        result = giveOne(message, length, in.flags(i));
        if (result == SendResult::sent) sent++;
        // What is full for one is full for those behind it: order.
        if (result == SendResult::full || !started_) all = result;
      }
    }
    in.result(i, result);
  }
  next = i;
  if (started_) publish();
  return sent;
}

}  // namespace rxsteer
