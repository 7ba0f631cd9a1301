#include "vhost/guest_memory.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include <array>
#include <cerrno>
#include <mutex>

#include "util/system_error.h"

namespace rxsteer {

namespace {

// What the handler of SIGBUS may look at: no locks, no allocation. Regions of all ports of the process.
struct Place {
  std::atomic<uintptr_t> begin{0};
  std::atomic<uintptr_t> end{0};
  std::atomic<bool> lost{false};
};
std::array<Place, 4096> places;
struct sigaction before;
std::mutex placing;

void refill(int number, siginfo_t* info, void* context) {
  const auto at = reinterpret_cast<uintptr_t>(info->si_addr);
  for (Place& place : places) {
    const uintptr_t end = place.end.load(std::memory_order_acquire);
    if (at < place.begin.load(std::memory_order_acquire) || at >= end) continue;
    const uintptr_t page = at & ~uintptr_t{4095};
    // From here to the end: whatever was cut off is behind the first page that fails.
    void* got = ::mmap(reinterpret_cast<void*>(page), end - page, PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED | MAP_NORESERVE, -1, 0);
    if (got == MAP_FAILED) break;
    place.lost.store(true, std::memory_order_release);
    return;
  }
  // Not ours.
  if ((before.sa_flags & SA_SIGINFO) != 0 && before.sa_sigaction != nullptr) {
    before.sa_sigaction(number, info, context);
  } else {
    ::sigaction(SIGBUS, &before, nullptr);
  }
}

bool install() {
  struct sigaction action{};
  action.sa_sigaction = refill;
  action.sa_flags = SA_SIGINFO | SA_NODEFER;
  ::sigemptyset(&action.sa_mask);
  return ::sigaction(SIGBUS, &action, &before) == 0;
}

int enter(uintptr_t begin, uintptr_t end) {
  [[maybe_unused]] static const bool installed = install();
  const std::lock_guard<std::mutex> lock(placing);
  for (size_t i = 0; i < places.size(); i++) {
    if (places[i].end.load() != 0) continue;
    places[i].lost = false;
    places[i].begin = begin;
    places[i].end = end;
    return static_cast<int>(i);
  }
  return -1;
}

bool wraps(uint64_t from, uint64_t length) { return from + length < from; }

bool overlap(uint64_t a, uint64_t aSize, uint64_t b, uint64_t bSize) { return a < b + bSize && b < a + aSize; }

}  // namespace

Region::Region(int fd, const RegionAddress& given) : address(given) {
  if (given.size == 0 || wraps(given.guest, given.size) || wraps(given.user, given.size) ||
      wraps(given.offset, given.size) || given.offset + given.size > (uint64_t{1} << 46))
    throw SystemError{EINVAL, "a memory region whose addresses make no sense", ""};
  // As `fstat`, whose symbol is newer.
  struct statx file{};
  check(::statx(fd, "", AT_EMPTY_PATH, STATX_TYPE | STATX_SIZE, &file), "looking at guest memory");
  if (!S_ISREG(file.stx_mode)) throw SystemError{EINVAL, "guest memory is no file that can be mapped", ""};
  if (file.stx_size < given.offset + given.size)
    throw SystemError{EINVAL, "a memory region ends behind its file", ""};
  // From the file's start: the offset of huge pages need not be one that mmap takes.
  mapped_ = static_cast<size_t>(given.offset + given.size);
  void* got = ::mmap(nullptr, mapped_, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE, fd, 0);
  if (got == MAP_FAILED) throw SystemError{errno, "mapping guest memory", ""};
  mapping_ = static_cast<uint8_t*>(got);
  start = mapping_ + given.offset;
  const auto begin = reinterpret_cast<uintptr_t>(mapping_);
  place_ = enter(begin, begin + mapped_);
  if (place_ < 0) {
    ::munmap(mapping_, mapped_);
    throw SystemError{ENOMEM, "no room for another memory region", ""};
  }
}

Region::~Region() {
  // Forgotten before it is unmapped: the range may be somebody else's at once.
  Place& place = places[static_cast<size_t>(place_)];
  place.end = 1;
  ::munmap(mapping_, mapped_);
  place.end = 0;
}

bool Region::lostAt(int place) { return places[static_cast<size_t>(place)].lost.load(std::memory_order_acquire); }

GuestMemory::GuestMemory(std::vector<std::shared_ptr<Region>> regions) : regions_(std::move(regions)) {
  if (regions_.size() > kRegionsMax) throw SystemError{EINVAL, "more memory regions than can be", ""};
  for (size_t i = 0; i < regions_.size(); i++) {
    for (size_t k = 0; k < i; k++) {
      const RegionAddress& a = regions_[i]->address;
      const RegionAddress& b = regions_[k]->address;
      if (overlap(a.guest, a.size, b.guest, b.size) || overlap(a.user, a.size, b.user, b.size))
        throw SystemError{EINVAL, "memory regions that overlap", ""};
    }
    spans_.push_back({regions_[i]->address.guest, regions_[i]->address.size, regions_[i]->start});
  }
}

bool GuestMemory::lost() const {
  for (const auto& region : regions_)
    if (region->lost()) return true;
  return false;
}

}  // namespace rxsteer
