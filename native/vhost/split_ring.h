// A split virtqueue as its device sees it (virtio 1.2, 2.7), in memory that a guest writes at any time.
//
// Promise: whatever a guest writes into its tables, nothing outside its memory is touched, every loop ends, and each
// buffer is given back once. What it says is read once and checked then. A ring whose guest breaks the rules is stopped
// (`broken` says how), and costs nobody else anything. Frames are copied once, into a slot or out of one.
//
// Set-up and life: split_ring.cc; what both sides tell each other: ring_events.cc; frames from the guest: ring_take.cc;
// frames for it: ring_give.cc.
//
// Threads: one at a time; the caller has the ring's lock.
#pragma once

#include <cstdint>
#include <memory>

#include "ports/frames.h"
#include "util/fd.h"
#include "vhost/chain.h"
#include "vhost/dirty_log.h"
#include "vhost/guest_memory.h"
#include "vhost/plain_buffers.h"

namespace rxsteer {

// Feature bits (virtio 1.2, 5.1.3 and 6).
namespace Feature {
constexpr uint64_t guestCsum = 1ull << 1;
constexpr uint64_t guestTso4 = 1ull << 7;
constexpr uint64_t guestTso6 = 1ull << 8;
constexpr uint64_t guestEcn = 1ull << 9;
constexpr uint64_t mergeable = 1ull << 15;
constexpr uint64_t logAll = 1ull << 26;
constexpr uint64_t eventIdx = 1ull << 29;
constexpr uint64_t protocol = 1ull << 30;
constexpr uint64_t version1 = 1ull << 32;
}  // namespace Feature

constexpr uint32_t kEthernetBytes = 14;
// So long after a ring was disabled its frames count as taken: where the guest says when it found the ring empty, and
// where it need not (without event indices).
constexpr int64_t kDisabledMs = 60'000;
constexpr int64_t kDisabledSilentMs = 1000;

class SplitRing {
 public:
  // As `SET_VRING_ADDR` has them: addresses of the front-end's.
  struct Addresses {
    uint64_t desc = 0;
    uint64_t used = 0;
    uint64_t avail = 0;
    // Writes into the used ring are logged as if that lay at this guest-physical address.
    bool logs = false;
    uint64_t log = 0;
  };

  // What the front-end says, in any order. Throws SystemError for what cannot be; nothing has changed then.
  void setSize(uint32_t entries);
  void setBase(uint32_t next) { last_ = static_cast<uint16_t>(next); usedIdx_ = last_; }
  void setAddresses(const Addresses& addresses);
  void setFeatures(uint64_t features);
  void setMemory(std::shared_ptr<const GuestMemory> memory);
  // Where writes are marked while `logAll` is agreed; null: nowhere.
  void setLog(std::shared_ptr<const DirtyLog> log);
  void setCall(UniqueFd fd) { call_ = std::move(fd); }
  void setKick(UniqueFd fd) { kick_ = std::move(fd); }
  int kick() const { return kick_.get(); }
  // Begins; the addresses are looked up now. Throws SystemError where they lead nowhere.
  void start();
  // Ends; returns the next entry of the available ring.
  uint16_t stop();
  // As if it had never been set up. Whether it is enabled stays.
  void reset();
  void enable(bool on);
  bool enabled() const { return enabled_; }
  bool started() const { return started_; }
  // What the guest did that cannot be, or null.
  const char* broken() const { return broken_; }
  // Broken, or its memory was cut short.
  bool damaged() const { return broken_ != nullptr || lost(); }
  // Memory of its guest, or the log of what is written there, was cut short.
  bool lost() const { return (memory_ != nullptr && memory_->lost()) || (log_ != nullptr && log_->lost()); }

