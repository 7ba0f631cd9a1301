// The body of the x86 kernels, for registers of 1, 2 or 4 lanes of 128 bits. Included once by each of
// kernel_pclmul.cc, kernel_vpclmul256.cc and kernel_vpclmul512.cc, which define before it
//   TARGET    the attribute that permits the instructions in one function (the addon as a whole is compiled for the
//             oldest processor), on every function since it does not pass on to callees;
//   Register  the operations on one register, all static and inline.
// It opens no namespace: the including file has an anonymous one open, so that nothing compiled for one processor
// can be linked into another kernel.
//
// Four registers are worked on at a time: gathered, register v has tuple 4 * lane + v in a lane, so that interleaving
// the four results brings them into order (packed tuples are transposed instead), and reversing the bits of 4, 8 or 16 hashes costs as much as of one.

using Vector = Register::Vector;
constexpr uint32_t kLanes = Register::kLanes;
static_assert(kGroup % (4 * kLanes) == 0);

// Shuffles within a lane. -1 gives a zero byte. Words 0 and 1 of network order as two zero-extended 64-bit numbers.
TARGET inline Vector wordsLow(Vector v) {
  return Register::shuffle(v, _mm_setr_epi8(3, 2, 1, 0, -1, -1, -1, -1, 7, 6, 5, 4, -1, -1, -1, -1));
}
// Words 2 and 3.
TARGET inline Vector wordsHigh(Vector v) {
  return Register::shuffle(v, _mm_setr_epi8(11, 10, 9, 8, -1, -1, -1, -1, 15, 14, 13, 12, -1, -1, -1, -1));
}

// Tuple of an IPv4 packet in a lane: source, destination, both ports, 4 bytes 0.
TARGET inline __m128i loadV4(const uint8_t* addresses, const uint8_t* ports) {
  int32_t both;
  __builtin_memcpy(&both, ports, 4);
  return _mm_insert_epi32(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(addresses)), both, 2);
}

TARGET inline __m128i load16(const uint8_t* at) {
  return _mm_loadu_si128(reinterpret_cast<const __m128i*>(at));
}

TARGET inline __m128i load4(const uint8_t* at) {
  int32_t word;
  __builtin_memcpy(&word, at, 4);
  return _mm_cvtsi32_si128(word);
}

// The words of a tuple as products want them: `first` = source and destination, `second` = ports.
struct Words {
  Vector first;
  Vector second;
};

template <Symmetric S>
TARGET inline Words transformV4(Vector v) {
  if constexpr (S == Symmetric::none) {
    return {wordsLow(v), wordsHigh(v)};
  } else if constexpr (S == Symmetric::sort) {
    // The four fields as 32-bit numbers: source, destination, source port, destination port.
    const Vector fields =
        Register::shuffle(v, _mm_setr_epi8(3, 2, 1, 0, 7, 6, 5, 4, 9, 8, -1, -1, 11, 10, -1, -1));
    const Vector other = Register::swapPairs(fields);
    const Vector sorted = Register::oddOf(Register::min32(fields, other), Register::max32(fields, other));
    return {Register::shuffle(sorted, _mm_setr_epi8(0, 1, 2, 3, -1, -1, -1, -1, 4, 5, 6, 7, -1, -1, -1, -1)),
            Register::shuffle(
                sorted, _mm_setr_epi8(12, 13, 8, 9, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1))};
  } else {
    const Vector other =
        Register::shuffle(v, _mm_setr_epi8(4, 5, 6, 7, 0, 1, 2, 3, 10, 11, 8, 9, -1, -1, -1, -1));
    const Vector difference = Register::exclusiveOr(v, other);
    if constexpr (S == Symmetric::exclusiveOr) {
      return {wordsLow(difference), wordsHigh(difference)};
    } else {
      const Vector mask =
          Register::all(_mm_setr_epi8(-1, -1, -1, -1, 0, 0, 0, 0, -1, -1, 0, 0, 0, 0, 0, 0));
      const Vector mixed = Register::exclusiveOr(difference, Register::both(mask, Register::both(v, other)));
      return {wordsLow(mixed), wordsHigh(mixed)};
    }
  }
}

// Four registers of sums: bits 32 … 63 of each lane, reversed, are the hashes of 4 * kLanes tuples; word v of lane l
// of the result comes from register v.
TARGET inline Vector finish(const Vector* sums4, Vector start) {
  const Vector sums = Register::high64(Register::low32(sums4[0], sums4[1]), Register::low32(sums4[2], sums4[3]));
  const Vector bytes =
      Register::shuffle(sums, _mm_setr_epi8(3, 2, 1, 0, 7, 6, 5, 4, 11, 10, 9, 8, 15, 14, 13, 12));
  const Vector nibble = Register::all(_mm_set1_epi8(15));
  const Vector low = Register::both(bytes, nibble);
  const Vector high = Register::both(Register::right4(bytes), nibble);
  const __m128i reversed = _mm_setr_epi8(0, 8, 4, 12, 2, 10, 6, 14, 1, 9, 5, 13, 3, 11, 7, 15);
  const __m128i shifted = _mm_slli_epi16(reversed, 4);
  return Register::exclusiveOr(Register::exclusiveOr(Register::look(shifted, low), start),
                               Register::look(reversed, high));
}

TARGET inline Vector startOf(const Plan& plan) {
  return Register::all(_mm_set1_epi32(static_cast<int32_t>(plan.start)));
}

template <Symmetric S>
TARGET inline Vector sumV4(Vector tuples, Vector k01, Vector k2) {
  const Words words = transformV4<S>(tuples);
  return Register::exclusiveOr(Register::exclusiveOr(Register::product<0x00>(words.first, k01),
                                                     Register::product<0x11>(words.first, k01)),
                               Register::product<0x00>(words.second, k2));
}

