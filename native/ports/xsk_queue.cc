#include "ports/xsk_queue.h"

#include <sys/mman.h>
#include <sys/socket.h>

#include <cerrno>
#include <string>
#include <utility>

#include "ports/cookie_registry.h"
#include "util/system_error.h"

namespace rxsteer {

namespace {

#ifndef SO_PREFER_BUSY_POLL
#define SO_PREFER_BUSY_POLL 69
#define SO_BUSY_POLL_BUDGET 70
#endif

constexpr uintptr_t kPage = 4096;
// Frames that one look into the device takes: a burst.
constexpr int kBusyBudget = 64;
// Buffer lengths of NICs are multiples of 128 bytes.
constexpr uint32_t kDmaUnit = 128;

void entries(int fd, int name, uint32_t count, const char* what) {
  check(::setsockopt(fd, SOL_XDP, name, &count, sizeof count), what);
}

void registerPool(int fd, const XskMemory& memory, bool zeroCopy) {
  xdp_umem_reg umem{};
  umem.addr = reinterpret_cast<uint64_t>(memory.base);
  umem.len = memory.bytes;
  umem.chunk_size = memory.chunkBytes;
  if (zeroCopy) umem.chunk_size -= (memory.chunkBytes - kXdpHeadroom) % kDmaUnit;
  umem.flags = XDP_UMEM_UNALIGNED_CHUNK_FLAG;
  if (::setsockopt(fd, SOL_XDP, XDP_UMEM_REG, &umem, sizeof umem) == 0) return;
  const int error = errno;
  const std::string mib = std::to_string(memory.bytes >> 20);
  const std::string hint = "the pool's " + mib + " MiB are locked in memory: raise ulimit -l, give CAP_IPC_LOCK, or choose less --frames";
  throw SystemError{error, "XDP_UMEM_REG", error == ENOBUFS || error == ENOMEM ? hint : ""};
}

// The kernel polls the device inside our calls, and leaves its interrupts off meanwhile. False where it does not know that.
bool preferBusyPoll(int fd, int microseconds) {
  const int on = 1;
  if (::setsockopt(fd, SOL_SOCKET, SO_PREFER_BUSY_POLL, &on, sizeof on) != 0) return false;
  if (::setsockopt(fd, SOL_SOCKET, SO_BUSY_POLL, &microseconds, sizeof microseconds) != 0) return false;
  return ::setsockopt(fd, SOL_SOCKET, SO_BUSY_POLL_BUDGET, &kBusyBudget, sizeof kBusyBudget) == 0;
}

}  // namespace

XskMemory::XskMemory(uint8_t* from, uint32_t count, uint32_t each, uint32_t room)
    : pool(from),
      slots(count),
      slotBytes(each),
      headroom(room),
      base(reinterpret_cast<uint8_t*>(reinterpret_cast<uintptr_t>(from) & ~(kPage - 1))),
      chunkBytes(each - room + kXdpHeadroom) {
  bytes = static_cast<size_t>(pool - base) + size_t{count} * each;
}

Mapping::Mapping(int fd, size_t length, off_t which, const char* what) : length_(length) {
  void* at = ::mmap(nullptr, length, PROT_READ | PROT_WRITE, MAP_SHARED, fd, which);
  check(at == MAP_FAILED ? -1 : 0, what);
  at_ = at;
}

Mapping::~Mapping() {
  if (at_ != nullptr) ::munmap(at_, length_);
}

void XskQueue::giveSlots(const int32_t* ids, uint32_t count) {
  if (count == 0) return;
  XskRing<uint64_t>& fill = shared->fill;
  const std::lock_guard<std::mutex> hold(shared->lock);
  const uint32_t at = *fill.producer;
  for (uint32_t k = 0; k < count; k++)
    fill.entries[(at + k) & fill.mask] = memory.fillAddress(static_cast<uint32_t>(ids[k]));
  storeIndex(fill.producer, at + count);
}

OpenXskQueue openXskQueue(const XskQueueOptions& options) {
  UniqueFd fd(check(::socket(AF_XDP, SOCK_RAW | SOCK_CLOEXEC, 0), "AF_XDP socket"));
  auto queue = std::make_shared<XskQueue>();
  queue->memory = options.memory;
  queue->ifindex = options.ifindex;
  queue->queue = options.queue;
  queue->zeroCopy = options.zeroCopy;
  std::shared_ptr<XskQueue> first;
  if (options.sharedWith >= 0) {
    first = findXskQueue(options.sharedWith);
    if (first == nullptr) throw SystemError{EBADF, "sharing the pool", ""};
  } else {
    registerPool(fd.get(), options.memory, options.zeroCopy);
  }
  const bool sameQueue = first != nullptr && first->ifindex == options.ifindex && first->queue == options.queue;
  entries(fd.get(), XDP_RX_RING, options.entries, "XDP_RX_RING");
  if (!sameQueue) {
    entries(fd.get(), XDP_UMEM_FILL_RING, options.fillEntries, "XDP_UMEM_FILL_RING");
    entries(fd.get(), XDP_UMEM_COMPLETION_RING, kXskCompletions, "XDP_UMEM_COMPLETION_RING");
  }
  xdp_mmap_offsets at{};
  socklen_t size = sizeof at;
  check(::getsockopt(fd.get(), SOL_XDP, XDP_MMAP_OFFSETS, &at, &size), "XDP_MMAP_OFFSETS");
  // Before it is bound: older kernels, 6.1 for one, map no rings of a bound socket.
  queue->rx = std::make_unique<XskRing<xdp_desc>>(fd.get(), at.rx, options.entries, XDP_PGOFF_RX_RING, "mapping the RX ring");
  queue->shared = sameQueue ? first->shared : std::make_shared<XskShared>(fd.get(), at, options.fillEntries);
  sockaddr_xdp to{};
  to.sxdp_family = AF_XDP;
  to.sxdp_ifindex = static_cast<uint32_t>(options.ifindex);
  to.sxdp_queue_id = options.queue;
  if (first != nullptr) {
    // All else is inherited.
    to.sxdp_flags = XDP_SHARED_UMEM;
    to.sxdp_shared_umem_fd = static_cast<uint32_t>(options.sharedWith);
  } else {
    to.sxdp_flags = static_cast<uint16_t>((options.zeroCopy ? XDP_ZEROCOPY : XDP_COPY) | XDP_USE_NEED_WAKEUP);
  }
  if (options.busyPollUs > 0) queue->busyPolls = preferBusyPoll(fd.get(), options.busyPollUs);
  check(::bind(fd.get(), reinterpret_cast<const sockaddr*>(&to), sizeof to), "bind to the interface's queue");
  CookieRegistry<XskQueue>::all().enter(fd.get(), queue);
  return {std::move(fd), std::move(queue)};
}

std::shared_ptr<XskQueue> findXskQueue(int fd) { return CookieRegistry<XskQueue>::all().find(fd); }

XskCounts xskCounts(int fd) {
  xdp_statistics counts{};
  socklen_t size = sizeof counts;
  if (::getsockopt(fd, SOL_XDP, XDP_STATISTICS, &counts, &size) != 0) return {};
  return {counts.rx_dropped, counts.rx_ring_full, counts.rx_fill_ring_empty_descs, counts.tx_invalid_descs};
}

int xskDeviceError(int fd) {
  if (::recvfrom(fd, nullptr, 0, MSG_DONTWAIT, nullptr, nullptr) >= 0) return 0;
  if (errno == ENETDOWN) return ENETDOWN;
  // Unbound, once and for all.
  return errno == ENXIO || errno == ENODEV ? ENODEV : 0;
}

}  // namespace rxsteer
