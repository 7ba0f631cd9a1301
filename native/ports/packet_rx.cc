#include "ports/packet_rx.h"

#include <fcntl.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstring>

#include "ports/packet_socket.h"
#include "ports/vnet.h"

namespace rxsteer {

namespace {

constexpr uint32_t kTagBytes = 4;
constexpr uint32_t kMacBytes = 12;
// The kernel wrote the slots on another core: fetching header and first bytes (3 lines) four slots ahead takes the
// time of a 60-byte frame from 50 to 36 ns (bench/native/rx_methods.cc).
constexpr uint32_t kPrefetchSlots = 4;

// How often an idle receiver looks at the drop counter.
constexpr int64_t kLookMs = 100;

void prefetch(const uint8_t* slot) {
  __builtin_prefetch(slot);
  __builtin_prefetch(slot + 64);
  __builtin_prefetch(slot + 128);
}

void writeTag(uint8_t* at, const tpacket2_hdr* slot, uint32_t status) {
  const uint16_t tpid = (status & TP_STATUS_VLAN_TPID_VALID) != 0 ? slot->tp_vlan_tpid : uint16_t{ETH_P_8021Q};
  at[0] = static_cast<uint8_t>(tpid >> 8);
  at[1] = static_cast<uint8_t>(tpid);
  at[2] = static_cast<uint8_t>(slot->tp_vlan_tci >> 8);
  at[3] = static_cast<uint8_t>(slot->tp_vlan_tci);
}

bool hasTag(uint32_t status) { return (status & TP_STATUS_VLAN_VALID) != 0; }

}  // namespace

Napi::Function PacketReceiver::define(Napi::Env env) {
  return DefineClass(env, "PacketReceiver",
                     {InstanceMethod<&PacketReceiver::receive>("receive"), InstanceMethod<&PacketReceiver::close>("close")});
}

PacketReceiver::PacketReceiver(const Napi::CallbackInfo& info) : ObjectWrap(info) {
  Napi::Env env = info.Env();
  const int fd = intArgument(info, 0, "fd");
  const Span<int32_t> state = int32s(info[1], "state");
  if (state.length == 0) throw invalid(env, "state must have a word");
  pool_.bind(objectArgument(info, 2, "pool"));
  out_.bind(objectArgument(info, 3, "arrays"));
  socket_ = UniqueFd(::fcntl(fd, F_DUPFD_CLOEXEC, 0));
  if (!socket_) throw errnoError(env, errno, "duplicating the packet socket");
  if (!mapRing()) throw errnoError(env, errno, "mapping the receive ring");
  cursor_ = state.data;
  keepState_ = Napi::Persistent(info[1].As<Napi::Object>());
  if (state.length >= kStateWords && !continueRing()) throw errnoError(env, errno, "SO_COOKIE");
  enlist(EnvState::of(env));
}

// The kernel maps a ring only as a whole and does not tell its size, which is a power of two of slots. It enters all
// pages then: MAP_POPULATE would only walk over them once more (1.2 ms instead of 0.7 ms for 16 MiB).
bool PacketReceiver::mapRing() {
  for (uint32_t slots = kRingSlotsMin; slots <= kRingSlotsMax; slots *= 2) {
    const size_t size = size_t{slots} * kRingSlotBytes;
    void* at = ::mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_SHARED, socket_.get(), 0);
    if (at == MAP_FAILED) continue;
    ring_ = static_cast<uint8_t*>(at);
    ringBytes_ = size;
    mask_ = slots - 1;
    return true;
  }
  return false;
}

// A position means something in one ring only. The state remembers whose it is by the socket's cookie, which the kernel
// gives to no other socket; another socket's ring is new to this queue, and the kernel fills it from slot 0.
bool PacketReceiver::continueRing() {
  uint64_t cookie = 0;
  socklen_t size = sizeof cookie;
  if (::getsockopt(socket_.get(), SOL_SOCKET, SO_COOKIE, &cookie, &size) != 0) return false;
  const int32_t words[2] = {static_cast<int32_t>(cookie), static_cast<int32_t>(cookie >> 32)};
  if (std::memcmp(cursor_ + 1, words, sizeof words) == 0) return true;
  __atomic_store_n(cursor_, 0, __ATOMIC_RELAXED);
  std::memcpy(cursor_ + 1, words, sizeof words);
  return true;
}

void PacketReceiver::unmapRing() {
  if (ring_ != nullptr) ::munmap(ring_, ringBytes_);
  ring_ = nullptr;
}

void PacketReceiver::closeNow() {
  unmapRing();
  socket_.reset();
}

void PacketReceiver::close(const Napi::CallbackInfo&) { closeNow(); }

Napi::Value PacketReceiver::receive(const Napi::CallbackInfo& info) {
  int32_t max = 0;
  napi_get_value_int32(info.Env(), info[0], &max);
  return Napi::Number::New(info.Env(), receiveBurst(std::min(max, out_.capacity())));
}

