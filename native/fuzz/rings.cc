// A guest that writes anything into its rings, and a front-end that changes them meanwhile.
//
// Promise: nothing outside the guest's memory is read or written, every call ends, each slot of the pool is taken once,
// frames lie inside their slots, and a ring that runs has used no more than was made available.
#include <sys/mman.h>
#include <unistd.h>

#include <array>
#include <cstdint>
#include <cstring>
#include <memory>
#include <vector>

#include "fuzz/exact.h"
#include "util/fd.h"
#include "util/system_error.h"
#include "vhost/split_ring.h"

// Of the sanitizer's own interface, whose header is in another package.
extern "C" void __asan_poison_memory_region(const volatile void* at, size_t length);
extern "C" void __asan_unpoison_memory_region(const volatile void* at, size_t length);

// There is no Node: pools and arrays here are bound to nothing of JavaScript's.
extern "C" napi_status NAPI_CDECL napi_delete_reference(napi_env, napi_ref) { return napi_ok; }

using namespace rxsteer;

namespace {

constexpr uint64_t kGuest = 0x1'0000'0000, kUser = 0x7f00'0000'0000;
// No multiple of a page: what lies behind it is poisoned.
constexpr uint64_t kBytes = 0x10000 - 112, kPage = 4096;
constexpr uint32_t kSmall = 2048, kLarge = 67584, kHeadroom = 64;
constexpr int kSmallSlots = 8, kLargeSlots = 2, kFrames = 8;

// What the input says next; zeros behind its end.
struct Script {
  const uint8_t* at;
  const uint8_t* end;
  bool over() const { return at >= end; }
  template <typename T>
  T next() {
    T value{};
    const auto left = static_cast<size_t>(end - at);
    std::memcpy(&value, at, left < sizeof value ? left : sizeof value);
    at += left < sizeof value ? left : sizeof value;
    return value;
  }
};

UniqueFd sharedFile() {
  UniqueFd fd(static_cast<int>(::memfd_create("fuzz", MFD_CLOEXEC)));
  must(fd.get() >= 0 && ::ftruncate(fd.get(), kPage + 0x10000) == 0);
  return fd;
}

// The guest's memory: a page of the file before it and what remains of the last page may not be touched.
std::shared_ptr<Region> regionOf(const UniqueFd& fd) {
  auto region = std::make_shared<Region>(fd.get(), RegionAddress{kGuest, kBytes, kUser, kPage});
  __asan_poison_memory_region(region->start - kPage, kPage);
  __asan_poison_memory_region(region->start + kBytes, 112);
  return region;
}

struct Pool {
  std::vector<uint8_t> bytes = std::vector<uint8_t>(kSmallSlots * kSmall + kLargeSlots * kLarge);
  std::array<int32_t, kSmallSlots + 1> smallList{};
  std::array<int32_t, kLargeSlots + 1> largeList{};
  std::array<int32_t, kFrames> id{}, off{}, len{}, flags{};
  std::array<int32_t, kStatusWords> status{};
  std::array<uint8_t, kFrames> result{};
  FramePool pool;
  ReceiveArrays out;
  SendArrays in;

