// PCLMULQDQ: one tuple a register (x86-64 with SSE4.1).
#include "hash/plan.h"

#if defined(__x86_64__)
#include <immintrin.h>

namespace rxsteer {

namespace {

#define TARGET __attribute__((target("pclmul,ssse3,sse4.1")))

struct Register {
  using Vector = __m128i;
  static constexpr uint32_t kLanes = 1;
  TARGET static inline Vector all(__m128i v) { return v; }
  TARGET static inline Vector shuffle(Vector v, __m128i how) { return _mm_shuffle_epi8(v, how); }
  TARGET static inline Vector look(__m128i table, Vector v) { return _mm_shuffle_epi8(table, v); }
  TARGET static inline Vector exclusiveOr(Vector a, Vector b) { return _mm_xor_si128(a, b); }
  TARGET static inline Vector both(Vector a, Vector b) { return _mm_and_si128(a, b); }
  TARGET static inline Vector right4(Vector v) { return _mm_srli_epi16(v, 4); }
  TARGET static inline Vector min32(Vector a, Vector b) { return _mm_min_epu32(a, b); }
  TARGET static inline Vector max32(Vector a, Vector b) { return _mm_max_epu32(a, b); }
  TARGET static inline Vector swapPairs(Vector v) { return _mm_shuffle_epi32(v, 0xb1); }
  // Words 1 and 3 of `odd`, the others of `even`.
  TARGET static inline Vector oddOf(Vector even, Vector odd) { return _mm_blend_epi16(even, odd, 0xcc); }
  TARGET static inline Vector low32(Vector a, Vector b) { return _mm_unpacklo_epi32(a, b); }
  TARGET static inline Vector high64(Vector a, Vector b) { return _mm_unpackhi_epi64(a, b); }
  template <int Halves>
  TARGET static inline Vector product(Vector a, Vector b) {
    return _mm_clmulepi64_si128(a, b, Halves);
  }
  TARGET static inline void save(uint32_t* out, Vector v) {
    _mm_storeu_si128(reinterpret_cast<__m128i*>(out), v);
  }
  TARGET static inline Vector gatherV4(const uint8_t* const* addresses, const uint8_t* const* ports);
  TARGET static inline Vector gather16(const uint8_t* const* at);
  TARGET static inline Vector gatherPorts(const uint8_t* const* ports);
  // kLanes tuples that lie one behind the other.
  TARGET static inline Vector packedV4(const uint8_t* tuples);
  // Word v of lane l becomes word kLanes * v + l.
  TARGET static inline Vector transpose(Vector v) { return v; }
};

#include "hash/clmul_body.h"

TARGET inline Vector Register::gatherV4(const uint8_t* const* addresses, const uint8_t* const* ports) {
  return loadV4(addresses[0], ports[0]);
}
TARGET inline Vector Register::gather16(const uint8_t* const* at) { return load16(at[0]); }
TARGET inline Vector Register::gatherPorts(const uint8_t* const* ports) {
  return _mm_slli_si128(load4(ports[0]), 8);
}

TARGET inline Vector Register::packedV4(const uint8_t* tuples) { return loadV4(tuples, tuples + 8); }

bool available() {
  __builtin_cpu_init();
  return __builtin_cpu_supports("pclmul") && __builtin_cpu_supports("ssse3") && __builtin_cpu_supports("sse4.1");
}

const Kernel kKernel = KERNEL_OF("pclmulqdq", available);

}  // namespace

const Kernel* const kPclmulKernel = &kKernel;

}  // namespace rxsteer
#else
namespace rxsteer {
const Kernel* const kPclmulKernel = nullptr;
}
#endif
