#include "vhost/split_ring.h"

#include <cerrno>

#include "ports/device_watch.h"
#include "ports/vnet.h"
#include "util/system_error.h"

namespace rxsteer {

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
  buffers_.forget();
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
  buffers_.forget();
  log_.reset();
  addresses_ = {};
  size_ = 0;
  setFeatures(0);
  setBase(0);
}

bool SplitRing::follow(uint16_t head, bool writable) {
  const char* why = head >= size_ ? "a descriptor that there is not"
                                  : chain_.follow(*memory_, desc_, size_, head, writable);
  if (why != nullptr) fail(why);
  return why == nullptr;
}

}  // namespace rxsteer
