// What a ring and its driver tell each other: what was used, what is available, who is to call or to kick whom, what is
// marked in the dirty log.
#include <sys/uio.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>

#include "ports/device_watch.h"
#include "vhost/ring_words.h"
#include "vhost/split_ring.h"

namespace rxsteer {

bool drainEvent(int fd) {
  uint64_t count = 0;
  iovec into{&count, sizeof count};
  const ssize_t got = ::preadv2(fd, &into, 1, -1, RWF_NOWAIT);
  return got == sizeof count || (got < 0 && errno == EAGAIN);
}

uint16_t SplitRing::available() const { return load16(avail_ + 2, __ATOMIC_ACQUIRE); }

void SplitRing::use(uint16_t head, uint32_t written) {
  const uint32_t at = 4 + 8 * (usedIdx_ & (size_ - 1));
  storeUsed(used_ + at, head, written);
  markUsed(at, 8);
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

void SplitRing::arm() {
  // Also where it does not run: whoever waits for the descriptor is not to be woken by a kick over and over.
  if (!started_) {
    if (kick_) drainEvent(kick_.get());
    return;
  }
  announceSleep();
  if (available() != last_) kickAgain();
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

}  // namespace rxsteer
