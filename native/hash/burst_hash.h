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

// Bits of `Kind` (src/packet/burst.ts), and the protocols that have types of their own.
constexpr uint32_t kKindIpMask = 3;
constexpr uint32_t kKindAddresses = 4;
constexpr uint32_t kKindPorts = 8;
constexpr uint32_t kKindFragment = 16;
constexpr uint32_t kKindExtension = 32;
constexpr uint32_t kKindGroup = 128;
constexpr uint32_t kKindProtocol = 0xff00;
constexpr uint32_t kProtocolTcp = 6;
constexpr uint32_t kProtocolUdp = 17;

// Numbers of `HashType` (src/nic/hash-types.ts).
constexpr uint32_t kTypeNone = 0;
constexpr uint32_t kTypeUdpIpv4 = 3;
constexpr uint32_t kTypeUdpIpv6 = 6;
constexpr uint32_t kTypeUdpIpv6Ex = 9;
constexpr uint32_t kTypeFragIpv4 = 11;
constexpr uint32_t kTypeFragIpv6 = 12;

// A type and what is to be done for it: the type's number below.
constexpr uint32_t kTypeMask = 15;
constexpr uint32_t kV4 = 1 << 4;
constexpr uint32_t kV6 = 1 << 5;
constexpr uint32_t kPorts = 1 << 6;
constexpr uint32_t kLeft = 1 << 7;

// `selectionIndex` of src/nic/hash-types.ts: all that the type depends on, where the caller's table is of that kind.
constexpr uint32_t kSelections = 32;
constexpr uint32_t kSelectionTcp = 1 << 2;
constexpr uint32_t kSelectionUdp = 2 << 2;
constexpr uint32_t kSelectionFragment = 3 << 2;
constexpr uint32_t kSelectionExtension = 16;
uint32_t selectionOf(uint32_t kind);

// The caller's type table with what is to be done for each type, for kinds with the group bit too: one load a frame.
struct BurstTypes {
  std::vector<uint8_t> byKind;
  // The same by `selectionOf`, if it is all that the table depends on: a table for two vector registers.
  bool isBySelection = false;
  uint32_t bySelection[kSelections] = {};
};
BurstTypes makeTypes(const uint8_t* select);

// Bytes from the IP header's beginning to its addresses, and to their end.
struct Layout {
  uint32_t skip;
  uint32_t end;
};
constexpr Layout kLayoutV4 = {12, 20};
constexpr Layout kLayoutV6 = {8, 40};

// Words that caller and callee talk by: frames in the burst; frames left to the caller; their indices.
constexpr size_t kControlCount = 0;
constexpr size_t kControlLeft = 1;
constexpr size_t kControlList = 2;
constexpr size_t kControlWords = kControlList + kBurstMax;

struct BurstView {
  int32_t* words;
  const uint8_t* pool;
  size_t poolBytes;
  const BurstTypes* types;
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
