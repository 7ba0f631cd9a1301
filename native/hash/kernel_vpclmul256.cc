// VPCLMULQDQ with AVX2: two tuples a register.
#include "hash/plan.h"

#if defined(__x86_64__)
#include <immintrin.h>

namespace rxsteer {

namespace {

#define TARGET __attribute__((target("vpclmulqdq,pclmul,avx2")))

struct Register {
  using Vector = __m256i;
  static constexpr uint32_t kLanes = 2;
  TARGET static inline Vector all(__m128i v) { return _mm256_broadcastsi128_si256(v); }
  TARGET static inline Vector shuffle(Vector v, __m128i how) { return _mm256_shuffle_epi8(v, all(how)); }
  TARGET static inline Vector look(__m128i table, Vector v) { return _mm256_shuffle_epi8(all(table), v); }
  TARGET static inline Vector exclusiveOr(Vector a, Vector b) { return _mm256_xor_si256(a, b); }
  TARGET static inline Vector both(Vector a, Vector b) { return _mm256_and_si256(a, b); }
  TARGET static inline Vector right4(Vector v) { return _mm256_srli_epi16(v, 4); }
  TARGET static inline Vector min32(Vector a, Vector b) { return _mm256_min_epu32(a, b); }
  TARGET static inline Vector max32(Vector a, Vector b) { return _mm256_max_epu32(a, b); }
  TARGET static inline Vector swapPairs(Vector v) { return _mm256_shuffle_epi32(v, 0xb1); }
  // Words 1 and 3 of each lane of `odd`, the others of `even`.
  TARGET static inline Vector oddOf(Vector even, Vector odd) { return _mm256_blend_epi32(even, odd, 0xaa); }
  TARGET static inline Vector low32(Vector a, Vector b) { return _mm256_unpacklo_epi32(a, b); }
  TARGET static inline Vector high64(Vector a, Vector b) { return _mm256_unpackhi_epi64(a, b); }
  template <int Halves>
  TARGET static inline Vector product(Vector a, Vector b) {
    return _mm256_clmulepi64_epi128(a, b, Halves);
  }
  TARGET static inline void save(uint32_t* out, Vector v) {
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(out), v);
  }
  TARGET static inline Vector pair(__m128i low, __m128i high) {
    return _mm256_inserti128_si256(_mm256_castsi128_si256(low), high, 1);
  }
  TARGET static inline Vector gatherV4(const uint8_t* const* addresses, const uint8_t* const* ports);
  TARGET static inline Vector gather16(const uint8_t* const* at);
  TARGET static inline Vector gatherPorts(const uint8_t* const* ports);
  // kLanes tuples that lie one behind the other. The masked-out words are not read.
  TARGET static inline Vector packedV4(const uint8_t* tuples) {
    const Vector words = _mm256_maskload_epi32(reinterpret_cast<const int*>(tuples),
                                               _mm256_setr_epi32(-1, -1, -1, -1, -1, -1, 0, 0));
    return _mm256_permutevar8x32_epi32(words, _mm256_setr_epi32(0, 1, 2, 6, 3, 4, 5, 6));
  }
  // Word v of lane l becomes word kLanes * v + l.
  TARGET static inline Vector transpose(Vector v) {
    return _mm256_permutevar8x32_epi32(v, _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7));
  }
};

#include "hash/clmul_body.h"

TARGET inline Vector Register::gatherV4(const uint8_t* const* addresses, const uint8_t* const* ports) {
  return pair(loadV4(addresses[0], ports[0]), loadV4(addresses[4], ports[4]));
}
TARGET inline Vector Register::gather16(const uint8_t* const* at) { return pair(load16(at[0]), load16(at[1])); }
TARGET inline Vector Register::gatherPorts(const uint8_t* const* ports) {
  return _mm256_slli_si256(pair(load4(ports[0]), load4(ports[4])), 8);
}

bool available() {
  __builtin_cpu_init();
  return __builtin_cpu_supports("vpclmulqdq") && __builtin_cpu_supports("avx2");
}

const Kernel kKernel = KERNEL_OF("vpclmulqdq-256", available);

}  // namespace

const Kernel* const kVpclmul256Kernel = &kKernel;

}  // namespace rxsteer
#else
namespace rxsteer {
const Kernel* const kVpclmul256Kernel = nullptr;
}
#endif
