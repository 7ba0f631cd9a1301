#include "vhost/bindings.h"

#include <fcntl.h>

#include <algorithm>
#include <cerrno>
#include <string>
#include <utility>
#include <vector>

#include "ports/frames.h"
#include "util/args.h"
#include "util/control.h"
#include "util/env_state.h"
#include "vhost/backend.h"
#include "vhost/flow_rings.h"
#include "vhost/unix_socket.h"

namespace rxsteer {

namespace {

Span<uint64_t> longs(Napi::Value value, const char* name, size_t least) {
  if (!value.IsTypedArray() || value.As<Napi::TypedArray>().TypedArrayType() != napi_biguint64_array ||
      value.As<Napi::TypedArray>().ElementLength() < least)
    throw invalid(value.Env(), std::string(name) + " must be a BigUint64Array of " + std::to_string(least) + " at least");
  auto array = value.As<Napi::BigUint64Array>();
  return {array.Data(), array.ElementLength()};
}

// A duplicate of a descriptor that stays the caller's; -1 gives none.
UniqueFd duplicate(Napi::Env env, int fd) {
  if (fd < 0) return {};
  UniqueFd copy(::fcntl(fd, F_DUPFD_CLOEXEC, 0));
  if (!copy) throw errnoError(env, errno, "duplicating a descriptor");
  return copy;
}

RegionAddress regionAt(const uint64_t* words) { return {words[0], words[1], words[2], words[3]}; }

// What the main thread has of a port's rings.
class VhostBackend final : public Napi::ObjectWrap<VhostBackend>, public Closable {
 public:
  static Napi::Function define(Napi::Env env) {
    return DefineClass(
        env, "VhostBackend",
        {InstanceAccessor<&VhostBackend::number>("number"), InstanceAccessor<&VhostBackend::trouble>("trouble"),
         InstanceAccessor<&VhostBackend::event>("event"),
         InstanceMethod<&VhostBackend::features>("setFeatures"), InstanceMethod<&VhostBackend::memory>("setMemory"),
         InstanceMethod<&VhostBackend::addRegion>("addRegion"),
         InstanceMethod<&VhostBackend::removeRegion>("removeRegion"), InstanceMethod<&VhostBackend::log>("setLog"),
         InstanceMethod<&VhostBackend::size>("setSize"),
         InstanceMethod<&VhostBackend::base>("setBase"), InstanceMethod<&VhostBackend::addresses>("setAddresses"),
         InstanceMethod<&VhostBackend::start>("start"), InstanceMethod<&VhostBackend::call>("setCall"),
         InstanceMethod<&VhostBackend::enable>("enable"), InstanceMethod<&VhostBackend::stop>("stop"),
         InstanceMethod<&VhostBackend::reset>("reset"), InstanceMethod<&VhostBackend::broken>("broken"),
         InstanceMethod<&VhostBackend::close>("close")});
  }

  explicit VhostBackend(const Info& info) : ObjectWrap(info) {
    const int pairs = intArgument(info, 0, "pairs");
    if (pairs < 1 || pairs > 128) throw invalid(info.Env(), "pairs must be 1 to 128");
    backend_ = control(info.Env(), "", [&] { return std::make_shared<Backend>(static_cast<uint32_t>(pairs)); });
    number_ = enter(backend_);
    enlist(EnvState::of(info.Env()));
  }
  ~VhostBackend() override { closeNow(); }
  void closeNow() override { backend_.reset(); }

 private:
  Backend& open(const Info& info) {
    if (backend_ == nullptr) throw invalid(info.Env(), "the back-end is closed");
    return *backend_;
  }
  uint32_t ring(const Info& info) {
    const int index = intArgument(info, 0, "ring");
    if (index < 0 || static_cast<uint32_t>(index) >= 2 * open(info).pairs)
      throw errnoError(info.Env(), EINVAL, "a ring that there is not");
    return static_cast<uint32_t>(index);
  }

