// Registration of the addon: argument conversion only. The interface is `Native` in src/addon/native.ts.
#include <napi.h>
#include <sched.h>
#include <sys/socket.h>

#include <algorithm>
#include <memory>
#include <string>
#include <utility>

#include "ask.h"
#include "bpf_bindings.h"
#include "hash/bindings.h"
#include "link.h"
#include "link_events.h"
#include "link_object.h"
#include "notify.h"
#include "ports/bindings.h"
#include "ports/memory_rx.h"
#include "privileges.h"
#include "requests/read_ring.h"
#include "util/args.h"
#include "util/bound.h"
#include "util/control.h"
#include "util/env_state.h"
#include "vhost/bindings.h"
#include "wait.h"
#include "watch.h"

namespace rxsteer {

namespace {

std::string nameArgument(const Info& info) {
  const std::string name = stringValue(info[0], "name");
  checkInterfaceName(info.Env(), name);
  return name;
}

Napi::Value linkInfo(const Info& info) {
  Napi::Env env = info.Env();
  const std::string name = nameArgument(info);
  const auto link = control(env, "", [&] { return readLink(name); });
  if (!link) return env.Null();
  return linkObject(env, *link);
}

// A JavaScript array of Uint8Arrays, one a reply.
Napi::Value netlink(const Info& info) {
  Napi::Env env = info.Env();
  const Span<uint8_t> message = bytes(info[1], "message");
  const auto replies =
      control(env, "", [&] { return askNetlink(intArgument(info, 0, "protocol"), message.data, message.length); });
  Napi::Array result = Napi::Array::New(env, replies.size());
  for (size_t i = 0; i < replies.size(); i++) {
    auto reply = Napi::Uint8Array::New(env, replies[i].size());
    std::copy(replies[i].begin(), replies[i].end(), reply.Data());
    result.Set(static_cast<uint32_t>(i), reply);
  }
  return result;
}

Napi::Value ethtool(const Info& info) {
  Napi::Env env = info.Env();
  const std::string device = nameArgument(info);
  const Span<uint8_t> command = bytes(info[1], "command");
  auto result = Napi::Uint8Array::New(env, command.length);
  std::copy(command.data, command.data + command.length, result.Data());
  control(env, device, [&] { askEthtool(device, result.Data(), command.length); });
  return result;
}

void linkUp(const Info& info) {
  const std::string name = nameArgument(info);
  control(info.Env(), "", [&] { setLinkUp(name); });
}

void mtu(const Info& info) {
  const std::string name = nameArgument(info);
  const int bytes = intArgument(info, 1, "mtu");
  control(info.Env(), "", [&] { setMtu(name, bytes); });
}

void closeDescriptor(const Info& info) {
  Napi::Env env = info.Env();
  const int fd = intArgument(info, 0, "fd");
  if (!EnvState::of(env)->closeDescriptor(fd))
    throw errnoError(env, EBADF, "closing descriptor " + std::to_string(fd) + ", which this thread did not open");
}

Napi::Value openEventCall(const Info& info) {
  return adopted(info.Env(), control(info.Env(), "", [] { return openEvent(); }));
}

void wakeCall(const Info& info) {
  int32_t fd = -1;
  napi_get_value_int32(info.Env(), info[0], &fd);
  wake(fd);
}

// event, fds, count, timeoutMs. Never throws: arguments of the wrong type wait on nothing.
Napi::Value waitCall(const Info& info) {
  Napi::Env env = info.Env();
  int32_t event = -1;
  int32_t count = 0;
  int32_t timeoutMs = 0;
  napi_get_value_int32(env, info[0], &event);
  napi_get_value_int32(env, info[2], &count);
  napi_get_value_int32(env, info[3], &timeoutMs);
  napi_typedarray_type type;
  size_t length = 0;
  void* data = nullptr;
  if (napi_get_typedarray_info(env, info[1], &type, &length, &data, nullptr, nullptr) != napi_ok ||
      type != napi_int32_array)
    length = 0;
  const auto fds = static_cast<uint32_t>(std::clamp<int64_t>(count, 0, static_cast<int64_t>(length)));
  return Napi::Number::New(
      env, waitReadable(event, static_cast<const int32_t*>(data), fds, std::max(timeoutMs, 0), *EnvState::of(env)));
}

void pin(const Info& info) {
  const int cpu = intArgument(info, 0, "cpu");
  control(info.Env(), "", [&] { pinThread(cpu); });
}

Napi::Value cpuTime(const Info& info) { return Napi::Number::New(info.Env(), threadCpuTimeNs()); }
Napi::Value monotonic(const Info& info) { return Napi::Number::New(info.Env(), monotonicNs()); }

struct Clock {
  double* times = nullptr;
  double originNs = 0;
  bool cpu = false;
  Napi::ObjectReference keep;
};

void readClock(Clock& clock) {
  const double ns = monotonicNs();
  clock.times[0] = (ns - clock.originNs) / 1e6;
  clock.times[1] = ns;
  if (clock.cpu) clock.times[2] = threadCpuTimeNs();
}

// Array, origin in nanoseconds, with CPU time.
Napi::Value bindClock(const Info& info) {
  auto clock = std::make_unique<Clock>();
  clock->times = doubles(info[0], "times", 3).data;
  clock->keep = Napi::Persistent(info[0].As<Napi::Object>());
  if (!info[1].IsNumber()) throw invalid(info.Env(), "originNs must be a number");
  clock->originNs = info[1].As<Napi::Number>().DoubleValue();
  clock->cpu = info[2].ToBoolean();
  return bindFunction<Clock, readClock>(info.Env(), "look", std::move(clock));
}

void yieldThread(const Info&) { ::sched_yield(); }

// Masks have 41 bits today and are exact as doubles up to 53.
uint64_t maskArgument(const Info& info) {
  if (!info[0].IsNumber()) throw invalid(info.Env(), "capabilities must be a number");
  const double mask = info[0].As<Napi::Number>().DoubleValue();
  if (!(mask >= 0 && mask < 9007199254740992.0)) throw invalid(info.Env(), "capabilities must be a mask of 53 bits");
  return static_cast<uint64_t>(mask);
}

Napi::Value capabilitiesCall(const Info& info) {
  Napi::Env env = info.Env();
  const Capabilities found = control(env, "", [] { return readCapabilities(); });
  Napi::Object result = Napi::Object::New(env);
  result.Set("effective", static_cast<double>(found.effective));
  result.Set("permitted", static_cast<double>(found.permitted));
  result.Set("bounding", static_cast<double>(found.bounding));
  result.Set("noNewPrivileges", Napi::Boolean::New(env, found.noNewPrivileges));
  return result;
}

void effectiveCall(const Info& info) {
  const uint64_t mask = maskArgument(info);
  control(info.Env(), "", [&] { setEffective(mask); });
}

Napi::Value limitCall(const Info& info) {
  const uint64_t keep = maskArgument(info);
  return Napi::Number::New(info.Env(), control(info.Env(), "", [&] { return limitPrivileges(keep); }));
}

// Path; true = to write.
Napi::Value accessCall(const Info& info) {
  return Napi::Boolean::New(info.Env(), mayAccess(stringValue(info[0], "path"), info[1].ToBoolean()));
}

// The user behind the other end of a Unix socket, as it was when it connected or listened.
Napi::Value peerUser(const Info& info) {
  ucred peer{};
  socklen_t size = sizeof peer;
  if (::getsockopt(intArgument(info, 0, "fd"), SOL_SOCKET, SO_PEERCRED, &peer, &size) != 0)
    throw errnoError(info.Env(), errno, "SO_PEERCRED");
  return Napi::Number::New(info.Env(), peer.uid);
}

// Address, message.
void notifyCall(const Info& info) {
  const std::string address = stringValue(info[0], "address");
  const std::string message = stringValue(info[1], "message");
  control(info.Env(), address, [&] { notifyService(address, message); });
}

}  // namespace

Napi::Object init(Napi::Env env, Napi::Object exports) {
  EnvState::install(env);
  const auto function = [&](const char* name, auto callback) {
    exports.Set(name, Napi::Function::New(env, callback, name));
  };
  function("linkInfo", linkInfo);
  function("netlink", netlink);
  function("ethtool", ethtool);
  function("setLinkUp", linkUp);
  function("setMtu", mtu);
  function("closeDescriptor", closeDescriptor);
  function("openEvent", openEventCall);
  function("wake", wakeCall);
  function("wait", waitCall);
  function("pinThread", pin);
  function("threadCpuTime", cpuTime);
  function("monotonic", monotonic);
  function("bindClock", bindClock);
  function("yieldThread", yieldThread);
  function("releaseBound", releaseBound);
  exports.Set("LinkEvents", LinkEvents::define(env));
  exports.Set("Watch", Watch::define(env));
  exports.Set("ReadRing", ReadRing::define(env));
  function("capabilities", capabilitiesCall);
  function("setEffectiveCapabilities", effectiveCall);
  function("limitCapabilities", limitCall);
  function("mayAccess", accessCall);
  function("peerUser", peerUser);
  function("notifyService", notifyCall);
  definePorts(env, exports);
  defineBpf(env, exports);
  defineMemory(env, exports);
  defineHash(env, exports);
  defineVhost(env, exports);
  return exports;
}

}  // namespace rxsteer

static Napi::Object initialise(Napi::Env env, Napi::Object exports) { return rxsteer::init(env, exports); }

NODE_API_MODULE(rxsteer, initialise)
