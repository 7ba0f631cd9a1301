#include "hash/burst_hash.h"

#include <algorithm>

namespace rxsteer {

namespace {

// Ports of types without, and tuples that fill the last group up: zero bytes add nothing to a hash.
alignas(16) constexpr uint8_t kZeros[kV6Bytes + 4] = {};

// Frames of one address family. Room for one more than fits: what turns out not to belong is written behind the last.
struct Frames {
  // Index, and from bit 8 on the word of its type.
  uint32_t entries[kBurstMax + 1];
  uint32_t count = 0;
};

// Takes frames out that do not lie in the pool as a whole, and lists them as left.
uint32_t sift(const BurstView& burst, const Layout& layout, Frames& frames, uint32_t left) {
  const auto poolBytes = static_cast<int64_t>(burst.poolBytes);
  const auto within = [&](int32_t at, uint32_t bytes) { return at >= 0 && int64_t{at} + bytes <= poolBytes; };
  uint32_t kept = 0;
  for (uint32_t k = 0; k < frames.count; k++) {
    const uint32_t entry = frames.entries[k];
    const uint32_t i = entry & 0xff;
    if (within(burst.words[kFieldL3 + i], layout.end) &&
        ((entry & kPorts << 8) == 0 || within(burst.words[kFieldL4 + i], 4)))
      frames.entries[kept++] = entry;
    else
      burst.control[kControlList + left++] = static_cast<int32_t>(i);
  }
  frames.count = kept;
  return left;
}

struct Pointers {
  const uint8_t* addresses[kBurstMax];
  const uint8_t* ports[kBurstMax];
};

// Where the tuples lie. False where one reaches beyond the pool; then nothing may be followed.
bool point(const BurstView& burst, const Layout& layout, const Frames& frames, Pointers& to) {
  const int32_t* const l3 = burst.words + kFieldL3;
  const int32_t* const l4 = burst.words + kFieldL4;
  const uint8_t* const pool = burst.pool + layout.skip;
  // As unsigned numbers, negative offsets are the largest.
  uint32_t farthest = 0;
  uint32_t farthestPorts = 0;
  for (uint32_t k = 0; k < frames.count; k++) {
    const uint32_t entry = frames.entries[k];
    const uint32_t i = entry & 0xff;
    const auto ip = static_cast<uint32_t>(l3[i]);
    const bool hasPorts = (entry & kPorts << 8) != 0;
    const uint32_t transport = hasPorts ? static_cast<uint32_t>(l4[i]) : 0;
    to.addresses[k] = pool + ip;
    to.ports[k] = hasPorts ? burst.pool + transport : kZeros;
    farthest = std::max(farthest, ip);
    farthestPorts = std::max(farthestPorts, transport);
  }
  return uint64_t{farthest} + layout.end <= burst.poolBytes && uint64_t{farthestPorts} + 4 <= burst.poolBytes;
}

// Hashes one family; returns how many frames of the burst are left by now.
uint32_t run(const Plan& plan, const BurstView& burst, TupleKernel kernel, const Layout& layout, Frames& frames,
             uint32_t left) {
  if (frames.count == 0) return left;
  Pointers tuples;
  if (!point(burst, layout, frames, tuples)) {
    left = sift(burst, layout, frames, left);
    point(burst, layout, frames, tuples);
  }
  const uint32_t whole = (frames.count + kGroup - 1) / kGroup * kGroup;
  for (uint32_t k = frames.count; k < whole; k++) tuples.addresses[k] = tuples.ports[k] = kZeros;
  uint32_t out[kBurstMax];
  kernel(plan, tuples.addresses, tuples.ports, whole, out);
  if (plan.halved)
    for (uint32_t k = 0; k < frames.count; k++) out[k] = plan.finish(out[k]);
  int32_t* const hashes = burst.words + kFieldHash;
  for (uint32_t k = 0; k < frames.count; k++) hashes[frames.entries[k] & 0xff] = static_cast<int32_t>(out[k]);
  return left;
}

// The indirection table. Frames that are left get what the caller overwrites.
void look(const BurstView& burst, uint32_t n) {
  const int32_t* const hashes = burst.words + kFieldHash;
  const int32_t* const types = burst.words + kFieldHashType;
  int32_t* const buckets = burst.words + kFieldBucket;
  int32_t* const queues = burst.words + kFieldRxq;
  int32_t* const workers = burst.words + kFieldWorker;
  const int32_t* const targets = burst.targets;
  const uint32_t mask = burst.targetMask;
  for (uint32_t i = 0; i < n; i++) {
    const uint32_t bucket = static_cast<uint32_t>(hashes[i]) & mask;
    // All ones where nothing was hashed.
    const uint32_t none = -static_cast<uint32_t>(types[i] == static_cast<int32_t>(kTypeNone));
    const uint32_t target = static_cast<uint32_t>(targets[bucket]) & ~none;
    buckets[i] = static_cast<int32_t>(bucket | none);
    queues[i] = static_cast<int32_t>(target >> kTargetShift);
    workers[i] = static_cast<int32_t>(target & ((1u << kTargetShift) - 1));
  }
}

}  // namespace

uint32_t selectionOf(uint32_t kind) {
  if ((kind & kKindAddresses) == 0) return 0;
  uint32_t selection = kind & kKindIpMask;
  if ((kind & kKindFragment) != 0) {
    selection |= kSelectionFragment;
  } else if ((kind & kKindPorts) != 0) {
    const uint32_t protocol = (kind & kKindProtocol) >> 8;
    if (protocol == kProtocolTcp) selection |= kSelectionTcp;
    if (protocol == kProtocolUdp) selection |= kSelectionUdp;
  }
  return selection | ((kind & kKindExtension) != 0 ? kSelectionExtension : 0);
}

BurstTypes makeTypes(const uint8_t* select) {
  BurstTypes types;
  types.byKind.resize(kSelectEntries);
  types.isBySelection = true;
  bool seen[kSelections] = {};
  for (uint32_t kind = 0; kind < kSelectEntries; kind++) {
    const uint32_t type = select[kind & ~kKindGroup];
    uint32_t word = kLeft;
    if (type == kTypeNone) {
      word = 0;
    } else if (type == kTypeFragIpv4 || type == kTypeFragIpv6) {
      word = type == kTypeFragIpv4 ? kV4 : kV6;
    } else if (type <= kTypeUdpIpv6Ex && (type <= kTypeUdpIpv6 || (kind & kKindExtension) == 0)) {
      word = type <= kTypeUdpIpv4 ? kV4 : kV6;
      if (type % 3 != 1) word |= kPorts;
    }
    word |= type & kTypeMask;
    types.byKind[kind] = static_cast<uint8_t>(word);
    const uint32_t selection = selectionOf(kind);
    if (seen[selection] && types.bySelection[selection] != word) types.isBySelection = false;
    seen[selection] = true;
    types.bySelection[selection] = word;
  }
  return types;
}

void hashBurst(const Plan& plan, const BurstView& burst) {
  if (const BurstKernel whole = plan.burst(); whole != nullptr && burst.types->isBySelection) {
    whole(plan, burst);
    return;
  }
  const uint32_t n =
      static_cast<uint32_t>(std::clamp<int32_t>(burst.control[kControlCount], 0, int32_t{kBurstMax}));
  const int32_t* const kinds = burst.words + kFieldKind;
  int32_t* const types = burst.words + kFieldHashType;
  int32_t* const list = burst.control + kControlList;
  const uint8_t* const table = burst.types->byKind.data();
  Frames v4;
  Frames v6;
  // In registers, not in the structures: else each frame waits for the store of the one before. And no branch depends
  // on the frame: mixed traffic would mispredict every second one.
  uint32_t count4 = 0;
  uint32_t count6 = 0;
  uint32_t left = 0;
  for (uint32_t i = 0; i < n; i++) {
    const uint32_t word = table[kinds[i] & 0xffff];
    types[i] = static_cast<int32_t>(word & kTypeMask);
    const uint32_t entry = i | word << 8;
    v4.entries[count4] = entry;
    v6.entries[count6] = entry;
    list[left] = static_cast<int32_t>(i);
    count4 += (word & kV4) / kV4;
    count6 += (word & kV6) / kV6;
    left += (word & kLeft) / kLeft;
  }
  v4.count = count4;
  v6.count = count6;
  if (count4 + count6 < n) std::fill_n(burst.words + kFieldHash, n, 0);
  left = run(plan, burst, plan.v4(), kLayoutV4, v4, left);
  left = run(plan, burst, plan.v6(), kLayoutV6, v6, left);
  if (burst.targets != nullptr) look(burst, n);
  burst.control[kControlLeft] = static_cast<int32_t>(left);
}

void hashPacked(const Plan& plan, const uint8_t* tuples, size_t width, uint32_t count, int32_t* out) {
  const bool hasPorts = width == kV4Bytes || width == kV6Bytes;
  const size_t addressBytes = hasPorts ? width - 4 : width;
  const TupleKernel kernel = width <= kV4Bytes ? plan.v4() : plan.v6();
  uint32_t* results = reinterpret_cast<uint32_t*>(out);
  uint32_t done = 0;
  if (width == kV4Bytes && plan.packed() != nullptr) {
    done = count / kGroup * kGroup;
    plan.packed()(plan, tuples, done, results);
  }
  for (uint32_t at = done; at < count; at += kBurstMax) {
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
    std::copy_n(hashes, part, results + at);
  }
  if (plan.halved)
    for (uint32_t k = 0; k < count; k++) results[k] = plan.finish(results[k]);
}

}  // namespace rxsteer
