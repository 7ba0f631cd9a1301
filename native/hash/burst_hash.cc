#include "hash/burst_hash.h"

#include <algorithm>

namespace rxsteer {

namespace {

constexpr int32_t kKindGroup = 128;
constexpr int32_t kKindExtension = 32;

// What is to be done for a hash type.
struct TypeClass {
  uint8_t isV4;
  uint8_t isV6;
  uint8_t hasPorts;
  // Left to the caller always, and where the packet has extension headers.
  uint8_t isLeft;
  uint8_t isLeftExtended;
};

// By the numbers of `HashType` (src/nic/hash-types.ts); none first. A number that is none of them: left.
constexpr size_t kTypes = 16;
constexpr TypeClass kClasses[kTypes] = {
    {0, 0, 0, 0, 0},
    {1, 0, 0, 0, 0}, {1, 0, 1, 0, 0}, {1, 0, 1, 0, 0},
    {0, 1, 0, 0, 0}, {0, 1, 1, 0, 0}, {0, 1, 1, 0, 0},
    {0, 1, 0, 0, 1}, {0, 1, 1, 0, 1}, {0, 1, 1, 0, 1},
    {0, 0, 0, 1, 1}, {0, 0, 0, 1, 1}, {0, 0, 0, 1, 1}, {0, 0, 0, 1, 1}, {0, 0, 0, 1, 1}, {0, 0, 0, 1, 1},
};

// Ports of types without, and tuples that fill the last group up: zero bytes add nothing to a hash.
alignas(16) constexpr uint8_t kZeros[kV6Bytes + 4] = {};

// Tuples of one address family, waiting for the kernel. Room for one more than fits: the slot behind the last is
// written by whatever turns out not to belong here.
struct Category {
  const uint8_t* addresses[kBurstMax + kGroup];
  const uint8_t* ports[kBurstMax + kGroup];
  uint32_t frame[kBurstMax + 1];
  uint32_t count = 0;

  void put(const uint8_t* address, const uint8_t* port, uint32_t index, uint32_t belongs) {
    addresses[count] = address;
    ports[count] = port;
    frame[count] = index;
    count += belongs;
  }
  void run(TupleKernel kernel, const Plan& plan, int32_t* hashes) {
    if (count == 0) return;
    const uint32_t whole = (count + kGroup - 1) / kGroup * kGroup;
    for (uint32_t k = count; k < whole; k++) addresses[k] = ports[k] = kZeros;
    uint32_t out[kBurstMax];
    kernel(plan, addresses, ports, whole, out);
    for (uint32_t k = 0; k < count; k++) hashes[frame[k]] = static_cast<int32_t>(plan.finish(out[k]));
  }
};

// True where bytes at … at+length-1 lie in the pool.
inline uint32_t within(int32_t at, size_t length, size_t poolBytes) {
  return at >= 0 && static_cast<size_t>(at) + length <= poolBytes ? 1 : 0;
}

}  // namespace

void hashBurst(const Plan& plan, const BurstView& burst) {
  const uint32_t n =
      static_cast<uint32_t>(std::clamp<int32_t>(burst.control[kControlCount], 0, int32_t{kBurstMax}));
  const int32_t* kinds = burst.words + kFieldKind;
  const int32_t* l3 = burst.words + kFieldL3;
  const int32_t* l4 = burst.words + kFieldL4;
  int32_t* types = burst.words + kFieldHashType;
  int32_t* hashes = burst.words + kFieldHash;
  int32_t* list = burst.control + kControlList;
  Category v4;
  Category v6;
  uint32_t left = 0;
  // No branch depends on the frame: mixed traffic would mispredict it for every second one.
  for (uint32_t i = 0; i < n; i++) {
    const int32_t kind = kinds[i];
    const uint8_t type = burst.select[kind & ~kKindGroup & 0xffff];
    types[i] = type;
    hashes[i] = 0;
    const TypeClass what = kClasses[type & (kTypes - 1)];
    const int32_t ip = l3[i];
    const int32_t transport = l4[i];
    const bool isV4 = what.isV4 != 0;
    const size_t skip = isV4 ? 12 : 8;
    const size_t size = isV4 ? 8 : 32;
    const uint32_t hashed = what.isV4 | what.isV6;
    const uint32_t inside =
        within(ip, skip + size, burst.poolBytes) & (within(transport, 4, burst.poolBytes) | (what.hasPorts ^ 1u));
    const uint32_t leave = what.isLeft | (what.isLeftExtended & ((kind & kKindExtension) != 0 ? 1u : 0u)) |
                           (hashed & (inside ^ 1u));
    // Pointers are compared and kept only; an unhashed frame's offset -1 is never followed.
    const uint8_t* address = burst.pool + (inside != 0 ? ip + skip : 0);
    const uint8_t* ports = (what.hasPorts & inside) != 0 ? burst.pool + transport : kZeros;
    v4.put(address, ports, i, what.isV4 & (leave ^ 1u));
    v6.put(address, ports, i, what.isV6 & (leave ^ 1u));
    list[left] = static_cast<int32_t>(i);
    left += leave;
  }
  burst.control[kControlLeft] = static_cast<int32_t>(left);
  v4.run(plan.v4(), plan, hashes);
  v6.run(plan.v6(), plan, hashes);
}

void hashPacked(const Plan& plan, const uint8_t* tuples, size_t width, uint32_t count, int32_t* out) {
  const bool hasPorts = width == kV4Bytes || width == kV6Bytes;
  const size_t addressBytes = hasPorts ? width - 4 : width;
  const TupleKernel kernel = width <= kV4Bytes ? plan.v4() : plan.v6();
  for (uint32_t at = 0; at < count; at += kBurstMax) {
    const uint32_t part = std::min(count - at, kBurstMax);
    const uint32_t whole = (part + kGroup - 1) / kGroup * kGroup;
    const uint8_t* addresses[kBurstMax];
    const uint8_t* ports[kBurstMax];
    uint32_t hashes[kBurstMax];
    for (uint32_t k = 0; k < whole; k++) {
      const uint8_t* tuple = tuples + (at + k) * width;
      addresses[k] = k < part ? tuple : kZeros;
      ports[k] = k < part && hasPorts ? tuple + addressBytes : kZeros;
    }
    kernel(plan, addresses, ports, whole, hashes);
    for (uint32_t k = 0; k < part; k++) out[at + k] = static_cast<int32_t>(plan.finish(hashes[k]));
  }
}

}  // namespace rxsteer
