#include "ports/xsk_socket.h"

#include <net/if.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "ports/cookie_registry.h"
#include "util/system_error.h"

namespace rxsteer {

namespace {

#ifndef XDP_MAX_TX_SKB_BUDGET
#define XDP_MAX_TX_SKB_BUDGET 9
#endif

constexpr uintptr_t kPage = 4096;
constexpr int kSendBufferBytes = 8 << 20;
constexpr uint32_t kEthernetHeaderBytes = 14;

uint8_t* aligned(uint8_t* staging) {
  return reinterpret_cast<uint8_t*>((reinterpret_cast<uintptr_t>(staging) + kPage - 1) & ~(kPage - 1));
}

void option(int fd, int name, const void* value, socklen_t size, const char* what) {
  check(::setsockopt(fd, SOL_XDP, name, value, size), what);
}

// Asks for more descriptors in a call; returns how many there are. Linux 6.18 has it, older kernels have not.
uint32_t widenBatch(int fd) {
  const uint32_t most = kXskChunks;
  return ::setsockopt(fd, SOL_XDP, XDP_MAX_TX_SKB_BUDGET, &most, sizeof most) == 0 ? most : kXskBatch;
}

// The MTU of an interface; 0 = unknown.
uint32_t mtuOf(int ifindex) {
  ifreq request{};
  request.ifr_ifindex = ifindex;
  const UniqueFd query(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  if (!query || ::ioctl(query.get(), SIOCGIFNAME, &request) != 0 || ::ioctl(query.get(), SIOCGIFMTU, &request) != 0)
    return 0;
  return static_cast<uint32_t>(request.ifr_mtu);
}

// Null where the kernel refuses (errno).
void* mapRing(int fd, size_t length, off_t which) {
  void* at = ::mmap(nullptr, length, PROT_READ | PROT_WRITE, MAP_SHARED, fd, which);
  return at == MAP_FAILED ? nullptr : at;
}

}  // namespace

XskSocket::XskSocket(uint8_t* memory) : staging(memory), chunks(aligned(memory)), free{freeWords_.data()} {
  for (int32_t chunk = kXskChunks - 1; chunk >= 0; chunk--) free.giveBack(chunk);
}

XskSocket::XskSocket(std::shared_ptr<XskQueue> of, const int32_t* slots, uint32_t count, bool isDirect)
    : staging(of->memory.pool),
      chunks(of->memory.base),
      queue(std::move(of)),
      direct(isDirect),
      free{freeWords_.data()},
      chunkCount(count),
      chunkEnd(queue->memory.slots),
      firstAddress_(queue->memory.frameAddress(0)) {
  for (uint32_t k = 0; k < count; k++) free.giveBack(slots[k]);
  XskRing<uint64_t>& ring = queue->shared->completion;
  doneProducer = ring.producer;
  doneConsumer = ring.consumer;
  done = ring.entries;
}

void XskSocket::map(int fd) {
  xdp_mmap_offsets at{};
  socklen_t size = sizeof at;
  check(::getsockopt(fd, SOL_XDP, XDP_MMAP_OFFSETS, &at, &size), "XDP_MMAP_OFFSETS");
  txBytes_ = at.tx.desc + kXskRing * sizeof(xdp_desc);
  txMapping_ = mapRing(fd, txBytes_, XDP_PGOFF_TX_RING);
  check(txMapping_ == nullptr ? -1 : 0, "mapping the TX ring");
  auto* txRing = static_cast<uint8_t*>(txMapping_);
  txProducer = reinterpret_cast<uint32_t*>(txRing + at.tx.producer);
  txConsumer = reinterpret_cast<uint32_t*>(txRing + at.tx.consumer);
  tx = reinterpret_cast<xdp_desc*>(txRing + at.tx.desc);
  // The completion ring is the queue's.
  if (queue != nullptr) return;
  doneBytes_ = at.cr.desc + kXskRing * sizeof(uint64_t);
  doneMapping_ = mapRing(fd, doneBytes_, XDP_UMEM_PGOFF_COMPLETION_RING);
  check(doneMapping_ == nullptr ? -1 : 0, "mapping the completion ring");
  auto* doneRing = static_cast<uint8_t*>(doneMapping_);
  doneProducer = reinterpret_cast<uint32_t*>(doneRing + at.cr.producer);
  doneConsumer = reinterpret_cast<uint32_t*>(doneRing + at.cr.consumer);
  done = reinterpret_cast<uint64_t*>(doneRing + at.cr.desc);
}

XskSocket::~XskSocket() {
  if (txMapping_ != nullptr) ::munmap(txMapping_, txBytes_);
  if (doneMapping_ != nullptr) ::munmap(doneMapping_, doneBytes_);
}

OpenXsk openXskSend(int ifindex, uint32_t queue, uint8_t* staging, bool tellsLate) {
  UniqueFd fd(check(::socket(AF_XDP, SOCK_RAW | SOCK_CLOEXEC, 0), "AF_XDP socket"));
  auto socket = std::make_shared<XskSocket>(staging);
  xdp_umem_reg umem{};
  umem.addr = reinterpret_cast<uint64_t>(socket->chunks);
  umem.len = uint64_t{kXskChunks} * kXskChunkBytes;
  umem.chunk_size = kXskChunkBytes;
  option(fd.get(), XDP_UMEM_REG, &umem, sizeof umem, "XDP_UMEM_REG");
  const int entries = kXskRing;
  // A fill ring is asked for although nothing is received.
  option(fd.get(), XDP_UMEM_FILL_RING, &entries, sizeof entries, "XDP_UMEM_FILL_RING");
  option(fd.get(), XDP_UMEM_COMPLETION_RING, &entries, sizeof entries, "XDP_UMEM_COMPLETION_RING");
  option(fd.get(), XDP_TX_RING, &entries, sizeof entries, "XDP_TX_RING");
  // As much as all chunks can be in flight: a full socket buffer would stop the ring in the middle.
  ::setsockopt(fd.get(), SOL_SOCKET, SO_SNDBUFFORCE, &kSendBufferBytes, sizeof kSendBufferBytes);
  socket->map(fd.get());
  sockaddr_xdp to{};
  to.sxdp_family = AF_XDP;
  to.sxdp_flags = XDP_COPY;
  to.sxdp_ifindex = static_cast<uint32_t>(ifindex);
  to.sxdp_queue_id = queue;
  check(::bind(fd.get(), reinterpret_cast<const sockaddr*>(&to), sizeof to), "bind to the interface's queue");
  if (tellsLate) socket->publishes = XskPublishes::late;
  socket->batch = widenBatch(fd.get());
  setXskMtu(*socket, mtuOf(ifindex));
  CookieRegistry<XskSocket>::all().enter(fd.get(), socket);
  return {std::move(fd), std::move(socket)};
}

OpenXsk openXskPoolSend(int receiving, const int32_t* slots, uint32_t count, bool direct, bool tellsLate) {
  std::shared_ptr<XskQueue> queue = findXskQueue(receiving);
  if (queue == nullptr || count > kXskChunks) throw SystemError{EINVAL, "sending from the pool", ""};
  UniqueFd fd(check(::socket(AF_XDP, SOCK_RAW | SOCK_CLOEXEC, 0), "AF_XDP socket"));
  const int entries = kXskRing;
  option(fd.get(), XDP_TX_RING, &entries, sizeof entries, "XDP_TX_RING");
  ::setsockopt(fd.get(), SOL_SOCKET, SO_SNDBUFFORCE, &kSendBufferBytes, sizeof kSendBufferBytes);
  auto socket = std::make_shared<XskSocket>(queue, slots, count, direct);
  socket->map(fd.get());
  sockaddr_xdp to{};
  to.sxdp_family = AF_XDP;
  to.sxdp_flags = XDP_SHARED_UMEM;
  to.sxdp_ifindex = static_cast<uint32_t>(queue->ifindex);
  to.sxdp_queue_id = queue->queue;
  to.sxdp_shared_umem_fd = static_cast<uint32_t>(receiving);
  check(::bind(fd.get(), reinterpret_cast<const sockaddr*>(&to), sizeof to), "bind to the interface's queue");
  if (tellsLate) socket->publishes = XskPublishes::late;
  socket->batch = widenBatch(fd.get());
  setXskMtu(*socket, mtuOf(queue->ifindex));
  CookieRegistry<XskSocket>::all().enter(fd.get(), socket);
  return {std::move(fd), std::move(socket)};
}

std::shared_ptr<XskSocket> findXsk(int fd) { return CookieRegistry<XskSocket>::all().find(fd); }

void setXskMtu(XskSocket& socket, uint32_t mtu) {
  const uint32_t longest = std::min<uint64_t>(uint64_t{mtu} + kEthernetHeaderBytes, socket.roomOf());
  __atomic_store_n(&socket.longest, mtu == 0 ? 0 : longest, __ATOMIC_RELAXED);
}

}  // namespace rxsteer
