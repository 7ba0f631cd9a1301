#include "ports/xsk_tx.h"

#include <fcntl.h>
#include <linux/if_xdp.h>
#include <net/if.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "ports/vnet.h"
#include "util/system_error.h"

#ifndef AF_XDP
#define AF_XDP 44
#endif
#ifndef SOL_XDP
#define SOL_XDP 283
#endif

namespace rxsteer {

namespace {

// More entries than chunks, so that completions of abandoned descriptors have room too.
constexpr uint32_t kRing = 2 * kXskChunks;
constexpr uintptr_t kPage = 4096;
constexpr int kSendBufferBytes = 8 << 20;
// The kernel takes 32 descriptors a call (TX_BATCH_SIZE).
constexpr int kCallsMost = 8;
// Beyond the UMEM: the kernel counts such a descriptor as invalid and skips it, Linux 6.18 one a call, and puts it into
// the completion ring.
constexpr uint64_t kNowhere = ~uint64_t{0} >> 16;

uint8_t* aligned(uint8_t* staging) {
  return reinterpret_cast<uint8_t*>((reinterpret_cast<uintptr_t>(staging) + kPage - 1) & ~(kPage - 1));
}

FreeList freeListOf(uint8_t* staging) {
  return {reinterpret_cast<int32_t*>(aligned(staging) + size_t{kXskChunks} * kXskChunkBytes)};
}

void option(int fd, int name, const void* value, socklen_t size, const char* what) {
  check(::setsockopt(fd, SOL_XDP, name, value, size), what);
}

uint32_t load(const uint32_t* index) { return __atomic_load_n(index, __ATOMIC_ACQUIRE); }
void store(uint32_t* index, uint32_t value) { __atomic_store_n(index, value, __ATOMIC_RELEASE); }

// Longest frame for an interface: MTU and Ethernet header.
uint32_t longestFrame(int ifindex) {
  ifreq request{};
  request.ifr_ifindex = ifindex;
  const UniqueFd query(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  if (!query || ::ioctl(query.get(), SIOCGIFNAME, &request) != 0 || ::ioctl(query.get(), SIOCGIFMTU, &request) != 0)
    return 0;
  return std::min<uint32_t>(static_cast<uint32_t>(request.ifr_mtu) + 14, kXskChunkBytes);
}

}  // namespace

UniqueFd openXskSend(int ifindex, uint32_t queue, uint8_t* staging) {
  UniqueFd socket(check(::socket(AF_XDP, SOCK_RAW | SOCK_CLOEXEC, 0), "AF_XDP socket"));
  const int fd = socket.get();
  xdp_umem_reg umem{};
  umem.addr = reinterpret_cast<uint64_t>(aligned(staging));
  umem.len = uint64_t{kXskChunks} * kXskChunkBytes;
  umem.chunk_size = kXskChunkBytes;
  option(fd, XDP_UMEM_REG, &umem, sizeof umem, "XDP_UMEM_REG");
  const int entries = kRing;
  // A fill ring is asked for although nothing is received.
  option(fd, XDP_UMEM_FILL_RING, &entries, sizeof entries, "XDP_UMEM_FILL_RING");
  option(fd, XDP_UMEM_COMPLETION_RING, &entries, sizeof entries, "XDP_UMEM_COMPLETION_RING");
  option(fd, XDP_TX_RING, &entries, sizeof entries, "XDP_TX_RING");
  // As much as all chunks can be in flight: a full socket buffer would stop the ring in the middle.
  ::setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &kSendBufferBytes, sizeof kSendBufferBytes);
  sockaddr_xdp to{};
  to.sxdp_family = AF_XDP;
  to.sxdp_flags = XDP_COPY;
  to.sxdp_ifindex = static_cast<uint32_t>(ifindex);
  to.sxdp_queue_id = queue;
  check(::bind(fd, reinterpret_cast<const sockaddr*>(&to), sizeof to), "bind to the interface's queue");
  FreeList free = freeListOf(staging);
  free.words[0] = 0;
  for (int32_t chunk = kXskChunks - 1; chunk >= 0; chunk--) free.giveBack(chunk);
  return socket;
}

bool XskTransmit::attach(int fd, int ifindex, uint8_t* staging) {
  socket_ = UniqueFd(::fcntl(fd, F_DUPFD_CLOEXEC, 0));
  if (!socket_) return false;
  xdp_mmap_offsets at{};
  socklen_t size = sizeof at;
  longest_ = longestFrame(ifindex);
  if (longest_ == 0 || ::getsockopt(fd, SOL_XDP, XDP_MMAP_OFFSETS, &at, &size) != 0) {
    close();
    return false;
  }
  txMapBytes_ = at.tx.desc + kRing * sizeof(xdp_desc);
  doneMapBytes_ = at.cr.desc + kRing * sizeof(uint64_t);
  txMap_ = ::mmap(nullptr, txMapBytes_, PROT_READ | PROT_WRITE, MAP_SHARED, fd, XDP_PGOFF_TX_RING);
  doneMap_ = ::mmap(nullptr, doneMapBytes_, PROT_READ | PROT_WRITE, MAP_SHARED, fd, XDP_UMEM_PGOFF_COMPLETION_RING);
  if (txMap_ == MAP_FAILED || doneMap_ == MAP_FAILED) {
    close();
    return false;
  }
  auto* tx = static_cast<uint8_t*>(txMap_);
  auto* done = static_cast<uint8_t*>(doneMap_);
  txProducer_ = reinterpret_cast<uint32_t*>(tx + at.tx.producer);
  txConsumer_ = reinterpret_cast<uint32_t*>(tx + at.tx.consumer);
  tx_ = reinterpret_cast<xdp_desc*>(tx + at.tx.desc);
  doneProducer_ = reinterpret_cast<uint32_t*>(done + at.cr.producer);
  doneConsumer_ = reinterpret_cast<uint32_t*>(done + at.cr.consumer);
  done_ = reinterpret_cast<uint64_t*>(done + at.cr.desc);
  chunks_ = aligned(staging);
  free_ = freeListOf(staging);
  return true;
}

void XskTransmit::close() {
  if (txMap_ != nullptr && txMap_ != MAP_FAILED) ::munmap(txMap_, txMapBytes_);
  if (doneMap_ != nullptr && doneMap_ != MAP_FAILED) ::munmap(doneMap_, doneMapBytes_);
  txMap_ = nullptr;
  doneMap_ = nullptr;
  socket_.reset();
}

// Takes back the chunks that the kernel has completed.
void XskTransmit::reclaim() {
  uint32_t consumer = *doneConsumer_;
  const uint32_t producer = load(doneProducer_);
  if (consumer == producer) return;
  for (; consumer != producer; consumer++) {
    // Skipped descriptors (kNowhere) are no chunks: counted as such they filled the list beyond its end.
    const uint64_t chunk = done_[consumer & (kRing - 1)] / kXskChunkBytes;
    if (chunk < kXskChunks && free_.words[0] < static_cast<int32_t>(kXskChunks))
      free_.giveBack(static_cast<int32_t>(chunk));
  }
  store(doneConsumer_, consumer);
}

// Makes the descriptors from … end - 1 point nowhere and takes their chunks back. The kernel reads a descriptor when its
// turn comes, inside a system call of ours, so they can be rewritten now.
void XskTransmit::abandon(uint32_t from, uint32_t end) {
  for (uint32_t at = from; at != end; at++) {
    xdp_desc& entry = tx_[at & (kRing - 1)];
    free_.giveBack(static_cast<int32_t>(entry.addr / kXskChunkBytes));
    entry = {kNowhere, 0, 0};
  }
}

uint32_t XskTransmit::send(const SendArrays& frames, const int32_t* index, uint32_t count) {
  reclaim();
  // Between consumer and producer lie abandoned descriptors only. New frames take their places: behind them they would
  // wait until the kernel has skipped them all, and be abandoned themselves.
  const uint32_t first = load(txConsumer_);
  uint32_t staged = 0;
  while (staged < count && !free_.empty()) {
    const int32_t chunk = free_.take();
    const uint64_t address = static_cast<uint64_t>(chunk) * kXskChunkBytes;
    const uint32_t length = frames.length(index[staged]);
    std::memcpy(chunks_ + address, frames.message(index[staged]) + kVnetBytes, length);
    tx_[(first + staged) & (kRing - 1)] = {address, length, 0};
    staged++;
  }
  if (staged == 0) return 0;
  // The kernel may know of descriptors up to the old producer: it never goes back.
  const uint32_t end = first + staged;
  if (static_cast<int32_t>(end - *txProducer_) > 0) store(txProducer_, end);
  const auto consumed = [&] { return std::min(load(txConsumer_) - first, staged); };
  int error = 0;
  for (int call = 0; call < kCallsMost && consumed() < staged; call++) {
    const uint32_t before = consumed();
    if (::sendto(socket_.get(), nullptr, 0, MSG_DONTWAIT, nullptr, 0) == 0) continue;
    error = errno;
    // EAGAIN after progress: a batch is full. Without: the device is.
    if (error != EAGAIN || consumed() == before) break;
    error = 0;
  }
  uint32_t taken = consumed();
  abandon(first + taken, end);
  // EBUSY: the frame consumed last was dropped on its way (NET_XMIT_DROP).
  if (error == EBUSY && taken > 0) taken--;
  return taken;
}

}  // namespace rxsteer
