// What the threads of this process may do: Linux capabilities, by raw system calls (no libcap).
//
// Promise: `limitPrivileges` leaves every thread of the process with the given capabilities at most, those that exist
// already too, and forbids to regain any: bounding, inheritable and ambient sets are reduced, and no program that is
// executed gets more (no_new_privs). It either reaches every thread or throws SystemError; what it took is never
// given back. Sets are bit masks, bit n = capability n of linux/capability.h.
//
// Threads: capabilities belong to a thread, and a thread can change its own only. So each other thread is interrupted
// by a signal whose handler does it there. Some of Node's threads block all signals but the two that the C library
// keeps for itself, so it is one of those (as for setuid, which has the same problem); its handler is put back
// afterwards. One call at a time, from one thread.
#pragma once

#include <cstdint>
#include <string>

namespace rxsteer {

struct Capabilities {
  uint64_t effective = 0;
  uint64_t permitted = 0;
  uint64_t bounding = 0;
  bool noNewPrivileges = false;
};

// Those of the calling thread.
Capabilities readCapabilities();

// Sets the effective ones of the calling thread alone; those that are not permitted are left out.
void setEffective(uint64_t mask);

// See above. Returns the number of threads.
uint32_t limitPrivileges(uint64_t keep);

// Whether the calling thread may read (or write to) a path with its effective user and capabilities.
bool mayAccess(const std::string& path, bool write);

}  // namespace rxsteer