int32_t PacketReceiver::receiveBurst(int32_t max) {
  out_.clearStatus();
  if (ring_ == nullptr) {
    out_.status[kStatusError] = EBADF;
    return 0;
  }
  // Relaxed is enough: a successor of this thread starts after the main thread saw it end.
  uint32_t position = static_cast<uint32_t>(__atomic_load_n(cursor_, __ATOMIC_RELAXED));
  const uint32_t first = position;
  int32_t count = 0;
  // Skipped frames count against a bound too, so that a stream of unusable ones cannot hold the caller.
  for (int32_t looked = 0; count < max && looked < 2 * max && !out_.heavy(); looked++) {
    auto* slot = reinterpret_cast<tpacket2_hdr*>(ring_ + size_t{position & mask_} * kRingSlotBytes);
    const uint32_t status = __atomic_load_n(&slot->tp_status, __ATOMIC_ACQUIRE);
    if ((status & TP_STATUS_USER) == 0) break;
    prefetch(ring_ + size_t{(position + kPrefetchSlots) & mask_} * kRingSlotBytes);
    const Outcome outcome =
        (status & TP_STATUS_COPY) != 0 ? takeFromQueue(slot, status, count) : takeFromSlot(slot, status, count);
    if (outcome == Outcome::stopped) break;
    if (outcome == Outcome::taken) count++;
    __atomic_store_n(&slot->tp_status, TP_STATUS_KERNEL, __ATOMIC_RELEASE);
    position++;
  }
  if (position != first) {
    dead_ = false;
    __atomic_store_n(cursor_, static_cast<int32_t>(position), __ATOMIC_RELAXED);
    watch_.alive();
  } else if (out_.status[kStatusStopped] == 0 && max > 0) {
    idle(position);
  }
  return count;
}

// The ring was empty.
void PacketReceiver::idle(uint32_t position) {
  const EnvState* state = envState();
  out_.status[kStatusError] = watch_.idle(socket_.get(), state != nullptr ? state->errorEpoch : 0);
  const int64_t now = coarseMs();
  if (now - lookedMs_ >= kLookMs) {
    lookedMs_ = now;
    checkRing(position);
  }
  if (dead_) out_.status[kStatusError] = kRingDead;
}

// Finds a ring that the kernel has killed. tpacket_rcv marks the next slot as owned before it writes the virtio-net
// header; for a GSO type that the header cannot express (UFO, SCTP) it drops the frame and leaves the mark, and from
// then on drops every frame because the slot is owned (seen with 6.18). The sign: frames were dropped although the ring
// was empty all the time. The only cure is another socket, which takes the kernel tens of milliseconds to make: the
// caller is told, and others do that. Kernels that drop such a frame and keep the ring (6.1.192) show the same sign;
// there another socket is needless, and does no harm. With a guard before the socket neither happens.
void PacketReceiver::checkRing(uint32_t position) {
  tpacket_stats stats{};
  socklen_t size = sizeof stats;
  if (::getsockopt(socket_.get(), SOL_PACKET, PACKET_STATISTICS, &stats, &size) != 0) return;
  // Reading cleared them: the caller has to count them.
  out_.status[kStatusKernelDrops] += static_cast<int32_t>(stats.tp_drops);
  const bool emptyThroughout = looked_ && lookedPosition_ == position;
  looked_ = true;
  lookedPosition_ = position;
  if (!emptyThroughout || stats.tp_drops == 0) return;
  // A burst may have come and overflowed the ring since the caller looked.
  const auto* next = reinterpret_cast<tpacket2_hdr*>(ring_ + size_t{position & mask_} * kRingSlotBytes);
  if ((__atomic_load_n(&next->tp_status, __ATOMIC_ACQUIRE) & TP_STATUS_USER) == 0) dead_ = true;
}

