// The frame pool and the burst arrays as native code sees them: pointers into JavaScript's memory.
//
// Promise: taking a slot and describing a frame allocates nothing and calls nothing. The free lists and arrays
// belong to the thread that uses them; only the pool's bytes are shared, and a slot's bytes belong to who took it.
// The constants mirror `ReceiveStatus` and `SendResult` in TypeScript.
#pragma once

#include <napi.h>

#include <cerrno>
#include <cstdint>
#include <vector>

#include "ports/vnet.h"
#include "ports/xsk_queue.h"
#include "util/args.h"

namespace rxsteer {

constexpr int kStatusStopped = 0;
constexpr int kStatusTooLong = 1;
constexpr int kStatusMalformed = 2;
constexpr int kStatusError = 3;
constexpr int kStatusKernelDrops = 4;
constexpr int kStatusAbsurd = 5;
constexpr int kStatusSegments = 6;
constexpr size_t kStatusWords = 7;

// A receive call takes no further frame when those that it has may be cut into so many segments: the rest waits in the
// kernel, so that a sender of super-frames takes from a pass about as much time as eight bursts of plain frames, and
// other ports get their turn. The last frame may exceed it, by at most 256.
constexpr int32_t kSegmentsPerCall = 512;

// In kStatusError: the ring is dead for good, the socket has to be replaced.
constexpr int32_t kRingDead = ESTALE;

constexpr int32_t kStoppedNoSmall = 1;
constexpr int32_t kStoppedNoLarge = 2;

enum class SendResult : uint8_t { sent = 0, full = 1, tooLong = 2, down = 3, refused = 4, segment = 5, untried = 6 };

// A stack of free slot ids: word 0 is the count, words 1 … count the ids.
struct FreeList {
  int32_t* words = nullptr;
  bool empty() const { return words[0] <= 0; }
  int32_t take() { return words[words[0]--]; }
  void giveBack(int32_t id) { words[++words[0]] = id; }
};

class FramePool {
 public:
  // Reads and checks a `NativePool`; keeps its typed arrays alive.
  void bind(Napi::Object pool);
  // Where slots lie; the numbers are those of `NativePool`.
  struct Slots {
    uint8_t* bytes;
    uint32_t smallSlots, smallBytes, largeBytes, headroom;
  };
  // The same of memory that somebody else keeps, unchecked.
  void lay(const Slots& slots, FreeList smallFree, FreeList largeFree) {
    bytes_ = slots.bytes;
    smallSlots_ = slots.smallSlots;
    smallBytes_ = slots.smallBytes;
    largeBytes_ = slots.largeBytes;
    headroom_ = slots.headroom;
    small = smallFree;
    large = largeFree;
  }

  FreeList small;
  FreeList large;

  // Longest frame in a slot of the class.
  uint32_t smallCapacity() const { return smallBytes_ - headroom_; }
  uint32_t largeCapacity() const { return largeBytes_ - headroom_; }
  // Slot ids are numbered through: small slots first. Offset of the frame in the pool.
  uint32_t frameOffset(int32_t id) const {
    const auto slot = static_cast<uint32_t>(id);
    return slot < smallSlots_ ? slot * smallBytes_ + headroom_
                              : smallSlots_ * smallBytes_ + (slot - smallSlots_) * largeBytes_ + headroom_;
  }
  uint8_t* bytes() const { return bytes_; }
  // The small slots as memory of AF_XDP sockets.
  XskMemory asMemory() const { return XskMemory(bytes_, smallSlots_, smallBytes_, headroom_); }
  // Small slots only, as values for a loop's registers.
  struct SmallSlots {
    uint8_t* bytes;
    uint32_t stride;
    uint32_t headroom;
    uint32_t offset(int32_t id) const { return static_cast<uint32_t>(id) * stride + headroom; }
  };
  SmallSlots smallSlots() const { return {bytes_, smallBytes_, headroom_}; }

