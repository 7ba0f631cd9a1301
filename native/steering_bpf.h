// The header-hash steering program of a multi-queue TAP.
#pragma once

#include "util/fd.h"

namespace rxsteer {

// Loads the program; an empty descriptor where the kernel refuses it (errno tells why).
UniqueFd loadSteeringProgram();

// TUNSETSTEERINGEBPF: from now on the interface chooses the queue by the program's result modulo the number of
// queues, and learns nothing from what is written. False where the kernel refuses.
bool setTapSteering(int fd);

}  // namespace rxsteer
