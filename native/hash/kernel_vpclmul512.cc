// VPCLMULQDQ with AVX-512: four tuples a register, and a burst function of its own.
#include "hash/burst_hash.h"
#include "hash/plan.h"

#if defined(__x86_64__)
#if defined(__GNUC__) && !defined(__clang__)
// GCC 12 takes the "don't care" operand of its own AVX-512 intrinsics for an uninitialised variable.
#pragma GCC diagnostic ignored "-Wuninitialized"
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#endif
#include <immintrin.h>

#include <algorithm>

namespace rxsteer {

namespace {

// Clang 18 to 21 keep 512-bit registers behind a feature of their own.
#if defined(__clang__) && __clang_major__ >= 18 && __clang_major__ < 22
#define TARGET __attribute__((target("vpclmulqdq,pclmul,avx512f,avx512bw,avx2,evex512")))
#else
#define TARGET __attribute__((target("vpclmulqdq,pclmul,avx512f,avx512bw,avx2")))
#endif

struct Register {
  using Vector = __m512i;
  static constexpr uint32_t kLanes = 4;
  TARGET static inline Vector all(__m128i v) { return _mm512_broadcast_i32x4(v); }
  TARGET static inline Vector shuffle(Vector v, __m128i how) { return _mm512_shuffle_epi8(v, all(how)); }
  TARGET static inline Vector look(__m128i table, Vector v) { return _mm512_shuffle_epi8(all(table), v); }
  TARGET static inline Vector exclusiveOr(Vector a, Vector b) { return _mm512_xor_si512(a, b); }
  TARGET static inline Vector both(Vector a, Vector b) { return _mm512_and_si512(a, b); }
  TARGET static inline Vector right4(Vector v) { return _mm512_srli_epi16(v, 4); }
  TARGET static inline Vector min32(Vector a, Vector b) { return _mm512_min_epu32(a, b); }
  TARGET static inline Vector max32(Vector a, Vector b) { return _mm512_max_epu32(a, b); }
  TARGET static inline Vector swapPairs(Vector v) { return _mm512_shuffle_epi32(v, _MM_PERM_CDAB); }
  // Words 1 and 3 of each lane of `odd`, the others of `even`.
  TARGET static inline Vector oddOf(Vector even, Vector odd) { return _mm512_mask_mov_epi32(even, 0xaaaa, odd); }
  TARGET static inline Vector low32(Vector a, Vector b) { return _mm512_unpacklo_epi32(a, b); }
  TARGET static inline Vector high64(Vector a, Vector b) { return _mm512_unpackhi_epi64(a, b); }
  template <int Halves>
  TARGET static inline Vector product(Vector a, Vector b) {
    return _mm512_clmulepi64_epi128(a, b, Halves);
  }
  TARGET static inline void save(uint32_t* out, Vector v) { _mm512_storeu_si512(out, v); }
  TARGET static inline Vector four(__m128i a, __m128i b, __m128i c, __m128i d) {
    const __m256i low = _mm256_inserti128_si256(_mm256_castsi128_si256(a), b, 1);
    const __m256i high = _mm256_inserti128_si256(_mm256_castsi128_si256(c), d, 1);
    return _mm512_inserti64x4(_mm512_castsi256_si512(low), high, 1);
  }
  TARGET static inline Vector gatherV4(const uint8_t* const* addresses, const uint8_t* const* ports);
  TARGET static inline Vector gather16(const uint8_t* const* at);
  TARGET static inline Vector gatherPorts(const uint8_t* const* ports);
  // kLanes tuples that lie one behind the other. The masked-out words are not read.
  TARGET static inline Vector packedV4(const uint8_t* tuples) {
    const Vector words = _mm512_maskz_loadu_epi32(0x0fff, tuples);
    return _mm512_permutexvar_epi32(
        _mm512_setr_epi32(0, 1, 2, 12, 3, 4, 5, 12, 6, 7, 8, 12, 9, 10, 11, 12), words);
  }
  // Word v of lane l becomes word kLanes * v + l.
  TARGET static inline Vector transpose(Vector v) {
    return _mm512_permutexvar_epi32(
        _mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15), v);
  }
};

#include "hash/clmul_body.h"

TARGET inline Vector Register::gatherV4(const uint8_t* const* addresses, const uint8_t* const* ports) {
  return four(loadV4(addresses[0], ports[0]), loadV4(addresses[4], ports[4]), loadV4(addresses[8], ports[8]),
              loadV4(addresses[12], ports[12]));
}
TARGET inline Vector Register::gather16(const uint8_t* const* at) {
  return four(load16(at[0]), load16(at[1]), load16(at[2]), load16(at[3]));
}
TARGET inline Vector Register::gatherPorts(const uint8_t* const* ports) {
  return _mm512_bslli_epi128(four(load4(ports[0]), load4(ports[4]), load4(ports[8]), load4(ports[12])), 8);
}

#include "hash/burst_avx512.h"

bool available() {
  __builtin_cpu_init();
  return __builtin_cpu_supports("vpclmulqdq") && __builtin_cpu_supports("avx512f") &&
         __builtin_cpu_supports("avx512bw");
}

const Kernel kKernel = KERNEL_OF("vpclmulqdq-512", available, hashBurst512<Symmetric::none>,
                                 hashBurst512<Symmetric::exclusiveOr>, hashBurst512<Symmetric::orExclusiveOr>,
                                 hashBurst512<Symmetric::sort>);

}  // namespace

const Kernel* const kVpclmul512Kernel = &kKernel;

}  // namespace rxsteer
#else
namespace rxsteer {
const Kernel* const kVpclmul512Kernel = nullptr;
}
#endif
