// What a back-end has written of a guest's memory: a bit for each page, in memory that the front-end shares, so that it
// can copy the guest to another machine while it runs.
//
// Promise: a page is marked after it was written, so that whoever takes the bit and then reads the page has what was
// written. Addresses beyond the map are not marked: no page of the guest's lies there. A map that its owner cuts short
// costs the guest its connection (`lost`), not the process.
//
// Threads: any. Source: docs/interop/vhost-user.rst, "Migration"; vhost_log_write of Linux.
#pragma once

#include <cstdint>

#include "vhost/guest_memory.h"

namespace rxsteer {

class DirtyLog {
 public:
  static constexpr uint32_t kPageShift = 12;

  // Maps `size` bytes from `offset` of `fd`, which stays the caller's. Throws SystemError.
  DirtyLog(int fd, uint64_t size, uint64_t offset) : map_(fd, {0, size, 0, offset}) {}

  bool lost() const { return map_.lost(); }
  // Bytes from a guest-physical address were written.
  void mark(uint64_t address, uint64_t length) const {
    if (length == 0 || address + length < address) return;
    const uint64_t last = (address + length - 1) >> kPageShift;
    for (uint64_t page = address >> kPageShift; page <= last && page / 8 < map_.address.size; page++)
      __atomic_fetch_or(map_.start + page / 8, static_cast<uint8_t>(1u << (page % 8)), __ATOMIC_SEQ_CST);
  }

 private:
  Region map_;
};

}  // namespace rxsteer