  // Used entries shown to the guest so far, modulo 2^32, whatever guest that was.
  uint32_t position() const { return shown_; }
  // The guest has taken all that was shown before this position, as far as it tells: by the buffers that it has made
  // available since, or by the event index that it wrote when it found the ring empty. Also where there is nothing to be
  // waited for any more: the ring is stopped, or was disabled `kDisabledMs` ago.
  bool taken(uint32_t position) const;

  // Frames that the guest sends, into slots of the pool: entries from … to - 1 of the arrays at most; returns the end of
  // those that were filled. Status words are added to. From the first frame on the guest need not kick, until `arm`.
  int32_t take(FramePool& pool, ReceiveArrays& out, int32_t from, int32_t to);
  // Whoever takes is about to wait for a kick: the guest is asked for one with its next frame (`EVENT_IDX`, flags); where
  // there is a frame already, the kick descriptor is readable when this returns.
  void arm();
  // Frames from … to - 1 for the guest, a result each; returns how many it got, and in `next` where it ended (at a frame
  // that has to be segmented).
  int32_t give(SendArrays& in, int32_t from, int32_t to, int32_t& next);

 private:
  void lookUp();
  void drop();
  void fail(const char* why);
  uint16_t available() const;
  PlainBuffers::Place place() const { return {desc_, avail_, used_, size_, last_, usedIdx_}; }
  // Adds the buffers of a chain to `chain_`; false where it is broken, and then so is the ring.
  bool follow(uint16_t head, bool writable);
  void use(uint16_t head, uint32_t written);
  void useWhole(uint16_t head);
  void publish();
  void announceSleep();
  void kickAgain();
  void announceWork();
  bool lacks(uint8_t gsoType) const;
  // Of the looked up buffers from `k` to `end` - 1 those whose frames are taken without anything to decide; returns the
  // first that is not one.
  uint32_t takePlain(FramePool& pool, ReceiveArrays& out, uint32_t k, uint32_t end, int32_t& count);
  // The frame of the next available entry. False where the ring is broken now, or no slot is free.
  bool takeOne(FramePool& pool, ReceiveArrays& out, int32_t& count);
  // Frames from … for the guest as long as each is a plain one and goes into one plain buffer; returns the end of those.
  int32_t givePlain(SendArrays& in, int32_t from, int32_t to);
  SendResult giveOne(uint8_t* message, uint32_t length, int32_t flags);
  void markUsed(uint64_t offset, uint64_t length) const;
  void chooseLog();

  std::shared_ptr<const GuestMemory> memory_;
  Addresses addresses_;
  std::shared_ptr<const DirtyLog> log_;
  // The log for buffers, and for the used ring: null while they are not logged.
  const DirtyLog* bufferLog_ = nullptr;
  const DirtyLog* usedLog_ = nullptr;
  uint64_t features_ = 0;
  uint32_t size_ = 0;
  uint32_t headerBytes_ = 12;
  bool started_ = false;
  bool enabled_ = false;
  // Milliseconds of the coarse clock.
  int64_t disabledAt_ = 0;
  uint32_t shown_ = 0;
  const char* broken_ = nullptr;
  uint8_t* desc_ = nullptr;
  uint8_t* avail_ = nullptr;
  uint8_t* used_ = nullptr;
  // Next entry of the available ring, next one of the used ring, and where that stood when it was published.
  uint16_t last_ = 0;
  uint16_t usedIdx_ = 0;
  uint16_t published_ = 0;
  // Behind the last frame that is whole.
  uint16_t complete_ = 0;
  bool awake_ = false;
  bool calledOnce_ = false;
  UniqueFd call_;
  UniqueFd kick_;
  // Of the burst under way, and how many frames it pays to look ahead for the guest's receive buffers.
  PlainBuffers buffers_;
  uint32_t ahead_ = PlainBuffers::kMost;
  // Of the frame under way.
  Chain chain_;
};

// Takes what an eventfd has counted; never waits, whatever the descriptor's flags are. False where it is none.
bool drainEvent(int fd);

}  // namespace rxsteer
