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

// When the kernel publishes up to where it has read.
enum class XskPublishes : uint32_t {
  unknown,
  // With every call: newer kernels, 6.18 for one.
  atOnce,
  // When a call finds the ring empty, 6.1 for one: after one that ends early nobody knows what it has sent.
  late,
};

// What workers that share the socket know of it, behind the list of free chunks.
struct XskShared {
  // Where the kernel will read next. `atOnce` only.
  uint32_t position;
  XskPublishes publishes;
  // Longest frame: MTU and Ethernet header. Written by the main thread.
  uint32_t longest;
  // The rings as they were mapped before the socket was bound, where the kernel maps none later; else null. Kept for as
  // long as the process lives.
  XskRings rings;
};

namespace {

// More entries than chunks, so that completions of abandoned descriptors have room too.
constexpr uint32_t kRing = 2 * kXskChunks;
constexpr uintptr_t kPage = 4096;
constexpr int kSendBufferBytes = 8 << 20;
constexpr uint32_t kEthernetHeaderBytes = 14;
// The kernel takes that many descriptors a call (TX_BATCH_SIZE). It is offered no more, so that a call that succeeds has
// taken all of them.
constexpr uint32_t kBatch = 32;
// Beyond the UMEM: the kernel counts such a descriptor as invalid and skips it, Linux 6.18 one a call, and puts it into
// the completion ring.
constexpr uint64_t kNowhere = ~uint64_t{0} >> 16;

uint8_t* aligned(uint8_t* staging) {
  return reinterpret_cast<uint8_t*>((reinterpret_cast<uintptr_t>(staging) + kPage - 1) & ~(kPage - 1));
}

FreeList freeListOf(uint8_t* staging) {
  return {reinterpret_cast<int32_t*>(aligned(staging) + size_t{kXskChunks} * kXskChunkBytes)};
}

XskShared* sharedOf(uint8_t* staging) {
  constexpr uintptr_t kAlign = alignof(XskShared);
  const auto behind = reinterpret_cast<uintptr_t>(freeListOf(staging).words + 1 + kXskChunks);
  return reinterpret_cast<XskShared*>((behind + kAlign - 1) & ~(kAlign - 1));
}

// Errors of calls that have looked at descriptors: full completion ring or socket buffer or device, frame dropped, no
// memory. All others end a call before.
bool cutShort(int error) { return error == EAGAIN || error == EBUSY || error == ENOBUFS || error == ENOMEM; }

void option(int fd, int name, const void* value, socklen_t size, const char* what) {
  check(::setsockopt(fd, SOL_XDP, name, value, size), what);
}

uint32_t load(const uint32_t* index) { return __atomic_load_n(index, __ATOMIC_ACQUIRE); }
void store(uint32_t* index, uint32_t value) { __atomic_store_n(index, value, __ATOMIC_RELEASE); }

// The MTU of an interface; 0 = unknown.
uint32_t mtuOf(int ifindex) {
  ifreq request{};
  request.ifr_ifindex = ifindex;
  const UniqueFd query(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  if (!query || ::ioctl(query.get(), SIOCGIFNAME, &request) != 0 || ::ioctl(query.get(), SIOCGIFMTU, &request) != 0)
    return 0;
  return static_cast<uint32_t>(request.ifr_mtu);
}

struct Layout {
  xdp_mmap_offsets at{};
  size_t txBytes() const { return at.tx.desc + kRing * sizeof(xdp_desc); }
  size_t doneBytes() const { return at.cr.desc + kRing * sizeof(uint64_t); }
};

bool layoutOf(int fd, Layout* layout) {
  socklen_t size = sizeof layout->at;
  return ::getsockopt(fd, SOL_XDP, XDP_MMAP_OFFSETS, &layout->at, &size) == 0;
}

void unmap(const XskRings& rings, const Layout& layout) {
  if (rings.tx != nullptr) ::munmap(rings.tx, layout.txBytes());
  if (rings.done != nullptr) ::munmap(rings.done, layout.doneBytes());
}

// Both, or none.
XskRings mapRings(int fd, const Layout& layout) {
  const auto map = [fd](size_t length, off_t which) {
    void* at = ::mmap(nullptr, length, PROT_READ | PROT_WRITE, MAP_SHARED, fd, which);
    return at == MAP_FAILED ? nullptr : static_cast<uint8_t*>(at);
  };
  XskRings rings{map(layout.txBytes(), XDP_PGOFF_TX_RING), map(layout.doneBytes(), XDP_UMEM_PGOFF_COMPLETION_RING)};
  if (rings.tx != nullptr && rings.done != nullptr) return rings;
  unmap(rings, layout);
  return {};
}

}  // namespace

UniqueFd openXskSend(int ifindex, uint32_t queue, uint8_t* staging, bool tellsLate) {
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
  // Older kernels, 6.1 for one, map rings of unbound sockets only.
  Layout layout;
  check(layoutOf(fd, &layout) ? 0 : -1, "XDP_MMAP_OFFSETS");
  const XskRings early = mapRings(fd, layout);
  sockaddr_xdp to{};
  to.sxdp_family = AF_XDP;
  to.sxdp_flags = XDP_COPY;
  to.sxdp_ifindex = static_cast<uint32_t>(ifindex);
  to.sxdp_queue_id = queue;
  const bool bound = ::bind(fd, reinterpret_cast<const sockaddr*>(&to), sizeof to) == 0;
  const int error = errno;
  const XskRings late = bound ? mapRings(fd, layout) : XskRings{};
  const bool mapsLater = late.tx != nullptr;
  unmap(late, layout);
  if (!bound || mapsLater) unmap(early, layout);
  errno = error;
  check(bound ? 0 : -1, "bind to the interface's queue");
  FreeList free = freeListOf(staging);
  free.words[0] = 0;
  for (int32_t chunk = kXskChunks - 1; chunk >= 0; chunk--) free.giveBack(chunk);
  *sharedOf(staging) = {0, tellsLate ? XskPublishes::late : XskPublishes::unknown, 0, mapsLater ? XskRings{} : early};
  setXskMtu(staging, mtuOf(ifindex));
  return socket;
}

void setXskMtu(uint8_t* staging, uint32_t mtu) {
  const uint32_t longest = std::min<uint64_t>(uint64_t{mtu} + kEthernetHeaderBytes, kXskChunkBytes);
  __atomic_store_n(&sharedOf(staging)->longest, mtu == 0 ? 0 : longest, __ATOMIC_RELAXED);
}

uint32_t XskTransmit::longest() const { return __atomic_load_n(&shared_->longest, __ATOMIC_RELAXED); }

bool XskTransmit::attach(int fd, uint8_t* staging) {
  socket_ = UniqueFd(::fcntl(fd, F_DUPFD_CLOEXEC, 0));
  if (!socket_) return false;
  Layout layout;
  shared_ = sharedOf(staging);
  if (layoutOf(fd, &layout)) {
    rings_ = shared_->rings;
    if (rings_.tx == nullptr) mapped_ = rings_ = mapRings(fd, layout);
  }
  if (rings_.tx == nullptr) {
    close();
    return false;
  }
  const xdp_mmap_offsets& at = layout.at;
  txProducer_ = reinterpret_cast<uint32_t*>(rings_.tx + at.tx.producer);
  txConsumer_ = reinterpret_cast<uint32_t*>(rings_.tx + at.tx.consumer);
  tx_ = reinterpret_cast<xdp_desc*>(rings_.tx + at.tx.desc);
  doneProducer_ = reinterpret_cast<uint32_t*>(rings_.done + at.cr.producer);
  doneConsumer_ = reinterpret_cast<uint32_t*>(rings_.done + at.cr.consumer);
  done_ = reinterpret_cast<uint64_t*>(rings_.done + at.cr.desc);
  chunks_ = aligned(staging);
  free_ = freeListOf(staging);
  return true;
}

void XskTransmit::close() {
  Layout layout;
  if (mapped_.tx != nullptr && layoutOf(socket_.get(), &layout)) unmap(mapped_, layout);
  mapped_ = rings_ = {};
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

int XskTransmit::kick() { return ::sendto(socket_.get(), nullptr, 0, MSG_DONTWAIT, nullptr, 0) == 0 ? 0 : errno; }

uint64_t XskTransmit::invalid() const {
  xdp_statistics counts{};
  socklen_t size = sizeof counts;
  return ::getsockopt(socket_.get(), SOL_XDP, XDP_STATISTICS, &counts, &size) == 0 ? counts.tx_invalid_descs : 0;
}

// Lets the kernel skip descriptors that point nowhere until the ring is empty, and so its index known.
bool XskTransmit::drain() {
  const uint32_t end = *txProducer_;
  for (uint32_t calls = end - load(txConsumer_) + 2; load(txConsumer_) != end && calls > 0; calls--) kick();
  return load(txConsumer_) == end;
}

// Makes the descriptors from … end - 1 point nowhere. The kernel reads a descriptor when its turn comes, inside a
// system call of ours, so they can be rewritten now.
void XskTransmit::abandon(uint32_t from, uint32_t end) {
  for (uint32_t at = from; at != end; at++) tx_[at & (kRing - 1)] = {kNowhere, 0, 0};
}

// A call began at `before`, was offered up to `end`, and ended with `error` before all was taken. Returns up to where
// the kernel had come.
uint32_t XskTransmit::stoppedAt(uint32_t before, uint32_t end, int error) {
  const uint32_t published = load(txConsumer_);
  const bool told = static_cast<int32_t>(published - before) > 0;
  if (!cutShort(error)) return told ? published : before;
  // A dropped frame is consumed: published with those that the same call has sent, or not at all.
  if (shared_->publishes == XskPublishes::atOnce) return told ? published : error == EBUSY ? before + 1 : before;
  // Nothing in the ring is valid from now on. What the kernel has not read yet it will count as invalid.
  const uint64_t counted = invalid();
  abandon(before, end);
  if (!drain()) return told ? published : before;
  const uint32_t at = end - static_cast<uint32_t>(invalid() - counted);
  if (shared_->publishes == XskPublishes::unknown && at != before)
    shared_->publishes = published == at ? XskPublishes::atOnce : XskPublishes::late;
  shared_->position = end;
  return at;
}

// Where the next frames go; false: nowhere now. `atOnce`: between position and producer lie abandoned descriptors only,
// whose places they take. Behind them they would wait until the kernel has skipped them all, one a call.
bool XskTransmit::begin() {
  if (shared_->publishes == XskPublishes::atOnce) return true;
  if (!drain()) return false;
  shared_->position = *txProducer_;
  return true;
}

uint32_t XskTransmit::send(const SendArrays& frames, const int32_t* index, uint32_t count) {
  reclaim();
  error_ = ENOBUFS;
  if (!begin()) return 0;
  const uint32_t first = shared_->position;
  uint32_t staged = 0;
  while (staged < count && !free_.empty()) {
    const int32_t chunk = free_.take();
    const uint64_t address = static_cast<uint64_t>(chunk) * kXskChunkBytes;
    const uint32_t length = frames.length(index[staged]);
    std::memcpy(chunks_ + address, frames.message(index[staged]) + kVnetBytes, length);
    tx_[(first + staged) & (kRing - 1)] = {address, length, 0};
    chunkOf_[staged] = chunk;
    staged++;
  }
  uint32_t taken = 0;
  int error = 0;
  while (taken < staged && error == 0) {
    const uint32_t before = first + taken;
    const uint32_t end = first + std::min(taken + kBatch, staged);
    // The kernel may know of descriptors up to the old producer: it never goes back.
    if (static_cast<int32_t>(end - *txProducer_) > 0) store(txProducer_, end);
    error = kick();
    const uint32_t published = load(txConsumer_);
    uint32_t at = published;
    if (static_cast<int32_t>(published - end) < 0) {
      at = stoppedAt(before, end, error);
      // All of a batch, and nobody has asked for more than one: abandoned descriptors behind it.
      if (error == 0) error = EAGAIN;
    } else if (error == EAGAIN) {
      error = 0;
    }
    if (static_cast<int32_t>(at - shared_->position) > 0) shared_->position = at;
    // It may have skipped an abandoned descriptor behind the last frame.
    taken = std::min(at - first, staged);
  }
  if (error != 0) error_ = error == EBUSY ? ENOBUFS : error;
  abandon(first + taken, first + staged);
  for (uint32_t k = taken; k < staged; k++) free_.giveBack(chunkOf_[k]);
  // The frame consumed last was dropped on its way (NET_XMIT_DROP), which ends a call.
  return error == EBUSY && taken > 0 ? taken - 1 : taken;
}

}  // namespace rxsteer
