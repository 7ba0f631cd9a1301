#include "ports/xsk_rx.h"

#include <fcntl.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "ports/device_watch.h"
#include "ports/partial_sum.h"
#include "ports/vnet.h"
#include "util/args.h"

namespace rxsteer {

namespace {

// A device that gives nothing is asked for its state after this time.
constexpr int64_t kAskMs = 10;
// Frames ahead whose first bytes are fetched.
constexpr uint32_t kAhead = 8;

}  // namespace

Napi::Function XskReceiver::define(Napi::Env env) {
  return DefineClass(env, "XskReceiver",
                     {InstanceMethod<&XskReceiver::receive>("receive"), InstanceMethod<&XskReceiver::close>("close")});
}

XskReceiver::XskReceiver(const Napi::CallbackInfo& info) : ObjectWrap(info) {
  Napi::Env env = info.Env();
  const int fd = intArgument(info, 0, "fd");
  pool_.bind(objectArgument(info, 1, "pool"));
  out_.bind(objectArgument(info, 2, "arrays"));
  const Napi::Object lent = objectArgument(info, 3, "lent");
  worker_ = intValue(lent.Get("worker"), "worker");
  tag_ = intValue(lent.Get("tag"), "tag");
  const Span<int32_t> owner = int32s(lent.Get("owner"), "owner");
  const Span<int32_t> home = int32s(lent.Get("home"), "home");
  queue_ = findXskQueue(fd);
  if (queue_ == nullptr) throw invalid(env, "fd is no AF_XDP socket of the pool");
  if (queue_->memory.pool != pool_.bytes()) throw invalid(env, "the socket has another pool");
  if (owner.length < queue_->memory.slots || home.length < queue_->memory.slots || tag_ < 1)
    throw invalid(env, "every small slot must have an owner and a home, and tag be above 0");
  owner_ = owner.data;
  home_ = home.data;
  keepOwner_ = Napi::Persistent(lent.Get("owner").As<Napi::Object>());
  keepHome_ = Napi::Persistent(lent.Get("home").As<Napi::Object>());
  socket_ = UniqueFd(::fcntl(fd, F_DUPFD_CLOEXEC, 0));
  if (!socket_) throw errnoError(env, errno, "duplicating the AF_XDP socket");
  enlist(EnvState::of(env));
}

void XskReceiver::closeNow() {
  socket_.reset();
  queue_ = nullptr;
}

void XskReceiver::close(const Napi::CallbackInfo&) { closeNow(); }

Napi::Value XskReceiver::receive(const Napi::CallbackInfo& info) {
  int32_t max = 0;
  napi_get_value_int32(info.Env(), info[0], &max);
  return Napi::Number::New(info.Env(), receiveBurst(std::min({max, out_.capacity(), kBurst})));
}

// A free slot for one that the kernel has filled. The first slot of a pool that begins a page cannot be lent.
bool XskReceiver::exchange(uint32_t slot, int32_t& given) {
  FreeList& small = pool_.small;
  if (small.empty()) return false;
  given = small.take();
  if (!queue_->memory.lendable(static_cast<uint32_t>(given))) {
    const int32_t kept = given;
    if (small.empty()) {
      small.giveBack(kept);
      return false;
    }
    given = small.take();
    small.giveBack(kept);
  }
  __atomic_store_n(&home_[slot], worker_ + 1, __ATOMIC_RELAXED);
  __atomic_store_n(&owner_[slot], 0, __ATOMIC_RELEASE);
  __atomic_store_n(&owner_[given], -tag_, __ATOMIC_RELAXED);
  return true;
}

void XskReceiver::put(int32_t index, uint32_t slot, uint32_t length) {
  const uint32_t offset = pool_.frameOffset(static_cast<int32_t>(slot));
  uint8_t* frame = pool_.bytes() + offset;
  int32_t flags = 0;
  const PartialSum partial = findPartial(frame, length);
  if (partial.found) {
    VnetHeader header{};
    header.flags = kVnetNeedsCsum;
    header.csumStart = static_cast<uint16_t>(partial.start);
    header.csumOffset = static_cast<uint16_t>(partial.offset);
    std::memcpy(frame - kVnetBytes, &header, sizeof header);
    flags = kFlagVnet | kFlagNeedsCsum;
    queue_->partial.fetch_add(1, std::memory_order_relaxed);
  }
  out_.put(index, static_cast<int32_t>(slot), offset, length, flags);
}

int32_t XskReceiver::receiveBurst(int32_t max) {
  out_.clearStatus();
  if (queue_ == nullptr) return 0;
  XskRing<xdp_desc>& rx = *queue_->rx;
  const XskMemory& memory = queue_->memory;
  const uint32_t first = *rx.consumer;
  const uint32_t there = loadIndex(rx.producer) - first;
  if (there == 0) {
    idle();
    return 0;
  }
  const uint32_t end = std::min(there, static_cast<uint32_t>(std::max(max, 0)));
  const uint64_t pool = static_cast<uint64_t>(memory.pool - memory.base);
  const auto placeOf = [&](uint32_t k) {
    const uint64_t address = rx.entries[(first + k) & rx.mask].addr;
    return (address & kAddressMask) + (address >> kOffsetShift) - pool;
  };
  queue_->expectSlots(end);
  int32_t count = 0;
  uint32_t given = 0;
  uint32_t taken = 0;
  for (; taken < end; taken++) {
    if (taken + kAhead < end) __builtin_prefetch(memory.pool + placeOf(taken + kAhead));
    const uint64_t place = placeOf(taken);
    const uint32_t length = rx.entries[(first + taken) & rx.mask].len;
    const uint64_t slot = place / memory.slotBytes;
    // The kernel gives what it was given; whatever else it were, it is no slot of ours.
    if (slot >= memory.slots || place + length > uint64_t{memory.slots} * memory.slotBytes) {
      queue_->foreign.fetch_add(1, std::memory_order_relaxed);
      out_.status[kStatusMalformed]++;
      continue;
    }
    if (!exchange(static_cast<uint32_t>(slot), given_[given])) {
      out_.status[kStatusStopped] = kStoppedNoSmall;
      break;
    }
    given++;
    const uint64_t own = slot * memory.slotBytes + memory.headroom;
    if (length == 0 || length > pool_.smallCapacity()) {
      pool_.small.giveBack(static_cast<int32_t>(slot));
      out_.status[length == 0 ? kStatusMalformed : kStatusTooLong]++;
      continue;
    }
    if (place != own) std::memmove(memory.pool + own, memory.pool + place, length);
    put(count, static_cast<uint32_t>(slot), length);
    count++;
  }
  storeIndex(rx.consumer, first + taken);
  queue_->giveSlots(given_, given);
  return count;
}

// Nothing was there. A driver that waits for slots is told of them; a device that is gone is found out.
void XskReceiver::idle() {
  const bool asks = queue_->busyPolls || (__atomic_load_n(queue_->shared->fill.flags, __ATOMIC_RELAXED) & XDP_RING_NEED_WAKEUP) != 0;
  const int64_t now = coarseMs();
  const uint32_t epoch = envState() == nullptr ? 0 : envState()->errorEpoch;
  if (asks || now - askedMs_ >= kAskMs || epoch != askedEpoch_) {
    askedMs_ = now;
    askedEpoch_ = epoch;
    error_ = xskDeviceError(socket_.get());
  }
  out_.status[kStatusError] = error_;
}

}  // namespace rxsteer