// A frame that lies in its slot as a whole: one copy of header and frame, which are adjacent on both sides.
PacketReceiver::Outcome PacketReceiver::takeFromSlot(tpacket2_hdr* slot, uint32_t status, int32_t index) {
  const auto* raw = reinterpret_cast<const uint8_t*>(slot);
  const auto* from = reinterpret_cast<const sockaddr_ll*>(raw + TPACKET_ALIGN(sizeof(tpacket2_hdr)));
  const uint32_t present = slot->tp_snaplen;
  // What we sent ourselves: PACKET_IGNORE_OUTGOING keeps it away where the kernel has it (4.20).
  if (from->sll_pkttype == PACKET_OUTGOING) return Outcome::skipped;
  const bool tagged = hasTag(status);
  if (present < slot->tp_len) {
    // Longer than a slot, and no room in the receive queue for the whole: the kernel has lost it, unless no slot of the
    // pool could have held it.
    const bool fits = slot->tp_len + (tagged ? kTagBytes : 0) <= pool_.largeCapacity();
    out_.status[fits ? kStatusKernelDrops : kStatusTooLong]++;
    return Outcome::skipped;
  }
  if (present == 0 || (tagged && present < kMacBytes)) {
    out_.status[kStatusMalformed]++;
    return Outcome::skipped;
  }
  const uint32_t length = present + (tagged ? kTagBytes : 0);
  const bool isSmall = length <= pool_.smallCapacity();
  if (!isSmall && length > pool_.largeCapacity()) {
    out_.status[kStatusTooLong]++;
    return Outcome::skipped;
  }
  FreeList& list = isSmall ? pool_.small : pool_.large;
  if (list.empty()) {
    out_.status[kStatusStopped] = isSmall ? kStoppedNoSmall : kStoppedNoLarge;
    return Outcome::stopped;
  }
  const uint8_t* frame = raw + slot->tp_mac;
  VnetHeader header;
  std::memcpy(&header, frame - kVnetBytes, kVnetBytes);
  const int32_t flags = vnetFlags(header);
  if (!out_.accepts(header, present)) return Outcome::skipped;
  const int32_t id = list.take();
  const uint32_t off = pool_.frameOffset(id);
  uint8_t* to = pool_.bytes() + off;
  if (!tagged) {
    std::memcpy(to - kVnetBytes, frame - kVnetBytes, kVnetBytes + present);
  } else {
    vnetShiftForTag(header);
    std::memcpy(to - kVnetBytes, &header, kVnetBytes);
    std::memcpy(to, frame, kMacBytes);
    writeTag(to + kMacBytes, slot, status);
    std::memcpy(to + kMacBytes + kTagBytes, frame + kMacBytes, present - kMacBytes);
  }
  out_.put(index, id, off, length, flags);
  return Outcome::taken;
}

// A frame that is longer than a slot: it waits as a whole in the socket's receive queue, which holds exactly one
// packet for each slot with TP_STATUS_COPY, in the order of the slots (both are filled under one lock).
PacketReceiver::Outcome PacketReceiver::takeFromQueue(tpacket2_hdr* slot, uint32_t status, int32_t index) {
  const auto* raw = reinterpret_cast<const uint8_t*>(slot);
  const auto* from = reinterpret_cast<const sockaddr_ll*>(raw + TPACKET_ALIGN(sizeof(tpacket2_hdr)));
  const bool tagged = hasTag(status);
  const uint32_t length = slot->tp_len + (tagged ? kTagBytes : 0);
  const bool isSmall = length <= pool_.smallCapacity();
  if (from->sll_pkttype == PACKET_OUTGOING) {
    discardQueued();
    return Outcome::skipped;
  }
  if (!isSmall && length > pool_.largeCapacity()) {
    discardQueued();
    out_.status[kStatusTooLong]++;
    return Outcome::skipped;
  }
  FreeList& list = isSmall ? pool_.small : pool_.large;
  if (list.empty()) {
    out_.status[kStatusStopped] = isSmall ? kStoppedNoSmall : kStoppedNoLarge;
    return Outcome::stopped;
  }
  const int32_t id = list.take();
  const uint32_t off = pool_.frameOffset(id);
  uint8_t* to = pool_.bytes() + off;
  const uint32_t gap = tagged ? kTagBytes : 0;
  iovec parts[2] = {{to - kVnetBytes, kVnetBytes + kMacBytes},
                    {to + kMacBytes + gap, slot->tp_len - kMacBytes}};
  msghdr message{};
  message.msg_iov = parts;
  message.msg_iovlen = 2;
  ssize_t got;
  do {
    got = ::recvmsg(socket_.get(), &message, MSG_DONTWAIT);
  } while (got < 0 && (errno == EINTR || errno == ENETDOWN));  // ENETDOWN: a pending error, taken by this call
  VnetHeader header;
  std::memcpy(&header, to - kVnetBytes, kVnetBytes);
  if (got != static_cast<ssize_t>(kVnetBytes + slot->tp_len)) {
    list.giveBack(id);
    out_.status[kStatusMalformed]++;
    return Outcome::skipped;
  }
  if (!out_.accepts(header, slot->tp_len)) {
    list.giveBack(id);
    return Outcome::skipped;
  }
  const int32_t flags = vnetFlags(header);
  if (tagged) {
    vnetShiftForTag(header);
    std::memcpy(to - kVnetBytes, &header, kVnetBytes);
    writeTag(to + kMacBytes, slot, status);
  }
  out_.put(index, id, off, length, flags);
  return Outcome::taken;
}

void PacketReceiver::discardQueued() {
  uint8_t header[kVnetBytes];
  ssize_t got;
  do {
    got = ::recv(socket_.get(), header, sizeof header, MSG_DONTWAIT | MSG_TRUNC);
  } while (got < 0 && (errno == EINTR || errno == ENETDOWN));
}

}  // namespace rxsteer
