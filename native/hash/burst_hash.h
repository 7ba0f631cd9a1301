// RSS over a burst in one call: which type each frame is, its tuple gathered from the pool, its hash written back.
//
// Promise: reads the burst's words, the type table and, of the pool, only tuple bytes of frames that lie in it as a
// whole; allocates nothing, calls nothing outside. What it does not hash itself (`_EX` types of packets with
// extension headers, MAC addresses, offsets outside the pool) is left to the caller and listed. One thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "hash/plan.h"

namespace rxsteer {

// `BURST_MAX` and the fields of `Burst.words` (src/packet/burst.ts).
constexpr uint32_t kBurstMax = 64;
constexpr size_t kFieldKind = 4 * kBurstMax;
constexpr size_t kFieldL3 = 6 * kBurstMax;
constexpr size_t kFieldL4 = 7 * kBurstMax;
constexpr size_t kFieldHash = 14 * kBurstMax;
constexpr size_t kFieldHashType = 15 * kBurstMax;
constexpr size_t kFieldBucket = 16 * kBurstMax;
constexpr size_t kFieldRxq = 17 * kBurstMax;
constexpr size_t kFieldWorker = 18 * kBurstMax;
constexpr size_t kBurstWords = 19 * kBurstMax;
// Entries of the caller's type table: `select[kind & 0xffff]`, the group bit of the kind cleared.
constexpr size_t kSelectEntries = 0x10000;

// The same with what is to be done for the type, and for kinds with the group bit: one load a frame.
using BurstTypes = std::vector<uint8_t>;
BurstTypes makeTypes(const uint8_t* select);

// Words that caller and callee talk by: frames in the burst; frames left to the caller; their indices.
constexpr size_t kControlCount = 0;
constexpr size_t kControlLeft = 1;
constexpr size_t kControlList = 2;
constexpr size_t kControlWords = kControlList + kBurstMax;

struct BurstView {
  int32_t* words;
  const uint8_t* pool;
  size_t poolBytes;
  const uint8_t* types;
  int32_t* control;
  // Null, or targetMask + 1 words (a power of two) of queue and worker; then bucket, rxq and worker of all frames are
  // written too, but for those that are left.
  const int32_t* targets = nullptr;
  uint32_t targetMask = 0;
};

// `TARGET_SHIFT` in src/hash/kernel.ts: the queue above, the worker below.
constexpr uint32_t kTargetShift = 12;

// Hashes frames 0 … control[kControlCount] - 1.
void hashBurst(const Plan& plan, const BurstView& burst);

// `count` packed tuples of 8, 12, 32 or 36 bytes, one after the other.
void hashPacked(const Plan& plan, const uint8_t* tuples, size_t width, uint32_t count, int32_t* out);

}  // namespace rxsteer
