#include "privileges.h"

#include <dirent.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <memory>
#include <vector>

#include "util/system_error.h"

namespace rxsteer {

namespace {

// The C library's own signal for what must happen in every thread: never blocked, by nobody's sigaction to be had.
constexpr int kEveryThread = 33;
constexpr int kCapabilitiesMost = 64;
// A thread that is asked and does not run its handler for so long is given up (it may be ending).
constexpr int kWaitMs = 2000;
// Threads may be made while others are asked.
constexpr int kRounds = 20;

using Sets = std::array<__user_cap_data_struct, _LINUX_CAPABILITY_U32S_3>;
// A kernel's struct sigaction, whatever it is on this machine.
using KernelAction = std::array<unsigned long, 8>;

bool capGet(Sets& sets) {
  __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
  return ::syscall(SYS_capget, &header, sets.data()) == 0;
}

bool capSet(const Sets& sets) {
  __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
  return ::syscall(SYS_capset, &header, sets.data()) == 0;
}

uint32_t half(uint64_t mask, size_t word) { return static_cast<uint32_t>(mask >> (32 * word)); }

// In the calling thread, also inside a signal handler: system calls only. Returns 0 or an errno.
int limitHere(uint64_t keep) {
  Sets sets{};
  if (!capGet(sets)) return errno;
  const uint64_t effective = sets[0].effective | (uint64_t{sets[1].effective} << 32);
  if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) return errno;
  // Without this right the bounding set stays; no_new_privs makes it powerless.
  if ((effective >> CAP_SETPCAP & 1) != 0) {
    for (int number = 0; number < kCapabilitiesMost; number++) {
      const bool kept = (keep >> number & 1) != 0;
      if (!kept && ::prctl(PR_CAPBSET_READ, number, 0, 0, 0) == 1) ::prctl(PR_CAPBSET_DROP, number, 0, 0, 0);
    }
  }
  for (size_t word = 0; word < sets.size(); word++) {
    sets[word].effective &= half(keep, word);
    sets[word].permitted &= half(keep, word);
    // Ambient ones go with them.
    sets[word].inheritable = 0;
  }
  return capSet(sets) ? 0 : errno;
}

std::atomic<uint64_t> wanted{0};
// 0 = not yet, 1 = done, else -errno.
std::atomic<int> answer{0};
static_assert(std::atomic<uint64_t>::is_always_lock_free && std::atomic<int>::is_always_lock_free);

void onSignal(int) {
  const int before = errno;
  const int error = limitHere(wanted.load());
  answer.store(error == 0 ? 1 : -error);
  errno = before;
}

// While it lives the signal runs `onSignal`. The C library refuses to set it, so its wrapper sets an ordinary signal
// (which fills in what the kernel needs to return from a handler), and that setting is copied.
class SignalTaken {
 public:
  SignalTaken() {
    struct sigaction ours {};
    struct sigaction before {};
    ours.sa_handler = onSignal;
    ours.sa_flags = SA_RESTART | SA_ONSTACK;
    sigfillset(&ours.sa_mask);
    check(::sigaction(SIGRTMAX, &ours, &before), "sigaction");
    KernelAction copied{};
    const bool ok = raw(SIGRTMAX, nullptr, &copied) && raw(kEveryThread, &copied, &before_);
    const int error = errno;
    ::sigaction(SIGRTMAX, &before, nullptr);
    errno = error;
    check(ok ? 0 : -1, "rt_sigaction");
  }
  SignalTaken(const SignalTaken&) = delete;
  SignalTaken& operator=(const SignalTaken&) = delete;
  ~SignalTaken() { raw(kEveryThread, &before_, nullptr); }

 private:
  static bool raw(int number, const KernelAction* set, KernelAction* old) {
    return ::syscall(SYS_rt_sigaction, number, set, old, size_t{8}) == 0;
  }
  KernelAction before_{};
};

std::vector<pid_t> threads() {
  const std::unique_ptr<DIR, int (*)(DIR*)> folder(::opendir("/proc/self/task"), ::closedir);
  check(folder ? 0 : -1, "/proc/self/task");
  std::vector<pid_t> found;
  while (const dirent* entry = ::readdir(folder.get())) {
    const pid_t id = std::atoi(entry->d_name);
    if (id > 0) found.push_back(id);
  }
  return found;
}

// Permitted ones of a thread of this process; 0 where it has ended.
uint64_t permittedOf(pid_t thread) {
  const std::string path = "/proc/self/task/" + std::to_string(thread) + "/status";
  const std::unique_ptr<FILE, int (*)(FILE*)> file(std::fopen(path.c_str(), "re"), std::fclose);
  std::array<char, 256> line{};
  while (file && std::fgets(line.data(), line.size(), file.get()) != nullptr) {
    if (std::strncmp(line.data(), "CapPrm:", 7) == 0) return std::strtoull(line.data() + 7, nullptr, 16);
  }
  return 0;
}

// Has a thread limit itself. What does not answer is found by the next look at all threads.
void ask(pid_t thread) {
  answer.store(0);
  if (::syscall(SYS_tgkill, ::getpid(), thread, kEveryThread) != 0) return;
  const timespec pause{0, 100'000};
  for (int waits = 0; waits < kWaitMs * 10 && answer.load() == 0; waits++) ::nanosleep(&pause, nullptr);
  const int got = answer.load();
  if (got < 0) throw SystemError{-got, "capset in thread " + std::to_string(thread), ""};
}

}  // namespace

Capabilities readCapabilities() {
  Sets sets{};
  check(capGet(sets) ? 0 : -1, "capget");
  Capabilities result;
  result.effective = sets[0].effective | (uint64_t{sets[1].effective} << 32);
  result.permitted = sets[0].permitted | (uint64_t{sets[1].permitted} << 32);
  for (int number = 0; number < kCapabilitiesMost; number++) {
    if (::prctl(PR_CAPBSET_READ, number, 0, 0, 0) == 1) result.bounding |= uint64_t{1} << number;
  }
  result.noNewPrivileges = ::prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1;
  return result;
}

void setEffective(uint64_t mask) {
  Sets sets{};
  check(capGet(sets) ? 0 : -1, "capget");
  for (size_t word = 0; word < sets.size(); word++) sets[word].effective = sets[word].permitted & half(mask, word);
  check(capSet(sets) ? 0 : -1, "capset");
}

uint32_t limitPrivileges(uint64_t keep) {
  wanted.store(keep);
  const SignalTaken taken;
  const pid_t self = static_cast<pid_t>(::syscall(SYS_gettid));
  for (int round = 0; round < kRounds; round++) {
    uint32_t left = 0;
    const std::vector<pid_t> all = threads();
    for (const pid_t thread : all) {
      // Also those that have nothing are asked once: they may not regain anything either.
      if (round > 0 && (permittedOf(thread) & ~keep) == 0) continue;
      left++;
      if (thread != self) ask(thread);
    }
    if (round > 0 && left == 0) return static_cast<uint32_t>(all.size());
    // Last, since it may not read others' files without what it gives up.
    const int error = limitHere(keep);
    if (error != 0) throw SystemError{error, "capset", ""};
  }
  throw SystemError{EAGAIN, "capset: a thread does not give up its capabilities", ""};
}

bool mayAccess(const std::string& path, bool write) {
  return ::faccessat(AT_FDCWD, path.c_str(), write ? W_OK : R_OK, AT_EACCESS) == 0;
}

}  // namespace rxsteer
