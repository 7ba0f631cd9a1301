// PMULL: the carry-less multiplication of arm64, one tuple at a time.
#include "hash/plan.h"

#if defined(__aarch64__)
#include <arm_neon.h>
#include <asm/hwcap.h>
#include <sys/auxv.h>

namespace rxsteer {

namespace {

#define TARGET __attribute__((target("+crypto")))

struct Input {
  uint32_t words[kWordsMax];
};

inline uint32_t word(const uint8_t* at) {
  uint32_t value;
  __builtin_memcpy(&value, at, 4);
  return __builtin_bswap32(value);
}

// The two fields of a pair, transformed.
template <Symmetric S>
inline void transform(uint32_t& a, uint32_t& b) {
  const uint32_t first = a;
  const uint32_t second = b;
  if constexpr (S == Symmetric::exclusiveOr) a = b = first ^ second;
  if constexpr (S == Symmetric::orExclusiveOr) {
    a = first | second;
    b = first ^ second;
  }
  if constexpr (S == Symmetric::sort) {
    a = first < second ? first : second;
    b = first < second ? second : first;
  }
}

template <Symmetric S>
inline uint32_t portsWord(const uint8_t* ports) {
  const uint32_t both = word(ports);
  uint32_t source = both >> 16;
  uint32_t destination = both & 0xffff;
  transform<S>(source, destination);
  return source << 16 | destination;
}

template <Symmetric S, size_t AddressWords>
inline Input inputOf(const uint8_t* addresses, const uint8_t* ports) {
  Input input;
  const uint8_t* source = addresses;
  const uint8_t* destination = addresses + 4 * AddressWords;
  if constexpr (S == Symmetric::sort) {
    if (__builtin_memcmp(source, destination, 4 * AddressWords) > 0) {
      destination = addresses;
      source = addresses + 4 * AddressWords;
    }
  }
  for (size_t i = 0; i < AddressWords; i++) {
    uint32_t a = word(source + 4 * i);
    uint32_t b = word(destination + 4 * i);
    // Sorted as a whole already.
    if constexpr (S != Symmetric::sort) transform<S>(a, b);
    input.words[i] = a;
    input.words[AddressWords + i] = b;
  }
  input.words[2 * AddressWords] = portsWord<S>(ports);
  return input;
}

template <Symmetric S, size_t AddressWords>
TARGET void hash(const Plan& plan, const uint8_t* const* addresses, const uint8_t* const* ports, uint32_t count,
                 uint32_t* out) {
  for (uint32_t k = 0; k < count; k++) {
    const Input input = inputOf<S, AddressWords>(addresses[k], ports[k]);
    uint64_t sum = 0;
    for (size_t i = 0; i < 2 * AddressWords + 1; i++)
      sum ^= vgetq_lane_u64(vreinterpretq_u64_p128(vmull_p64(input.words[i], plan.windows[i])), 0);
    uint32_t reversed;
    const auto high = static_cast<uint32_t>(sum >> 32);
    asm("rbit %w0, %w1" : "=r"(reversed) : "r"(high));
    out[k] = reversed ^ plan.start;
  }
}

bool available() { return (getauxval(AT_HWCAP) & HWCAP_PMULL) != 0; }

const Kernel kKernel = {
    "pmull",
    available,
    {hash<Symmetric::none, 1>, hash<Symmetric::exclusiveOr, 1>, hash<Symmetric::orExclusiveOr, 1>,
     hash<Symmetric::sort, 1>},
    {hash<Symmetric::none, 4>, hash<Symmetric::exclusiveOr, 4>, hash<Symmetric::orExclusiveOr, 4>,
     hash<Symmetric::sort, 4>},
    {},
};

}  // namespace

const Kernel* const kPmullKernel = &kKernel;

}  // namespace rxsteer
#else
namespace rxsteer {
const Kernel* const kPmullKernel = nullptr;
}
#endif