  Napi::Value number(const Info& info) { return Napi::Number::New(info.Env(), number_); }
  Napi::Value trouble(const Info& info) { return Napi::Number::New(info.Env(), open(info).trouble()); }
  Napi::Value event(const Info& info) {
    return Napi::Number::New(info.Env(), open(info).event());
  }
  void features(const Info& info) {
    const Span<uint64_t> word = longs(info[0], "features", 1);
    control(info.Env(), "", [&] { open(info).setFeatures(word.data[0]); });
  }
  // Descriptors, and four words for each of them.
  void memory(const Info& info) {
    const auto fds = info[0].As<Napi::Array>();
    const Span<uint64_t> words = longs(info[1], "regions", size_t{4} * fds.Length());
    control(info.Env(), "", [&] {
      std::vector<std::shared_ptr<Region>> regions;
      for (uint32_t i = 0; i < fds.Length(); i++)
        regions.push_back(std::make_shared<Region>(intValue(fds.Get(i), "fd"), regionAt(words.data + 4 * i)));
      open(info).setMemory(std::move(regions));
    });
  }
  // One that is there already is taken once.
  void addRegion(const Info& info) {
    const RegionAddress address = regionAt(longs(info[1], "region", 4).data);
    control(info.Env(), "", [&] {
      auto regions = open(info).regions();
      for (const auto& region : regions)
        if (region->address == address) return;
      regions.push_back(std::make_shared<Region>(intArgument(info, 0, "fd"), address));
      open(info).setMemory(std::move(regions));
    });
  }
  void removeRegion(const Info& info) {
    const RegionAddress address = regionAt(longs(info[0], "region", 4).data);
    control(info.Env(), "", [&] {
      auto regions = open(info).regions();
      const size_t gone = std::erase_if(regions, [&](const auto& region) {
        return region->address.guest == address.guest && region->address.size == address.size &&
               region->address.user == address.user;
      });
      if (gone == 0) throw SystemError{EINVAL, "a memory region that there is not", ""};
      open(info).setMemory(std::move(regions));
    });
  }
  // Descriptor; size and offset.
  void log(const Info& info) {
    const Span<uint64_t> place = longs(info[1], "place", 2);
    control(info.Env(), "", [&] {
      open(info).setLog(std::make_shared<DirtyLog>(intArgument(info, 0, "fd"), place.data[0], place.data[1]));
    });
  }
  void size(const Info& info) {
    const uint32_t index = ring(info);
    const auto entries = static_cast<uint32_t>(intArgument(info, 1, "entries"));
    control(info.Env(), "", [&] { open(info).setSize(index, entries); });
  }
  void base(const Info& info) {
    const uint32_t index = ring(info);
    const auto next = static_cast<uint32_t>(intArgument(info, 1, "next"));
    control(info.Env(), "", [&] { open(info).setBase(index, next); });
  }
  void addresses(const Info& info) {
    const uint32_t index = ring(info);
    const Span<uint64_t> words = longs(info[1], "addresses", 4);
    const bool logs = info[2].ToBoolean();
    control(info.Env(), "", [&] {
      open(info).setAddresses(index, {words.data[0], words.data[1], words.data[2], logs, words.data[3]});
    });
  }
  void start(const Info& info) {
    const uint32_t index = ring(info);
    UniqueFd kick = duplicate(info.Env(), intArgument(info, 1, "kick"));
    control(info.Env(), "", [&] { open(info).start(index, std::move(kick)); });
  }
  void call(const Info& info) {
    const uint32_t index = ring(info);
    UniqueFd fd = duplicate(info.Env(), intArgument(info, 1, "call"));
    control(info.Env(), "", [&] { open(info).setCall(index, std::move(fd)); });
  }
  void enable(const Info& info) {
    const uint32_t index = ring(info);
    const bool on = info[1].ToBoolean();
    control(info.Env(), "", [&] { open(info).enable(index, on); });
  }
  Napi::Value stop(const Info& info) {
    const uint32_t index = ring(info);
    return Napi::Number::New(info.Env(), control(info.Env(), "", [&] { return open(info).stop(index); }));
  }
  void reset(const Info& info) {
    control(info.Env(), "", [&] { open(info).reset(); });
  }
  Napi::Value broken(const Info& info) {
    const char* why = control(info.Env(), "", [&] { return open(info).broken(); });
    if (why == nullptr) return info.Env().Null();
    return Napi::String::New(info.Env(), why);
  }
  void close(const Info&) { closeNow(); }

