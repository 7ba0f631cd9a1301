#include "vhost/split_ring.h"

#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstring>

#include "ports/device_watch.h"
#include "ports/super_frame.h"
#include "ports/vnet.h"
#include "util/system_error.h"

namespace rxsteer {

namespace {

constexpr uint16_t kNext = 1;
constexpr uint16_t kWrite = 2;
constexpr uint16_t kIndirect = 4;
// avail->flags, used->flags.
constexpr uint16_t kNoInterrupt = 1;
constexpr uint16_t kNoNotify = 1;
constexpr uint64_t kDescBytes = 16;
constexpr uint32_t kEthernetBytes = 14;

struct Descriptor {
  uint64_t address;
  uint32_t length;
  uint16_t flags;
  uint16_t next;
};

// Read once: the guest may write another one meanwhile.
Descriptor readDescriptor(const uint8_t* at) {
  const auto* words = reinterpret_cast<const volatile uint64_t*>(at);
  const uint64_t address = words[0];
  const uint64_t rest = words[1];
  return {address, static_cast<uint32_t>(rest), static_cast<uint16_t>(rest >> 32), static_cast<uint16_t>(rest >> 48)};
}

uint16_t load16(const uint8_t* at, int order) {
  return __atomic_load_n(reinterpret_cast<const uint16_t*>(at), order);
}

void store16(uint8_t* at, uint16_t value, int order) {
  __atomic_store_n(reinterpret_cast<uint16_t*>(at), value, order);
}

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

bool drainEvent(int fd) {
  uint64_t count = 0;
  iovec into{&count, sizeof count};
  const ssize_t got = ::preadv2(fd, &into, 1, -1, RWF_NOWAIT);
  return got == sizeof count || (got < 0 && errno == EAGAIN);
}

void SplitRing::setSize(uint32_t entries) {
  if (entries == 0 || entries > kRingMost || (entries & (entries - 1)) != 0)
    throw SystemError{EINVAL, "a ring size that is no power of two up to 32768", ""};
  if (started_) throw SystemError{EBUSY, "a ring size while the ring runs", ""};
  size_ = entries;
}

void SplitRing::setAddresses(const Addresses& addresses) {
  addresses_ = addresses;
  chooseLog();
  if (started_) lookUp();
}

void SplitRing::setFeatures(uint64_t features) {
  features_ = features;
  headerBytes_ = (features & (Feature::version1 | Feature::mergeable)) != 0 ? 12 : kVnetBytes;
  chooseLog();
}

void SplitRing::setLog(std::shared_ptr<const DirtyLog> log) {
  log_ = std::move(log);
  chooseLog();
}

// Feature and flag come before and after the log itself, in any order.
void SplitRing::chooseLog() {
  bufferLog_ = (features_ & Feature::logAll) != 0 ? log_.get() : nullptr;
  usedLog_ = addresses_.logs ? bufferLog_ : nullptr;
}

void SplitRing::enable(bool on) {
  if (enabled_ && !on) disabledAt_ = coarseMs();
  enabled_ = on;
}

void SplitRing::setMemory(std::shared_ptr<const GuestMemory> memory) {
  memory_ = std::move(memory);
  if (started_) lookUp();
}

void SplitRing::drop() {
  desc_ = avail_ = used_ = nullptr;
  started_ = false;
}

// What is complete is shown to the guest first.
void SplitRing::fail(const char* why) {
  broken_ = why;
  usedIdx_ = complete_;
  publish();
  drop();
}

void SplitRing::lookUp() {
  const uint64_t entries = size_;
  if (memory_ == nullptr || entries == 0) {
    drop();
    throw SystemError{EINVAL, "a ring without size or memory", ""};
  }
  desc_ = memory_->user(addresses_.desc, entries * kDescBytes);
  avail_ = memory_->user(addresses_.avail, 6 + 2 * entries);
  used_ = memory_->user(addresses_.used, 6 + 8 * entries);
  const auto odd = [](const uint8_t* at, uintptr_t by) { return reinterpret_cast<uintptr_t>(at) % by != 0; };
  if (desc_ == nullptr || avail_ == nullptr || used_ == nullptr || odd(desc_, 16) || odd(avail_, 2) || odd(used_, 4)) {
    drop();
    throw SystemError{EINVAL, "a ring that lies outside the guest's memory, or is not aligned", ""};
  }
}

void SplitRing::start() {
  broken_ = nullptr;
  lookUp();
  started_ = true;
  // Where it goes on is what the used ring says: what was taken before was given back, in order.
  published_ = complete_ = usedIdx_;
  calledOnce_ = false;
  awake_ = true;
  announceSleep();
}

uint16_t SplitRing::stop() {
  drop();
  kick_.reset();
  call_.reset();
  return last_;
}

void SplitRing::reset() {
  stop();
  broken_ = nullptr;
  memory_.reset();
  log_.reset();
  addresses_ = {};
  size_ = 0;
  setFeatures(0);
  setBase(0);
}

uint16_t SplitRing::available() const { return load16(avail_ + 2, __ATOMIC_ACQUIRE); }

// Follows the chain that begins at `head`: its pieces, all of which are to be read, or to be written.
SplitRing::Walk SplitRing::walk(uint32_t head, bool writable, uint32_t& count, uint64_t& total) {
  const uint8_t* table = desc_;
  uint32_t limit = size_;
  uint32_t left = size_;
  uint32_t index = head;
  bool indirect = false;
  for (;;) {
    if (index >= limit || left-- == 0 || ++steps_ > kStepsMost) {
      fail("a chain of descriptors that leaves its table, or has no end");
      return Walk::broken;
    }
    const Descriptor d = readDescriptor(table + index * kDescBytes);
    if ((d.flags & kIndirect) != 0) {
      if (indirect || (d.flags & kNext) != 0 || d.length == 0 || d.length % kDescBytes != 0 ||
          d.length / kDescBytes > kRingMost) {
        fail("an indirect table that cannot be one");
        return Walk::broken;
      }
      table = memory_->guest(d.address, d.length);
      if (table == nullptr || reinterpret_cast<uintptr_t>(table) % 8 != 0) {
        fail("an indirect table outside the guest's memory");
        return Walk::broken;
      }
      limit = left = static_cast<uint32_t>(d.length / kDescBytes);
      index = 0;
      indirect = true;
      continue;
    }
    if (((d.flags & kWrite) != 0) != writable) {
      fail(writable ? "a buffer to be written that may only be read" : "a buffer to be read that may only be written");
      return Walk::broken;
    }
    if (d.length > 0) {
      uint8_t* at = memory_->guest(d.address, d.length);
      if (at == nullptr || count == kPiecesMost) {
        fail(at == nullptr ? "a buffer outside the guest's memory" : "a frame in more buffers than 1024");
        return Walk::broken;
      }
      pieces_[count++] = {at, d.length, d.address};
      total += d.length;
    }
    if ((d.flags & kNext) == 0) return Walk::fine;
    index = d.next;
  }
}

void SplitRing::use(uint16_t head, uint32_t written) {
  const uint32_t entry[2] = {head, written};
  const uint32_t at = 4 + 8 * (usedIdx_ & (size_ - 1));
  std::memcpy(used_ + at, entry, sizeof entry);
  markUsed(at, sizeof entry);
  usedIdx_++;
}

// Bytes of the used ring were written.
void SplitRing::markUsed(uint64_t offset, uint64_t length) const {
  if (usedLog_ != nullptr) usedLog_->mark(addresses_.log + offset, length);
}

// A frame from the guest was taken, or thrown away.
void SplitRing::useWhole(uint16_t head) {
  use(head, 0);
  last_++;
  complete_ = usedIdx_;
}

// Shows the guest what was used, and calls it if it wants that (virtio 1.2, 2.7.7).
void SplitRing::publish() {
  if (usedIdx_ == published_) return;
  const uint16_t before = published_;
  store16(used_ + 2, usedIdx_, __ATOMIC_RELEASE);
  markUsed(2, 2);
  shown_ += static_cast<uint16_t>(usedIdx_ - published_);
  published_ = usedIdx_;
  std::atomic_thread_fence(std::memory_order_seq_cst);
  bool wanted;
  if ((features_ & Feature::eventIdx) != 0) {
    const uint16_t event = load16(avail_ + 4 + 2 * size_, __ATOMIC_RELAXED);
    wanted = !calledOnce_ || static_cast<uint16_t>(usedIdx_ - event - 1) < static_cast<uint16_t>(usedIdx_ - before);
  } else {
    wanted = (load16(avail_, __ATOMIC_RELAXED) & kNoInterrupt) == 0;
  }
  calledOnce_ = true;
  if (!wanted || !call_) return;
  const uint64_t one = 1;
  [[maybe_unused]] const ssize_t wrote = ::write(call_.get(), &one, sizeof one);
}

// The guest is to kick with the next frame.
void SplitRing::announceSleep() {
  if (kick_) drainEvent(kick_.get());
  if (!awake_) return;
  awake_ = false;
  if ((features_ & Feature::eventIdx) != 0) {
    store16(used_ + 4 + 8 * size_, last_, __ATOMIC_RELAXED);
    markUsed(4 + 8 * size_, 2);
  }
  store16(used_, 0, __ATOMIC_RELAXED);
  markUsed(0, 2);
  std::atomic_thread_fence(std::memory_order_seq_cst);
}

// As if the guest had kicked.
void SplitRing::kickAgain() {
  const uint64_t one = 1;
  if (kick_) [[maybe_unused]] const ssize_t wrote = ::write(kick_.get(), &one, sizeof one);
}

// The guest need not kick: with EVENT_IDX an event index that stays behind says so.
void SplitRing::announceWork() {
  if (awake_) return;
  awake_ = true;
  if ((features_ & Feature::eventIdx) != 0) return;
  store16(used_, kNoNotify, __ATOMIC_RELAXED);
  markUsed(0, 2);
}

bool SplitRing::taken(uint32_t position) const {
  if (!started_) return true;
  // Of the `size_` buffers that there can be, those that wait in the available ring are not among the used ones.
  const auto waiting = static_cast<uint16_t>(available() - published_);
  uint32_t untaken = waiting > size_ ? 0 : size_ - waiting;
  if ((features_ & Feature::eventIdx) != 0) {
    const uint16_t event = load16(avail_ + 4 + 2 * size_, __ATOMIC_ACQUIRE);
    // Linux writes 0 while it wants no calls (virtqueue_disable_cb_split).
    if (event == published_ && event != 0) untaken = 0;
  }
  if (shown_ - position >= untaken) return true;
  const bool tells = (features_ & Feature::eventIdx) != 0;
  return !enabled_ && coarseMs() - disabledAt_ >= (tells ? kDisabledMs : kDisabledSilentMs);
}

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
    uint32_t parts = 0;
    uint64_t total = 0;
    steps_ = 0;
    if (head >= size_) fail("a descriptor that there is not");
    if (broken_ != nullptr || walk(head, false, parts, total) == Walk::broken) break;
    // A ring that the guest has disabled is emptied: it must not find these frames when it enables it again.
    if (!enabled_) {
      out.status[kStatusKernelDrops]++;
      useWhole(head);
      continue;
    }
    const uint64_t length = total < headerBytes_ ? 0 : total - headerBytes_;
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
    uint32_t have = 0;
    uint64_t copied = 0;
    for (uint32_t k = 0; k < parts; k++) {
      const uint8_t* piece = pieces_[k].at;
      uint32_t rest = pieces_[k].length;
      if (have < headerBytes_) {
        const uint32_t now = std::min(rest, headerBytes_ - have);
        std::memcpy(header + have, piece, now);
        have += now;
        piece += now;
        rest -= now;
      }
      std::memcpy(frame + copied, piece, rest);
      copied += rest;
    }
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

// Copies into the pieces, from where the last copy ended.
void SplitRing::scatter(const uint8_t* from, uint32_t length, uint32_t& piece, uint32_t& within) {
  while (length > 0) {
    const uint32_t now = std::min(length, pieces_[piece].length - within);
    std::memcpy(pieces_[piece].at + within, from, now);
    if (bufferLog_ != nullptr) bufferLog_->mark(pieces_[piece].address + within, now);
    from += now;
    length -= now;
    within += now;
    if (within == pieces_[piece].length) {
      piece++;
      within = 0;
    }
  }
}

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
  uint32_t parts = 0;
  uint64_t room = 0;
  steps_ = 0;
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
    if (head >= size_) fail("a descriptor that there is not");
    const uint64_t before = room;
    if (broken_ != nullptr || walk(head, true, parts, room) == Walk::broken) return SendResult::down;
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
  uint32_t piece = 0;
  uint32_t within = 0;
  scatter(header, headerBytes_, piece, within);
  scatter(frame, length, piece, within);
  if (place != nullptr) std::memcpy(place, &kept, 2);
  last_ = static_cast<uint16_t>(last_ + buffers);
  complete_ = usedIdx_;
  return SendResult::sent;
}

int32_t SplitRing::give(SendArrays& in, int32_t from, int32_t to, int32_t& next) {
  int32_t sent = 0;
  SendResult all = started_ && enabled_ ? SendResult::sent : SendResult::down;
  if (all == SendResult::sent) announceWork();
  int32_t i = from;
  for (; i < to; i++) {
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