 private:
  uint8_t* bytes_ = nullptr;
  uint32_t smallSlots_ = 0;
  uint32_t smallBytes_ = 0;
  uint32_t largeBytes_ = 0;
  uint32_t headroom_ = 0;
  std::vector<Napi::ObjectReference> keep_;
};

// The arrays that a receive call fills.
class ReceiveArrays {
 public:
  void bind(Napi::Object arrays);
  // Arrays that somebody else keeps, unchecked.
  void lay(int32_t* id, int32_t* off, int32_t* len, int32_t* flags, int32_t* words, int32_t capacity) {
    id_ = id;
    off_ = off;
    len_ = len;
    flags_ = flags;
    status = words;
    capacity_ = capacity;
  }

  int32_t* status = nullptr;
  // Entries that all arrays have.
  int32_t capacity() const { return capacity_; }
  void put(int32_t index, int32_t id, uint32_t off, uint32_t len, int32_t flags) {
    id_[index] = id;
    off_[index] = static_cast<int32_t>(off);
    len_[index] = static_cast<int32_t>(len);
    flags_[index] = flags;
  }
  struct Columns {
    int32_t *id, *off, *len, *flags;
  };
  Columns columns() const { return {id_, off_, len_, flags_}; }
  // Judges a frame by its virtio-net header: false and counted where it is malformed, else its segments are counted.
  bool accepts(const VnetHeader& header, uint32_t frameBytes) {
    const VnetVerdict verdict = judgeVnet(header, frameBytes);
    if (verdict == VnetVerdict::fine) {
      status[kStatusSegments] += static_cast<int32_t>(furtherSegments(header, frameBytes));
      return true;
    }
    status[kStatusMalformed]++;
    if (verdict == VnetVerdict::absurd) status[kStatusAbsurd]++;
    return false;
  }
  // The frames of this call so far are as many as it may take, whatever its `max`.
  bool heavy() const { return status[kStatusSegments] >= kSegmentsPerCall; }
  void clearStatus() {
    for (size_t i = 0; i < kStatusWords; i++) status[i] = 0;
  }

 private:
  int32_t* id_ = nullptr;
  int32_t* off_ = nullptr;
  int32_t* len_ = nullptr;
  int32_t* flags_ = nullptr;
  int32_t capacity_ = 0;
  std::vector<Napi::ObjectReference> keep_;
};

// The frames that a send call reads, and their results.
class SendArrays {
 public:
  void bind(Napi::Value pool, Napi::Object arrays);
  // Memory and arrays that somebody else keeps, unchecked.
  void lay(uint8_t* pool, size_t poolBytes, int32_t* off, int32_t* len, int32_t* flags, uint8_t* results, int32_t capacity) {
    pool_ = pool;
    poolBytes_ = poolBytes;
    off_ = off;
    len_ = len;
    flags_ = flags;
    result_ = results;
    capacity_ = capacity;
  }

  int32_t capacity() const { return capacity_; }
  // The virtio-net header (and the frame behind it), or null where offset and length leave the pool.
  uint8_t* message(int32_t index) const {
    const int64_t off = off_[index];
    const int64_t len = len_[index];
    if (off < 10 || len <= 0 || off + len > static_cast<int64_t>(poolBytes_)) return nullptr;
    return pool_ + off - 10;
  }
  uint32_t length(int32_t index) const { return static_cast<uint32_t>(len_[index]); }
  int32_t flags(int32_t index) const { return flags_[index]; }
  void result(int32_t index, SendResult value) { result_[index] = static_cast<uint8_t>(value); }

 private:
  uint8_t* pool_ = nullptr;
  size_t poolBytes_ = 0;
  int32_t* off_ = nullptr;
  int32_t* len_ = nullptr;
  int32_t* flags_ = nullptr;
  uint8_t* result_ = nullptr;
  int32_t capacity_ = 0;
  std::vector<Napi::ObjectReference> keep_;
};

}  // namespace rxsteer
