#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "ports/tap.h"
#include "ports/vnet.h"
#include "util/args.h"

namespace rxsteer {

Napi::Function TapReceiver::define(Napi::Env env) {
  return DefineClass(env, "TapReceiver",
                     {InstanceMethod<&TapReceiver::receive>("receive"), InstanceMethod<&TapReceiver::close>("close")});
}

TapReceiver::TapReceiver(const Napi::CallbackInfo& info) : ObjectWrap(info) {
  const int fd = intArgument(info, 0, "fd");
  pool_.bind(objectArgument(info, 1, "pool"));
  out_.bind(objectArgument(info, 2, "arrays"));
  queue_ = UniqueFd(::fcntl(fd, F_DUPFD_CLOEXEC, 0));
  if (!queue_) throw errnoError(info.Env(), errno, "duplicating the TAP queue");
  const size_t spareBytes = kVnetBytes + pool_.largeCapacity();
  if (info.Length() > 3 && !info[3].IsUndefined()) {
    const Span<int32_t> state = int32s(info[3], "state");
    const Span<uint8_t> spare = bytes(info[4], "spare");
    if (state.length == 0) throw invalid(info.Env(), "state must have a word");
    if (spare.length < spareBytes)
      throw invalid(info.Env(), "spare must have " + std::to_string(spareBytes) + " bytes");
    keepState_ = Napi::Persistent(info[3].As<Napi::Object>());
    keepSpare_ = Napi::Persistent(info[4].As<Napi::Object>());
    pending_ = state.data;
    spare_ = spare.data;
  } else {
    ownSpare_.resize(spareBytes);
    spare_ = ownSpare_.data();
    pending_ = &ownPending_;
  }
  enlist(EnvState::of(info.Env()));
}

Napi::Value TapReceiver::receive(const Napi::CallbackInfo& info) {
  int32_t max = 0;
  napi_get_value_int32(info.Env(), info[0], &max);
  return Napi::Number::New(info.Env(), receiveBurst(std::min(max, out_.capacity())));
}

// Reads into a large slot and copies down what fits a small one. Reading into a small slot with the rest of the
// message elsewhere would save copying a few lines of cache and cost copying 64 KiB for every large frame.
int32_t TapReceiver::receiveBurst(int32_t max) {
  out_.clearStatus();
  int32_t count = 0;
  if (*pending_ != 0 && max > 0) {
    if (!deliver(spare_, static_cast<uint32_t>(*pending_), count)) return 0;
    *pending_ = 0;
    count++;
  }
  int error = 0;
  for (int32_t looked = 0; count < max && looked < 2 * max && !out_.heavy(); looked++) {
    // Without a small slot nothing may be read: most frames need one.
    if (pool_.small.empty()) {
      out_.status[kStatusStopped] = kStoppedNoSmall;
      break;
    }
    const bool direct = !pool_.large.empty();
    const int32_t id = direct ? pool_.large.take() : -1;
    const uint32_t off = direct ? pool_.frameOffset(id) : 0;
    uint8_t* to = direct ? pool_.bytes() + off - kVnetBytes : spare_;
    ssize_t got;
    do {
      got = ::read(queue_.get(), to, kVnetBytes + pool_.largeCapacity());
    } while (got < 0 && errno == EINTR);
    if (got < 0) {
      if (direct) pool_.large.giveBack(id);
      if (errno == EINVAL) {
        // tun_put_user could not express the frame's GSO type, and has thrown the frame away.
        out_.status[kStatusKernelDrops]++;
        continue;
      }
      error = errno;
      break;
    }
    VnetHeader header;
    const uint32_t length = got > static_cast<ssize_t>(kVnetBytes) ? static_cast<uint32_t>(got) - kVnetBytes : 0;
    if (length > 0) std::memcpy(&header, to, kVnetBytes);
    if (length == 0) out_.status[kStatusMalformed]++;
    if (length == 0 || !out_.accepts(header, length)) {
      if (direct) pool_.large.giveBack(id);
      continue;
    }
    if (direct && length > pool_.smallCapacity()) {
      out_.put(count, id, off, length, vnetFlags(header));
    } else {
      if (direct) pool_.large.giveBack(id);
      if (!deliver(to, static_cast<uint32_t>(got), count)) {
        *pending_ = static_cast<int32_t>(got);
        break;
      }
    }
    count++;
  }
  if (count > 0) {
    watch_.alive();
  } else if (max > 0 && out_.status[kStatusStopped] == 0) {
    // EIO and EBADFD: the interface was deleted; a queue of one that is merely down reads as empty.
    const EnvState* state = envState();
    if (error == EAGAIN || error == 0)
      out_.status[kStatusError] = watch_.idle(queue_.get(), state != nullptr ? state->errorEpoch : 0);
    else
      out_.status[kStatusError] = error == EIO || error == EBADFD ? ENODEV : error;
  }
  return count;
}

// Copies a message (header and frame) into a slot of its class; false where none is free.
bool TapReceiver::deliver(const uint8_t* message, uint32_t length, int32_t index) {
  const uint32_t frameBytes = length - kVnetBytes;
  const bool isSmall = frameBytes <= pool_.smallCapacity();
  FreeList& list = isSmall ? pool_.small : pool_.large;
  if (list.empty()) {
    out_.status[kStatusStopped] = isSmall ? kStoppedNoSmall : kStoppedNoLarge;
    return false;
  }
  const int32_t id = list.take();
  const uint32_t off = pool_.frameOffset(id);
  std::memcpy(pool_.bytes() + off - kVnetBytes, message, length);
  VnetHeader header;
  std::memcpy(&header, message, kVnetBytes);
  out_.put(index, id, off, frameBytes, vnetFlags(header));
  return true;
}

}  // namespace rxsteer
