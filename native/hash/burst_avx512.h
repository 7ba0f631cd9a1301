// The burst function of the AVX-512 kernel: 16 frames at a time from the burst's words to hash, type and worker.
//
// Promise: `hashBurst` of burst_hash.h to the bit, for type tables that are made of `BurstTypes::bySelection`. Reads
// nothing but the burst's words, the tables, and tuples that lie in the pool as a whole. Included by
// kernel_vpclmul512.cc behind clmul_body.h, inside its anonymous namespace.
//
// Types, offsets, bounds and table lookups take no branch and no scalar loop. IPv4 tuples stay where their frame is,
// with a tuple of zeros for every other frame: their hashes come out in order and need no list. IPv6 tuples cost three
// times as much and are rarer, so they are packed, and their hashes expanded again.

struct Zeros {
  alignas(64) uint8_t bytes[kV6Bytes + 4] = {};
};
constexpr Zeros kNothing;

// Where tuples lie, one entry a frame or a packed tuple. Room for 16 zeros behind the last.
struct Places {
  alignas(64) const uint8_t* addresses[kBurstMax + 16];
  alignas(64) const uint8_t* ports[kBurstMax + 16];
};

// 16 offsets from `base` as pointers; those not in `real` point to zeros.
TARGET inline void savePointers(const uint8_t** out, const uint8_t* base, __m512i offsets, __mmask16 real) {
  const __m512i start = _mm512_set1_epi64(reinterpret_cast<int64_t>(base));
  const __m512i zeros = _mm512_set1_epi64(reinterpret_cast<int64_t>(kNothing.bytes));
  const __m512i low = _mm512_cvtepu32_epi64(_mm512_castsi512_si256(offsets));
  const __m512i high = _mm512_cvtepu32_epi64(_mm512_extracti64x4_epi64(offsets, 1));
  _mm512_storeu_si512(out, _mm512_mask_add_epi64(zeros, static_cast<__mmask8>(real), start, low));
  _mm512_storeu_si512(out + 8, _mm512_mask_add_epi64(zeros, static_cast<__mmask8>(real >> 8), start, high));
}

// Frames whose `bytes` from the offset on lie in the pool. As unsigned numbers, negative offsets are too large.
TARGET inline __mmask16 within(__m512i offsets, uint32_t bytes, size_t poolBytes) {
  if (poolBytes < bytes) return 0;
  const auto last = static_cast<int32_t>(poolBytes - bytes > INT32_MAX ? INT32_MAX : poolBytes - bytes);
  return _mm512_cmple_epu32_mask(offsets, _mm512_set1_epi32(last));
}

// `BurstTypes` of 16 kinds: see `selectionOf`.
TARGET inline __m512i typesOf(__m512i kinds, __m512i tableLow, __m512i tableHigh) {
  const __m512i transport = _mm512_and_si512(kinds, _mm512_set1_epi32(kKindProtocol | kKindPorts));
  __m512i index = _mm512_and_si512(kinds, _mm512_set1_epi32(kKindIpMask));
  const auto is = [&](uint32_t protocol) TARGET {
    return _mm512_cmpeq_epi32_mask(transport, _mm512_set1_epi32(static_cast<int>(protocol << 8 | kKindPorts)));
  };
  const __m512i extension = _mm512_and_si512(_mm512_srli_epi32(kinds, 1), _mm512_set1_epi32(kSelectionExtension));
  index = _mm512_or_si512(index, extension);
  index = _mm512_mask_or_epi32(index, is(kProtocolTcp), index, _mm512_set1_epi32(kSelectionTcp));
  index = _mm512_mask_or_epi32(index, is(kProtocolUdp), index, _mm512_set1_epi32(kSelectionUdp));
  index = _mm512_mask_or_epi32(index, _mm512_test_epi32_mask(kinds, _mm512_set1_epi32(kKindFragment)), index,
                              _mm512_set1_epi32(kSelectionFragment));
  index = _mm512_maskz_mov_epi32(_mm512_test_epi32_mask(kinds, _mm512_set1_epi32(kKindAddresses)), index);
  return _mm512_permutex2var_epi32(tableLow, index, tableHigh);
}