  Pool() {
    pool.lay({bytes.data(), kSmallSlots, kSmall, kLarge, kHeadroom}, {smallList.data()}, {largeList.data()});
    out.lay(id.data(), off.data(), len.data(), flags.data(), status.data(), kFrames);
    in.lay(bytes.data(), bytes.size(), off.data(), len.data(), flags.data(), result.data(), kFrames);
    refill();
  }
  void refill() {
    smallList[0] = kSmallSlots;
    for (int i = 0; i < kSmallSlots; i++) smallList[static_cast<size_t>(i) + 1] = i;
    largeList[0] = kLargeSlots;
    for (int i = 0; i < kLargeSlots; i++) largeList[static_cast<size_t>(i) + 1] = kSmallSlots + i;
  }
};

void take(SplitRing& ring, Pool& p, int32_t most) {
  p.refill();
  p.out.clearStatus();
  const int32_t got = ring.take(p.pool, p.out, 0, most);
  must(got >= 0 && got <= most);
  must(p.smallList[0] + p.largeList[0] + got == kSmallSlots + kLargeSlots);
  uint32_t seen = 0;
  for (int32_t i = 0; i < got; i++) {
    const auto k = static_cast<size_t>(i);
    must((seen >> p.id[k] & 1) == 0);
    seen |= 1u << p.id[k];
    const uint32_t room = (p.id[k] < kSmallSlots ? kSmall : kLarge) - kHeadroom;
    must(p.len[k] >= 14 && static_cast<uint32_t>(p.len[k]) <= room);
    must(static_cast<uint32_t>(p.off[k]) == p.pool.frameOffset(p.id[k]));
  }
}

void give(SplitRing& ring, Pool& p, Script& script, int32_t count) {
  for (int32_t i = 0; i < count; i++) {
    const auto k = static_cast<size_t>(i);
    const auto length = script.next<uint16_t>();
    p.off[k] = static_cast<int32_t>(kSmallSlots * kSmall + kHeadroom);
    p.len[k] = length % (kLarge - kHeadroom);
    const auto header = script.next<VnetHeader>();
    std::memcpy(p.bytes.data() + p.off[k] - kVnetBytes, &header, sizeof header);
    // As it was judged when it was received; many have nothing to say.
    const bool fine = judgeVnet(header, static_cast<uint32_t>(p.len[k])) == VnetVerdict::fine;
    p.flags[k] = fine && header.hdrLen % 2 == 0 ? kFlagVnet | vnetFlags(header) : 0;
  }
  int32_t next = -1;
  const int32_t sent = ring.give(p.in, 0, count, next);
  must(sent >= 0 && next >= sent && next <= count);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const UniqueFd file = sharedFile();
  static const UniqueFd map = sharedFile();
  static Pool pool;
  Script script{data, data + size};
  const auto region = regionOf(file);
  std::memset(region->start, 0, kBytes);
  auto memory = std::make_shared<const GuestMemory>(std::vector<std::shared_ptr<Region>>{region});
  const auto log = std::make_shared<const DirtyLog>(map.get(), 0x8000, 0);
  SplitRing ring;
  const uint32_t entries = 1u << (script.next<uint8_t>() % 9);
  const auto features = [&] { return script.next<uint64_t>() & ((1ull << 36) - 1); };
  const uint64_t used = 0x2000, avail = 0x1000;
  ring.setFeatures(features());
  ring.setMemory(memory);
  ring.setSize(entries);
  ring.setBase(script.next<uint16_t>());
  ring.setAddresses({kUser, kUser + used, kUser + avail, true, kGuest + used});
  ring.enable(true);
  ring.start();
  const auto anywhere = [&](uint64_t at, const void* from, size_t length) {
    if (at < kBytes && length <= kBytes - at) std::memcpy(region->start + at, from, length);
  };
  while (!script.over()) {
    const auto order = script.next<uint8_t>();
    try {
      switch (order % 12) {
        case 0: {
          const auto at = script.next<uint16_t>();
          const auto value = script.next<uint64_t>();
          anywhere(at, &value, sizeof value);
          break;
        }
        case 1:
        case 2: {
          // A descriptor in the table, or in an indirect one: inside the memory, mostly.
          const auto at = script.next<uint8_t>();
          uint64_t words[2];
          const auto place = script.next<uint16_t>();
          words[0] = (order & 0x80) != 0 ? script.next<uint64_t>() : kGuest + place;
          words[1] = script.next<uint16_t>() | uint64_t{script.next<uint8_t>() % 8u} << 32 | uint64_t{script.next<uint8_t>()} << 48;
          anywhere((order % 12 == 2 ? 0x4000 : 0) + 16u * at, words, sizeof words);
          break;
        }
        case 3: {
          // Some heads more are available.
          uint16_t index;
          std::memcpy(&index, region->start + avail + 2, 2);
          const auto head = uint16_t{script.next<uint8_t>()};
          anywhere(avail + 4 + 2 * (index % entries), &head, 2);
          index = static_cast<uint16_t>(index + 1 + (order & 0x40 ? script.next<uint8_t>() : 0));
          anywhere(avail + 2, &index, 2);
          break;
        }
        case 4:
        case 5: take(ring, pool, order / 12 % (kFrames + 1)); break;
        case 6:
        case 7: give(ring, pool, script, order / 12 % (kFrames + 1)); break;
        case 8: ring.enable((order & 0x40) != 0); break;
        case 9:
          ring.stop();
          ring.setBase(script.next<uint16_t>());
          ring.start();
          break;
        case 10:
          if ((order & 0x80) != 0) ring.arm();
          else ring.setFeatures(features());
          break;
        default:
          ring.setLog((order & 0x40) != 0 ? log : nullptr);
          ring.setAddresses({kUser + script.next<uint16_t>(), kUser + used, kUser + avail, (order & 0x80) != 0, kGuest});
      }
    } catch (const SystemError&) {
      // Refused: the ring is stopped, or as it was.
    }
    ring.taken(script.at == data ? 0 : ring.position() - *(script.at - 1));
    must(ring.broken() == nullptr || !ring.started());
  }
  ring.reset();
  __asan_unpoison_memory_region(region->start - kPage, kPage + 0x10000);
  return 0;
}
