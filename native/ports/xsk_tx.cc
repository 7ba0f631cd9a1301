#include "ports/xsk_tx.h"

#include <fcntl.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "ports/partial_sum.h"
#include "ports/vnet.h"

namespace rxsteer {

namespace {

constexpr uint32_t kLine = 64;
// Frames up to this length are copied to where the last ones were also where they need not be: the kernel, which reads through
// addresses of its own, finds a slot in no TLB. Such a miss took a quarter of a frame's time (144 of 585 ns), the copy 15 ns.
constexpr uint32_t kCopied = 512;
// Beyond the UMEM: the kernel counts such a descriptor as invalid and skips it, Linux 6.18 one a call, and puts it into
// the completion ring.
constexpr uint64_t kNowhere = ~uint64_t{0} >> 16;

// Errors of calls that have looked at descriptors: full completion ring or socket buffer or device, frame dropped, no
// memory. All others end a call before.
bool cutShort(int error) { return error == EAGAIN || error == EBUSY || error == ENOBUFS || error == ENOMEM; }

uint32_t load(const uint32_t* index) { return __atomic_load_n(index, __ATOMIC_ACQUIRE); }
void store(uint32_t* index, uint32_t value) { __atomic_store_n(index, value, __ATOMIC_RELEASE); }

}  // namespace

uint32_t XskTransmit::longest() const { return __atomic_load_n(&shared_->longest, __ATOMIC_RELAXED); }

bool XskTransmit::fits(const uint8_t* frame, uint32_t length) const {
  const uint32_t most = longest();
  if (length <= most) return true;
  const bool tagged = (frame[12] == 0x81 && frame[13] == 0x00) || (frame[12] == 0x88 && frame[13] == 0xa8);
  return tagged && length <= most + 4 && length <= shared_->roomOf();
}

bool XskTransmit::attach(int fd, const uint8_t* staging) {
  UniqueFd own(::fcntl(fd, F_DUPFD_CLOEXEC, 0));
  if (!own) return false;
  shared_ = findXsk(own.get());
  // The caller keeps alive what it gives: the socket's own memory it must be.
  if (shared_ == nullptr || shared_->staging != staging) {
    shared_ = nullptr;
    return false;
  }
  socket_ = std::move(own);
  return true;
}

void XskTransmit::close() {
  socket_.reset();
  shared_ = nullptr;
}

// Takes back the chunks that the kernel has completed.
void XskTransmit::reclaim() {
  uint32_t consumer = *shared_->doneConsumer;
  const uint32_t producer = load(shared_->doneProducer);
  if (consumer == producer) return;
  for (; consumer != producer && !shared_->direct; consumer++) {
    // Skipped descriptors (kNowhere) are no chunks: counted as such they filled the list beyond its end.
    const uint64_t chunk = shared_->chunkOf(shared_->done[consumer & (kXskRing - 1)]);
    if (chunk < shared_->chunkEnd && shared_->free.words[0] < static_cast<int32_t>(shared_->chunkCount))
      shared_->free.giveBack(static_cast<int32_t>(chunk));
  }
  consumer = producer;
  store(shared_->doneConsumer, consumer);
}

int XskTransmit::kick() { return ::sendto(socket_.get(), nullptr, 0, MSG_DONTWAIT, nullptr, 0) == 0 ? 0 : errno; }

uint64_t XskTransmit::invalid() const {
  xdp_statistics counts{};
  socklen_t size = sizeof counts;
  return ::getsockopt(socket_.get(), SOL_XDP, XDP_STATISTICS, &counts, &size) == 0 ? counts.tx_invalid_descs : 0;
}

// Lets the kernel skip descriptors that point nowhere until the ring is empty, and so its index known.
bool XskTransmit::drain() {
  const uint32_t end = *shared_->txProducer;
  for (uint32_t calls = end - load(shared_->txConsumer) + 2; load(shared_->txConsumer) != end && calls > 0; calls--) kick();
  return load(shared_->txConsumer) == end;
}

// Makes the descriptors from … end - 1 point nowhere. The kernel reads a descriptor when its turn comes, inside a
// system call of ours, so they can be rewritten now.
void XskTransmit::abandon(uint32_t from, uint32_t end) {
  for (uint32_t at = from; at != end; at++) shared_->tx[at & (kXskRing - 1)] = {kNowhere, 0, 0};
}

// A call began at `before`, was offered up to `end`, and ended with `error` before all was taken. Returns up to where
// the kernel had come.
uint32_t XskTransmit::stoppedAt(uint32_t before, uint32_t end, int error) {
  const uint32_t published = load(shared_->txConsumer);
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
  shared_->position = *shared_->txProducer;
  return true;
}

// Room for a copy of a frame in a chunk; false where none is free. Of a socket that sends `direct`ly all chunks are free again
// behind the call: several frames share one, so that few lines and pages are touched.
bool XskTransmit::place(uint32_t length, uint32_t staged, uint64_t& address) {
  const uint32_t taken = (length + kLine - 1) & ~(kLine - 1);
  if (shared_->direct && taken <= left_) {
    address = room_;
  } else {
    if (shared_->free.empty()) return false;
    chunkOf_[staged] = shared_->free.take();
    address = shared_->addressOf(chunkOf_[staged]);
    left_ = shared_->roomOf();
  }
  room_ = address + taken;
  left_ -= std::min(taken, left_);
  return true;
}

// Writes the descriptor of a frame; false where that takes a chunk and none is free.
bool XskTransmit::stage(const SendArrays& frames, int32_t index, uint32_t staged, uint32_t at) {
  uint8_t* frame = frames.message(index) + kVnetBytes;
  const uint32_t length = frames.length(index);
  const bool partial = (frames.flags(index) & kFlagNeedsCsum) != 0;
  const bool shares = shared_->direct && length <= kCopied;
  uint64_t address = shares ? XskSocket::kNoAddress : shared_->addressInPool(frame, length);
  const bool copied = address == XskSocket::kNoAddress;
  chunkOf_[staged] = -1;
  field_[staged] = nullptr;
  if (copied && !place(length, staged, address)) return false;
  if (copied) std::memcpy(shared_->chunks + address, frame, length);
  if (partial) {
    const VnetHeader header = readVnet(frame - kVnetBytes);
    uint8_t* to = shared_->chunks + address;
    // Others may get the frame as well.
    if (!copied) {
      field_[staged] = to + header.csumStart + header.csumOffset;
      std::memcpy(&kept_[staged], field_[staged], 2);
    }
    completePartial(to, length, header.csumStart, header.csumOffset);
  }
  shared_->tx[at & (kXskRing - 1)] = {address, length, 0};
  return true;
}

uint32_t XskTransmit::send(const SendArrays& frames, const int32_t* index, uint32_t count) {
  reclaim();
  error_ = ENOBUFS;
  if (!begin()) return 0;
  const uint32_t first = shared_->position;
  uint32_t staged = 0;
  left_ = 0;
  while (staged < count && stage(frames, index[staged], staged, first + staged)) staged++;
  uint32_t taken = 0;
  int error = 0;
  while (taken < staged && error == 0) {
    const uint32_t before = first + taken;
    const uint32_t end = first + std::min(taken + shared_->batch, staged);
    // The kernel may know of descriptors up to the old producer: it never goes back.
    if (static_cast<int32_t>(end - *shared_->txProducer) > 0) store(shared_->txProducer, end);
    error = kick();
    const uint32_t published = load(shared_->txConsumer);
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
  for (uint32_t k = shared_->direct ? 0 : taken; k < staged; k++)
    if (chunkOf_[k] >= 0) shared_->free.giveBack(chunkOf_[k]);
  for (uint32_t k = 0; k < staged; k++)
    if (field_[k] != nullptr) std::memcpy(field_[k], &kept_[k], 2);
  // The frame consumed last was dropped on its way (NET_XMIT_DROP), which ends a call.
  return error == EBUSY && taken > 0 ? taken - 1 : taken;
}

}  // namespace rxsteer
