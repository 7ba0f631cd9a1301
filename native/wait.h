// Sleeping on descriptors, waking, and what a thread knows of itself.
#pragma once

#include <cstdint>

#include "util/env_state.h"
#include "util/fd.h"
#include "util/system_error.h"

namespace rxsteer {

UniqueFd openEvent();
// Adds 1 to an eventfd.
void wake(int fd);

// A wait saw this descriptor in error: receivers look at their devices at the next chance. True where it is a socket
// with a pending error, which is thereby cleared.
bool noteError(int fd, EnvState& state);

// See `Native.wait`. Never longer than `timeoutMs`.
int32_t waitReadable(int event, const int32_t* fds, uint32_t count, int timeoutMs, EnvState& state);

void pinThread(int cpu);
double threadCpuTimeNs();
double monotonicNs();

}  // namespace rxsteer
