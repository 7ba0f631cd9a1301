#include "ports/xsk_bindings.h"

#include <algorithm>
#include <string>
#include <utility>

#include "ports/frames.h"
#include "ports/xsk_queue.h"
#include "ports/xsk_rx.h"
#include "ports/xsk_socket.h"
#include "util/control.h"

namespace rxsteer {

namespace {

constexpr uint32_t kEntriesMost = 1 << 18;

Napi::Value adoptedSender(Napi::Env env, OpenXsk opened) {
  return Napi::Number::New(env, EnvState::of(env)->adopt(std::move(opened.fd), std::move(opened.socket)));
}

// Arguments: interface index, queue, staging memory; true = take the kernel for one that tells late what it has sent.
Napi::Value openSend(const Info& info) {
  Napi::Env env = info.Env();
  const int ifindex = intArgument(info, 0, "ifindex");
  const int queue = intArgument(info, 1, "queue");
  const Span<uint8_t> staging = bytes(info[2], "staging");
  if (staging.length < kXskStagingBytes) throw invalid(env, "staging is too short");
  const bool late = info.Length() > 3 && info[3].ToBoolean();
  return adoptedSender(env, control(env, "interface index " + std::to_string(ifindex), [&] {
                         return openXskSend(ifindex, static_cast<uint32_t>(queue), staging.data, late);
                       }));
}

// Arguments: descriptor of an AF_XDP socket, MTU.
void setMtu(const Info& info) {
  const auto socket = findXsk(intArgument(info, 0, "fd"));
  if (socket == nullptr) throw invalid(info.Env(), "fd is no AF_XDP socket of this process");
  setXskMtu(*socket, static_cast<uint32_t>(std::max(intArgument(info, 1, "mtu"), 0)));
}

uint32_t ringSize(Napi::Env env, const Napi::Object& options, const char* name) {
  const int value = intValue(options.Get(name), name);
  const auto size = static_cast<uint32_t>(value);
  if (value < 1 || size > kEntriesMost || (size & (size - 1)) != 0)
    throw invalid(env, std::string(name) + " must be a power of two up to " + std::to_string(kEntriesMost));
  return size;
}

Napi::Value openQueue(const Info& info) {
  Napi::Env env = info.Env();
  const Napi::Object given = objectArgument(info, 0, "options");
  FramePool pool;
  pool.bind(objectArgument(info, 1, "pool"));
  XskQueueOptions options;
  options.ifindex = intValue(given.Get("ifindex"), "ifindex");
  options.queue = static_cast<uint32_t>(intValue(given.Get("queue"), "queue"));
  options.memory = pool.asMemory();
  options.entries = ringSize(env, given, "entries");
  options.fillEntries = ringSize(env, given, "fillEntries");
  options.zeroCopy = given.Get("zeroCopy").ToBoolean();
  options.busyPollUs = intValue(given.Get("busyPollUs"), "busyPollUs");
  options.sharedWith = intValue(given.Get("sharedWith"), "sharedWith");
  OpenXskQueue opened = control(env, "queue " + std::to_string(options.queue) + " of interface index " + std::to_string(options.ifindex),
                                [&] { return openXskQueue(options); });
  return Napi::Number::New(env, EnvState::of(env)->adopt(std::move(opened.fd), std::move(opened.queue)));
}

std::shared_ptr<XskQueue> queueOf(const Info& info) {
  auto queue = findXskQueue(intArgument(info, 0, "fd"));
  if (queue == nullptr) throw invalid(info.Env(), "fd is no AF_XDP socket of a pool");
  return queue;
}

// Slots for a queue, all of them in the pool.
Span<int32_t> slotsFor(const Info& info, const XskQueue& queue, Napi::Value value) {
  const Span<int32_t> slots = int32s(value, "slots");
  for (size_t k = 0; k < slots.length; k++)
    if (slots.data[k] < 0 || static_cast<uint32_t>(slots.data[k]) >= queue.memory.slots || !queue.memory.lendable(slots.data[k]))
      throw invalid(info.Env(), "slots must be small ones of the pool");
  return slots;
}

// Arguments: descriptor of a queue's socket, slots.
void give(const Info& info) {
  const auto queue = queueOf(info);
  const Span<int32_t> slots = slotsFor(info, *queue, info[1]);
  if (slots.length > queue->shared->fill.mask + size_t{1}) throw invalid(info.Env(), "more slots than the ring has entries");
  queue->giveSlots(slots.data, static_cast<uint32_t>(slots.length));
}

// Arguments: descriptor of the socket that receives, slots for frames that are copied, direct.
Napi::Value openPoolSend(const Info& info) {
  Napi::Env env = info.Env();
  const auto queue = queueOf(info);
  const Span<int32_t> slots = slotsFor(info, *queue, info[1]);
  if (slots.length > kXskChunks) throw invalid(env, "too many slots");
  const bool direct = info[2].ToBoolean();
  return adoptedSender(env, control(env, "interface index " + std::to_string(queue->ifindex), [&] {
                         return openXskPoolSend(intArgument(info, 0, "fd"), slots.data, static_cast<uint32_t>(slots.length), direct);
                       }));
}

Napi::Value counts(const Info& info) {
  const int fd = intArgument(info, 0, "fd");
  const auto queue = findXskQueue(fd);
  const XskCounts counted = xskCounts(fd);
  Napi::Object result = Napi::Object::New(info.Env());
  result.Set("dropped", static_cast<double>(counted.dropped));
  result.Set("ringFull", static_cast<double>(counted.ringFull));
  result.Set("fillEmpty", static_cast<double>(counted.fillEmpty));
  result.Set("busyPolls", Napi::Boolean::New(info.Env(), queue != nullptr && queue->busyPolls));
  result.Set("partial", static_cast<double>(queue == nullptr ? 0 : queue->partial.load(std::memory_order_relaxed)));
  return result;
}

Napi::Value unread(const Info& info) { return Napi::Number::New(info.Env(), queueOf(info)->unread()); }

Napi::Value bound(const Info& info) {
  return Napi::Boolean::New(info.Env(), xskDeviceError(intArgument(info, 0, "fd")) != ENODEV);
}

}  // namespace

void defineXsk(Napi::Env env, Napi::Object exports) {
  const auto function = [&](const char* name, auto callback) {
    exports.Set(name, Napi::Function::New(env, callback, name));
  };
  function("openXskSend", openSend);
  function("setXskMtu", setMtu);
  function("openXskQueue", openQueue);
  function("giveXskSlots", give);
  function("openXskPoolSend", openPoolSend);
  function("xskCounts", counts);
  function("xskUnread", unread);
  function("xskBound", bound);
  exports.Set("xskStagingBytes", Napi::Number::New(env, double(kXskStagingBytes)));
  exports.Set("XskReceiver", XskReceiver::define(env));
}

}  // namespace rxsteer
