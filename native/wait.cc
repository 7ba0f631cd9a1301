#include "wait.h"

#include <poll.h>
#include <sched.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <time.h>

#include <algorithm>
#include <cerrno>

namespace rxsteer {

namespace {

// Sleep where a descriptor is in error for good: short, so that its device's return is noticed soon.
constexpr int kErrorSleepMs = 20;

double nanoseconds(clockid_t clock) {
  timespec now;
  ::clock_gettime(clock, &now);
  return static_cast<double>(now.tv_sec) * 1e9 + static_cast<double>(now.tv_nsec);
}

void drain(int event) {
  uint64_t value;
  [[maybe_unused]] const ssize_t got = ::read(event, &value, sizeof value);
}

}  // namespace

bool noteError(int fd, EnvState& state) {
  state.errorEpoch++;
  int error = 0;
  socklen_t size = sizeof error;
  return ::getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size) == 0 && error != 0;
}

UniqueFd openEvent() { return UniqueFd(check(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK), "eventfd")); }

void wake(int fd) {
  const uint64_t one = 1;
  // Fails only at 2^64 - 2 pending wake-ups.
  [[maybe_unused]] const ssize_t put = ::write(fd, &one, sizeof one);
}

int32_t waitReadable(int event, const int32_t* fds, uint32_t count, int timeoutMs, EnvState& state) {
  std::vector<pollfd>& polled = state.polled;
  polled.resize(size_t{count} + 1);
  polled[0] = {event, POLLIN, 0};
  for (uint32_t i = 0; i < count; i++) polled[i + 1] = {fds[i], POLLIN, 0};
  if (::poll(polled.data(), count + 1, timeoutMs) <= 0) return 0;

  if ((polled[0].revents & POLLIN) != 0) drain(event);
  int32_t readable = 0;
  bool cleared = false;
  bool broken = (polled[0].revents & ~POLLIN) != 0;
  if (broken) polled[0].fd = -1;
  for (uint32_t i = 1; i <= count; i++) {
    const int events = polled[i].revents;
    if ((events & (POLLERR | POLLHUP | POLLNVAL)) != 0) {
      if (noteError(polled[i].fd, state)) {
        // Nothing else will tell of it: the caller's next receive shall look at the device.
        cleared = true;
      } else if ((events & POLLIN) == 0) {
        // In error for good (deleted TAP, closed descriptor): poll ignores negative descriptors.
        broken = true;
        polled[i].fd = -1;
      }
    }
    if ((events & POLLIN) != 0) readable++;
  }
  if (readable > 0 || cleared || (polled[0].revents & POLLIN) != 0 || !broken) return readable;

  // Only broken descriptors: sleep on the others.
  if (::poll(polled.data(), count + 1, std::clamp(timeoutMs, 0, kErrorSleepMs)) <= 0) return 0;
  if ((polled[0].revents & POLLIN) != 0) drain(event);
  for (uint32_t i = 1; i <= count; i++)
    if ((polled[i].revents & POLLIN) != 0) readable++;
  return readable;
}

void pinThread(int cpu) {
  if (cpu < 0 || cpu >= CPU_SETSIZE)
    throw SystemError{EINVAL, "pinning to CPU " + std::to_string(cpu), ""};
  cpu_set_t set;
  CPU_ZERO(&set);
  CPU_SET(static_cast<size_t>(cpu), &set);
  if (::sched_setaffinity(0, sizeof set, &set) != 0)
    throw SystemError{errno, "pinning to CPU " + std::to_string(cpu), "there is no such CPU, or it is not permitted"};
}

double threadCpuTimeNs() { return nanoseconds(CLOCK_THREAD_CPUTIME_ID); }
double monotonicNs() { return nanoseconds(CLOCK_MONOTONIC); }

}  // namespace rxsteer
