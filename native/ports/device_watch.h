// Whether the device behind a descriptor is down or gone, asked rarely.
//
// Promise: `idle` returns 0, ENETDOWN or ENODEV; it asks the kernel at most every 10 ms, or at once after a wait
// of this environment saw a descriptor in error. Called only when there was nothing to read, so that a busy port
// pays nothing. Used by the receiver's thread only.
#pragma once

#include <sys/socket.h>
#include <linux/if_packet.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <sys/ioctl.h>
#include <time.h>

#include <cstdint>

#include "util/fd.h"

namespace rxsteer {

// Milliseconds of a clock that costs a few nanoseconds to read and advances every tick (1-10 ms).
inline int64_t coarseMs() {
  timespec now;
  ::clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
  return int64_t{now.tv_sec} * 1000 + now.tv_nsec / 1'000'000;
}

class DeviceWatch {
 public:
  // `tap`: the descriptor is a tun queue, else a packet socket.
  explicit DeviceWatch(bool tap) : tap_(tap) {
    // Any socket takes interface requests; a tun descriptor is none.
    if (tap) control_ = UniqueFd(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  }

  int idle(int fd, uint32_t epoch) {
    const int64_t now = coarseMs();
    if (now < nextMs_ && epoch == epoch_) return error_;
    nextMs_ = now + 10;
    epoch_ = epoch;
    error_ = tap_ ? tapError(fd) : packetError(fd);
    return error_;
  }
  void alive() { error_ = 0; }
  // With the descriptor that is watched: the garbage collector, which knows of neither, may come much later.
  void close() { control_.reset(); }

 private:
  static int packetError(int fd) {
    sockaddr_ll bound{};
    socklen_t size = sizeof bound;
    ifreq request{};
    // The kernel sets the index to -1 when the interface goes, so that a successor is never taken for it.
    if (::getsockname(fd, reinterpret_cast<sockaddr*>(&bound), &size) != 0 || bound.sll_ifindex <= 0) return ENODEV;
    request.ifr_ifindex = bound.sll_ifindex;
    if (::ioctl(fd, SIOCGIFNAME, &request) != 0) return ENODEV;
    return flagsError(fd, request);
  }
  int tapError(int fd) const {
    ifreq request{};
    if (::ioctl(fd, TUNGETIFF, &request) != 0) return ENODEV;
    return flagsError(control_.get(), request);
  }
  static int flagsError(int fd, ifreq& request) {
    if (::ioctl(fd, SIOCGIFFLAGS, &request) != 0) return ENODEV;
    return (request.ifr_flags & IFF_UP) != 0 ? 0 : ENETDOWN;
  }

  const bool tap_;
  UniqueFd control_;
  int64_t nextMs_ = 0;
  uint32_t epoch_ = 0;
  int error_ = 0;
};

}  // namespace rxsteer
