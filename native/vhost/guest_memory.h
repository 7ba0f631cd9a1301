// The memory of a guest, as the other side of a vhost-user socket has given it: regions of files, mapped.
//
// Promise: an address of the guest's becomes a pointer only where the whole length lies in one region; nothing else is
// ever read or written. A region that its owner cuts short while it is used (SIGBUS) is filled up with zero pages and
// noted as lost: whoever copies goes on and the process lives. A mapping lives as long as somebody has the memory that it
// is part of.
//
// Threads: a `GuestMemory` does not change once it is shared; mapping and finding are safe from any thread.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

namespace rxsteer {

// What the protocol says of a region (docs/interop/vhost-user.rst, "Memory region description").
struct RegionAddress {
  // Guest-physical address, length, address in the front-end's own memory, where the region begins in the file.
  uint64_t guest = 0;
  uint64_t size = 0;
  uint64_t user = 0;
  uint64_t offset = 0;
  bool operator==(const RegionAddress&) const = default;
};

// Regions that a guest may have: with memory slots that can be plugged in.
constexpr size_t kRegionsMax = 64;

class Region {
 public:
  // Maps `fd` (which stays the caller's). Throws SystemError: no regular file, too short, empty, addresses that wrap.
  Region(int fd, const RegionAddress& address);
  ~Region();
  Region(const Region&) = delete;
  Region& operator=(const Region&) = delete;

  const RegionAddress address;
  // Where the region begins here.
  uint8_t* start = nullptr;
  // Its file was cut short while it was mapped.
  bool lost() const { return place_ < 0 || lostAt(place_); }

 private:
  static bool lostAt(int place);
  uint8_t* mapping_ = nullptr;
  size_t mapped_ = 0;
  int place_ = -1;
};

class GuestMemory {
 public:
  // Throws SystemError where regions overlap, or are too many.
  explicit GuestMemory(std::vector<std::shared_ptr<Region>> regions);

  // A region as a loop over many addresses looks for it.
  struct Span {
    uint64_t guest;
    uint64_t size;
    uint8_t* start;
    // Where `length` bytes from a guest-physical address lie here; null where that is not in this region.
    uint8_t* find(uint64_t address, uint64_t length) const {
      const uint64_t at = address - guest;
      return at < size && length <= size - at ? start + at : nullptr;
    }
  };

  // Where `length` bytes from a guest-physical address, or from one of the front-end's, lie here; null where they do not.
  uint8_t* guest(uint64_t address, uint64_t length) const {
    for (const Span& span : spans_)
      if (uint8_t* found = span.find(address, length)) return found;
    return nullptr;
  }
  // The region that an address is in; one without a byte where there is none.
  Span spanOf(uint64_t address) const {
    for (const Span& span : spans_)
      if (address - span.guest < span.size) return span;
    return {0, 0, nullptr};
  }
  uint8_t* user(uint64_t address, uint64_t length) const {
    for (const auto& region : regions_) {
      const uint64_t at = address - region->address.user;
      if (at < region->address.size && length <= region->address.size - at) return region->start + at;
    }
    return nullptr;
  }
  const std::vector<std::shared_ptr<Region>>& regions() const { return regions_; }
  // Some of it was cut short.
  bool lost() const;

 private:
  std::vector<std::shared_ptr<Region>> regions_;
  std::vector<Span> spans_;
};

}  // namespace rxsteer