template <Symmetric S>
TARGET void hashBurst512(const Plan& plan, const BurstView& burst) {
  const auto n = static_cast<uint32_t>(std::clamp<int32_t>(burst.control[kControlCount], 0, int32_t{kBurstMax}));
  const int32_t* const words = burst.words;
  const __m512i tableLow = _mm512_loadu_si512(burst.types->bySelection);
  const __m512i tableHigh = _mm512_loadu_si512(burst.types->bySelection + 16);
  Places v4;
  Places v6;
  __mmask16 in4[kBurstMax / 16];
  __mmask16 in6[kBurstMax / 16];
  uint32_t count4 = 0;
  uint32_t count6 = 0;
  uint64_t left = 0;
  for (uint32_t at = 0; at < n; at += 16) {
    const auto lanes = static_cast<__mmask16>(n - at < 16 ? (1u << (n - at)) - 1 : 0xffff);
    const __m512i types =
        typesOf(_mm512_maskz_loadu_epi32(lanes, words + kFieldKind + at), tableLow, tableHigh);
    _mm512_mask_storeu_epi32(burst.words + kFieldHashType + at, lanes,
                             _mm512_and_si512(types, _mm512_set1_epi32(kTypeMask)));
    const auto has = [&](uint32_t bit) TARGET {
      return _mm512_mask_test_epi32_mask(lanes, types, _mm512_set1_epi32(static_cast<int>(bit)));
    };
    const __m512i l3 = _mm512_maskz_loadu_epi32(lanes, words + kFieldL3 + at);
    const __m512i l4 = _mm512_maskz_loadu_epi32(lanes, words + kFieldL4 + at);
    const __mmask16 ported = has(kPorts);
    const auto reached = static_cast<__mmask16>(~ported | within(l4, 4, burst.poolBytes));
    const auto is4 =
        static_cast<__mmask16>(has(kV4) & reached & within(l3, kLayoutV4.end, burst.poolBytes));
    const auto is6 =
        static_cast<__mmask16>(has(kV6) & reached & within(l3, kLayoutV6.end, burst.poolBytes));
    left |= uint64_t{static_cast<uint16_t>(has(kV4 | kV6 | kLeft) & ~(is4 | is6))} << at;
    in4[at / 16] = is4;
    in6[at / 16] = is6;
    savePointers(v4.addresses + at, burst.pool + kLayoutV4.skip, l3, is4);
    savePointers(v4.ports + at, burst.pool, l4, is4 & ported);
    count4 += static_cast<uint32_t>(__builtin_popcount(is4));
    if (is6 == 0) continue;
    const auto found = static_cast<uint32_t>(__builtin_popcount(is6));
    const auto real = static_cast<__mmask16>((1u << found) - 1);
    // No ports as an offset of -1: tuples in the pool have none below 0.
    const __m512i ports =
        _mm512_maskz_compress_epi32(is6, _mm512_mask_mov_epi32(_mm512_set1_epi32(-1), ported, l4));
    savePointers(v6.addresses + count6, burst.pool + kLayoutV6.skip, _mm512_maskz_compress_epi32(is6, l3), real);
    savePointers(v6.ports + count6, burst.pool, ports,
                 _mm512_mask_cmpge_epi32_mask(real, ports, _mm512_setzero_si512()));
    count6 += found;
  }
  alignas(64) uint32_t out4[kBurstMax];
  alignas(64) uint32_t out6[kBurstMax + 16];
  if (count6 != 0) {
    // The last group of tuples is filled up with zeros.
    savePointers(v6.addresses + count6, burst.pool, _mm512_setzero_si512(), 0);
    savePointers(v6.ports + count6, burst.pool, _mm512_setzero_si512(), 0);
  }
  if (count4 != 0) hashV4<S>(plan, v4.addresses, v4.ports, (n + 15) / 16 * 16, out4);
  if (count6 != 0) hashV6<S>(plan, v6.addresses, v6.ports, (count6 + 15) / 16 * 16, out6);
  const int32_t* const targets = burst.targets;
  const __m512i bucketMask = _mm512_set1_epi32(static_cast<int32_t>(burst.targetMask));
  uint32_t from6 = 0;
  for (uint32_t at = 0; at < n; at += 16) {
    const auto lanes = static_cast<__mmask16>(n - at < 16 ? (1u << (n - at)) - 1 : 0xffff);
    const __mmask16 is4 = in4[at / 16];
    const __mmask16 is6 = in6[at / 16];
    __m512i hashes = _mm512_maskz_loadu_epi32(is4, out4 + at);
    if (is6 != 0) {
      hashes = _mm512_mask_expand_epi32(hashes, is6, _mm512_loadu_si512(out6 + from6));
      from6 += static_cast<uint32_t>(__builtin_popcount(is6));
    }
    if (plan.halved) {
      const __m512i low = _mm512_and_si512(hashes, _mm512_set1_epi32(0xffff));
      hashes = _mm512_or_si512(low, _mm512_slli_epi32(low, 16));
    }
    _mm512_mask_storeu_epi32(burst.words + kFieldHash + at, lanes, hashes);
    if (targets == nullptr) continue;
    const auto hashed = static_cast<__mmask16>(is4 | is6);
    const __m512i buckets = _mm512_and_si512(hashes, bucketMask);
    const __m512i found = _mm512_mask_i32gather_epi32(_mm512_setzero_si512(), hashed, buckets, targets, 4);
    const __m512i workerMask = _mm512_set1_epi32((1 << kTargetShift) - 1);
    _mm512_mask_storeu_epi32(burst.words + kFieldBucket + at, lanes,
                             _mm512_mask_mov_epi32(_mm512_set1_epi32(-1), hashed, buckets));
    _mm512_mask_storeu_epi32(burst.words + kFieldRxq + at, lanes, _mm512_srli_epi32(found, kTargetShift));
    _mm512_mask_storeu_epi32(burst.words + kFieldWorker + at, lanes, _mm512_and_si512(found, workerMask));
  }
  uint32_t count = 0;
  for (; left != 0; left &= left - 1)
    burst.control[kControlList + count++] = __builtin_ctzll(left);
  burst.control[kControlLeft] = static_cast<int32_t>(count);
}