  std::shared_ptr<Backend> backend_;
  int32_t number_ = 0;
};

std::shared_ptr<Backend> backendOf(const Info& info) {
  auto backend = findBackend(intArgument(info, 0, "number"));
  if (backend == nullptr) throw errnoError(info.Env(), ENODEV, "no such back-end");
  return backend;
}

// What a worker receives from: all rings that the guest sends on. `rings`: the pair that each frame came from.
class VhostReceiver final : public Napi::ObjectWrap<VhostReceiver>, public Closable {
 public:
  static Napi::Function define(Napi::Env env) {
    return DefineClass(env, "VhostReceiver",
                       {InstanceMethod<&VhostReceiver::receive>("receive"), InstanceMethod<&VhostReceiver::arm>("arm"),
                        InstanceMethod<&VhostReceiver::close>("close")});
  }
  explicit VhostReceiver(const Info& info) : ObjectWrap(info) {
    backend_ = backendOf(info);
    pool_.bind(objectArgument(info, 1, "pool"));
    out_.bind(objectArgument(info, 2, "arrays"));
    const Span<int32_t> rings = int32s(info[3], "rings");
    if (rings.length < static_cast<size_t>(out_.capacity())) throw invalid(info.Env(), "rings is too short");
    rings_ = rings.data;
    keep_ = Napi::Persistent(info[3].As<Napi::Object>());
    enlist(EnvState::of(info.Env()));
  }
  ~VhostReceiver() override { closeNow(); }
  void closeNow() override { backend_.reset(); }

 private:
  Napi::Value receive(const Info& info) {
    int32_t max = 0;
    napi_get_value_int32(info.Env(), info[0], &max);
    out_.clearStatus();
    if (backend_ == nullptr) return Napi::Number::New(info.Env(), 0);
    max = std::min(max, out_.capacity());
    int32_t got = 0;
    // Another ring is the first each time: a busy one leaves room for the others.
    first_ = first_ + 1 < backend_->pairs ? first_ + 1 : 0;
    uint32_t pair = first_;
    for (uint32_t k = 0; k < backend_->pairs && out_.status[kStatusStopped] == 0; k++) {
      LockedRing& locked = backend_->at(2 * pair + 1);
      {
        const std::lock_guard<BurstLock> lock(locked.mutex);
        const int32_t end = locked.ring.take(pool_, out_, got, max);
        backend_->report(locked.ring);
        std::fill(rings_ + got, rings_ + end, static_cast<int32_t>(pair));
        got = end;
      }
      pair = pair + 1 < backend_->pairs ? pair + 1 : 0;
    }
    return Napi::Number::New(info.Env(), got);
  }
  void arm(const Info&) {
    for (uint32_t pair = 0; backend_ != nullptr && pair < backend_->pairs; pair++) {
      LockedRing& locked = backend_->at(2 * pair + 1);
      const std::lock_guard<BurstLock> lock(locked.mutex);
      locked.ring.arm();
    }
  }
  void close(const Info&) { closeNow(); }

  std::shared_ptr<Backend> backend_;
  uint32_t first_ = 0;
  FramePool pool_;
  ReceiveArrays out_;
  int32_t* rings_ = nullptr;
  Napi::ObjectReference keep_;
};

// What a worker sends to: which of the guest's rings, for each frame, is what the arrays of `rings` say.
class VhostSender final : public Napi::ObjectWrap<VhostSender>, public Closable {
 public:
  static Napi::Function define(Napi::Env env) {
    return DefineClass(env, "VhostSender",
                       {InstanceMethod<&VhostSender::send>("send"), InstanceMethod<&VhostSender::close>("close")});
  }
  explicit VhostSender(const Info& info) : ObjectWrap(info) {
    backend_ = backendOf(info);
    in_.bind(info[1], objectArgument(info, 2, "arrays"));
    const Napi::Object rings = objectArgument(info, 3, "rings");
    const auto words = [&](const char* name, size_t least) {
      const Span<int32_t> array = int32s(rings.Get(name), name);
      if (array.length < least) throw invalid(info.Env(), std::string(name) + " is too short");
      return array;
    };
    const auto frames = static_cast<size_t>(in_.capacity());
    wanted_ = words("wanted", frames).data;
    bucket_ = words("bucket", frames).data;
    const Span<int32_t> flows = words("flows", 0);
    flows_ = FlowRings(flows.data, static_cast<uint32_t>(flows.length / 2));
    const Span<double> waits = doubles(rings.Get("waits"), "waits", 2);
    waits_ = {waits.data, waits.data + 1};
    keep_ = Napi::Persistent(rings);
    enlist(EnvState::of(info.Env()));
  }
  ~VhostSender() override { closeNow(); }
  void closeNow() override { backend_.reset(); }