template <Symmetric S>
TARGET void hashPackedV4(const Plan& plan, const uint8_t* tuples, uint32_t count, uint32_t* out) {
  const Vector k01 = Register::all(load16(reinterpret_cast<const uint8_t*>(plan.windows)));
  const Vector k2 = Register::all(load16(reinterpret_cast<const uint8_t*>(plan.windows + 2)));
  const Vector start = startOf(plan);
  for (uint32_t at = 0; at < count; at += 4 * kLanes) {
    Vector sums[4];
    for (uint32_t v = 0; v < 4; v++)
      sums[v] = sumV4<S>(Register::packedV4(tuples + kV4Bytes * (at + v * kLanes)), k01, k2);
    Register::save(out + at, Register::transpose(finish(sums, start)));
  }
}

template <Symmetric S>
TARGET void hashV4(const Plan& plan, const uint8_t* const* addresses, const uint8_t* const* ports, uint32_t count,
                   uint32_t* out) {
  const Vector k01 = Register::all(load16(reinterpret_cast<const uint8_t*>(plan.windows)));
  const Vector k2 = Register::all(load16(reinterpret_cast<const uint8_t*>(plan.windows + 2)));
  const Vector start = startOf(plan);
  for (uint32_t at = 0; at < count; at += 4 * kLanes) {
    Vector sums[4];
    for (uint32_t v = 0; v < 4; v++)
      sums[v] = sumV4<S>(Register::gatherV4(addresses + at + v, ports + at + v), k01, k2);
    Register::save(out + at, finish(sums, start));
  }
}

// Eight bytes in network order as a number.
TARGET inline uint64_t number(const uint8_t* at) {
  uint64_t value;
  __builtin_memcpy(&value, at, 8);
  return __builtin_bswap64(value);
}

TARGET inline bool greater16(const uint8_t* a, const uint8_t* b) {
  const uint64_t high = number(a);
  const uint64_t other = number(b);
  return high != other ? high > other : number(a + 8) > number(b + 8);
}

template <Symmetric S>
TARGET void hashV6(const Plan& plan, const uint8_t* const* addresses, const uint8_t* const* ports, uint32_t count,
                   uint32_t* out) {
  const auto window = [&](size_t word) { return reinterpret_cast<const uint8_t*>(plan.windows + word); };
  const Vector k01 = Register::all(load16(window(0)));
  const Vector k23 = Register::all(load16(window(2)));
  const Vector k45 = Register::all(load16(window(4)));
  const Vector k67 = Register::all(load16(window(6)));
  const Vector k8 = Register::all(load16(window(8)));
  const Vector start = startOf(plan);
  for (uint32_t at = 0; at < count; at += 4 * kLanes) {
    Vector sums[4];
    for (uint32_t v = 0; v < 4; v++) {
      const uint8_t* a[kLanes];
      const uint8_t* b[kLanes];
      for (uint32_t lane = 0; lane < kLanes; lane++) {
        a[lane] = addresses[at + v + 4 * lane];
        b[lane] = a[lane] + 16;
        if constexpr (S == Symmetric::sort) {
          if (greater16(a[lane], b[lane])) {
            b[lane] = a[lane];
            a[lane] += 16;
          }
        }
      }
      Vector source = Register::gather16(a);
      Vector destination = Register::gather16(b);
      // Ports alone as an IPv4 tuple whose addresses are 0, so that the transform is the same.
      const Vector pair = transformV4<S>(Register::gatherPorts(ports + at + v)).second;
      if constexpr (S == Symmetric::exclusiveOr || S == Symmetric::orExclusiveOr) {
        const Vector difference = Register::exclusiveOr(source, destination);
        source = S == Symmetric::exclusiveOr
                     ? difference
                     : Register::exclusiveOr(difference, Register::both(source, destination));
        destination = difference;
      }
      const Vector words01 = wordsLow(source);
      const Vector words23 = wordsHigh(source);
      const Vector words45 = wordsLow(destination);
      const Vector words67 = wordsHigh(destination);
      // Two chains, so that the additions do not all wait for each other.
      Vector even = Register::product<0x00>(words01, k01);
      Vector odd = Register::product<0x11>(words01, k01);
      even = Register::exclusiveOr(even, Register::product<0x00>(words23, k23));
      odd = Register::exclusiveOr(odd, Register::product<0x11>(words23, k23));
      even = Register::exclusiveOr(even, Register::product<0x00>(words45, k45));
      odd = Register::exclusiveOr(odd, Register::product<0x11>(words45, k45));
      even = Register::exclusiveOr(even, Register::product<0x00>(words67, k67));
      odd = Register::exclusiveOr(odd, Register::product<0x11>(words67, k67));
      even = Register::exclusiveOr(even, Register::product<0x00>(pair, k8));
      sums[v] = Register::exclusiveOr(even, odd);
    }
    Register::save(out + at, finish(sums, start));
  }
}

#define KERNEL_OF(NAME, AVAILABLE, ...)                                                                    \
  {                                                                                                      \
    NAME, AVAILABLE,                                                                                     \
        {hashV4<Symmetric::none>, hashV4<Symmetric::exclusiveOr>, hashV4<Symmetric::orExclusiveOr>,      \
         hashV4<Symmetric::sort>},                                                                       \
        {hashV6<Symmetric::none>, hashV6<Symmetric::exclusiveOr>, hashV6<Symmetric::orExclusiveOr>,      \
         hashV6<Symmetric::sort>},                                                                       \
        {hashPackedV4<Symmetric::none>, hashPackedV4<Symmetric::exclusiveOr>,                            \
         hashPackedV4<Symmetric::orExclusiveOr>, hashPackedV4<Symmetric::sort>},                         \
        {__VA_ARGS__},                                                                                   \
  }
