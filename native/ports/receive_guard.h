// A filter before a receive ring, with two counters.
//
// Why: TPACKET_V2 gives up a ring for good when it meets a super-frame whose type the virtio-net header cannot express
// (UFO, SCTP; before Linux 6.2 segmented UDP): `tpacket_rcv` has marked the slot by then and leaves the mark. A guest
// can send such a frame at will. The filter runs before the slot is marked, and the frame is dropped on its own.
//
// Promise: every frame that the ring could not have held is refused and counted (`refused`); every other one passes.
// `unclaimed` counts tagged frames whose ethertype no protocol of the kernel takes: the kernel's own stack counts
// these as dropped by the device although the ring has them. Counters are written by the kernel, read by the main thread.
//
// Source of the behaviour: net/packet/af_packet.c, include/linux/virtio_net.h, net/core/dev.c of Linux 6.18.
#pragma once

#include <cstdint>

#include "util/fd.h"

namespace rxsteer {

struct ReceiveGuard {
  UniqueFd program;
  UniqueFd counters;
};

struct GuardCounters {
  uint64_t refused;
  uint64_t unclaimed;
};

// For the network namespace of the calling thread. Empty descriptors where the kernel does not tell its types or does
// not let us (CAP_BPF and CAP_PERFMON, lockdown): then a ring can die.
ReceiveGuard openReceiveGuard();

// Puts the guard before a packet socket, in place of any other filter. False (errno) where the kernel refuses.
bool attachReceiveGuard(int socket, int program);

// What the guard has counted since it was made; zeros where it cannot be read.
GuardCounters readReceiveGuard(int counters);

}  // namespace rxsteer