 private:
  Napi::Value send(const Info& info) {
    int32_t from = 0;
    int32_t to = 0;
    napi_get_value_int32(info.Env(), info[0], &from);
    napi_get_value_int32(info.Env(), info[1], &to);
    from = std::max(from, 0);
    to = std::min(to, in_.capacity());
    if (backend_ != nullptr)
      return Napi::Number::New(info.Env(), flows_.send(*backend_, in_, wanted_, bucket_, from, to, waits_));
    for (; from < to; from++) in_.result(from, SendResult::down);
    return Napi::Number::New(info.Env(), 0);
  }
  void close(const Info&) { closeNow(); }

  std::shared_ptr<Backend> backend_;
  SendArrays in_;
  int32_t* wanted_ = nullptr;
  int32_t* bucket_ = nullptr;
  FlowRings flows_{nullptr, 0};
  LockWaits waits_{};
  Napi::ObjectReference keep_;
};

Napi::Value listenCall(const Info& info) {
  const std::string path = stringValue(info[0], "path");
  return adopted(info.Env(), control(info.Env(), path, [&] { return listenUnix(path); }));
}

Napi::Value connectCall(const Info& info) {
  const std::string path = stringValue(info[0], "path");
  return adopted(info.Env(), control(info.Env(), path, [&] { return connectUnix(path); }));
}

Napi::Value acceptCall(const Info& info) {
  UniqueFd fd = acceptUnix(intArgument(info, 0, "fd"));
  return fd ? adopted(info.Env(), std::move(fd)) : Napi::Number::New(info.Env(), -1);
}

Napi::Value peerCall(const Info& info) { return Napi::Number::New(info.Env(), peerOf(intArgument(info, 0, "fd"))); }

Napi::Value receiveCall(const Info& info) {
  Napi::Env env = info.Env();
  const Span<uint8_t> into = bytes(info[1], "into");
  Received received = receiveUnix(intArgument(info, 0, "fd"), into.data, into.length);
  Napi::Array fds = Napi::Array::New(env, received.fds.size());
  for (uint32_t i = 0; i < received.fds.size(); i++) fds.Set(i, adopted(env, std::move(received.fds[i])));
  Napi::Object result = Napi::Object::New(env);
  result.Set("length", static_cast<double>(received.length));
  result.Set("fds", fds);
  return result;
}

Napi::Value sendCall(const Info& info) {
  const Span<uint8_t> data = bytes(info[1], "data");
  return Napi::Boolean::New(info.Env(), sendUnix(intArgument(info, 0, "fd"), data.data, data.length));
}

}  // namespace

void defineVhost(Napi::Env env, Napi::Object exports) {
  const auto function = [&](const char* name, auto callback) {
    exports.Set(name, Napi::Function::New(env, callback, name));
  };
  function("listenUnix", listenCall);
  function("connectUnix", connectCall);
  function("acceptUnix", acceptCall);
  function("peerOfUnix", peerCall);
  function("receiveUnix", receiveCall);
  function("sendUnix", sendCall);
  exports.Set("VhostBackend", VhostBackend::define(env));
  exports.Set("VhostReceiver", VhostReceiver::define(env));
  exports.Set("VhostSender", VhostSender::define(env));
  exports.Set("SocketEvents", SocketEvents::define(env));
}

}  // namespace rxsteer
