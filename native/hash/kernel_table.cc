// Byte tables: the kernel of processors without a carry-less multiplication.
#include <cstring>
#include <utility>

#include "hash/plan.h"

namespace rxsteer {

namespace {

bool always() { return true; }

// Applies a transform to a pair of fields of `width` bytes, in place.
template <Symmetric S>
void transformPair(uint8_t* a, uint8_t* b, size_t width) {
  if constexpr (S == Symmetric::sort) {
    if (std::memcmp(a, b, width) > 0)
      for (size_t i = 0; i < width; i++) std::swap(a[i], b[i]);
  } else if constexpr (S != Symmetric::none) {
    for (size_t i = 0; i < width; i++) {
      const uint8_t difference = a[i] ^ b[i];
      a[i] = S == Symmetric::exclusiveOr ? difference : static_cast<uint8_t>(a[i] | b[i]);
      b[i] = difference;
    }
  }
}

template <Symmetric S, size_t Address>
void hash(const Plan& plan, const uint8_t* const* addresses, const uint8_t* const* ports, uint32_t count,
          uint32_t* out) {
  constexpr size_t kBytes = 2 * Address + 4;
  const uint32_t* table = plan.table.data();
  for (uint32_t k = 0; k < count; k++) {
    uint8_t input[kBytes];
    std::memcpy(input, addresses[k], 2 * Address);
    std::memcpy(input + 2 * Address, ports[k], 4);
    transformPair<S>(input, input + Address, Address);
    transformPair<S>(input + 2 * Address, input + 2 * Address + 2, 2);
    uint32_t sum = plan.start;
    for (size_t i = 0; i < kBytes; i++) sum ^= table[256 * i + input[i]];
    out[k] = sum;
  }
}

}  // namespace

const Kernel kTableKernel = {
    "table",
    always,
    {hash<Symmetric::none, 4>, hash<Symmetric::exclusiveOr, 4>, hash<Symmetric::orExclusiveOr, 4>,
     hash<Symmetric::sort, 4>},
    {hash<Symmetric::none, 16>, hash<Symmetric::exclusiveOr, 16>, hash<Symmetric::orExclusiveOr, 16>,
     hash<Symmetric::sort, 16>},
    {},
};

}  // namespace rxsteer
