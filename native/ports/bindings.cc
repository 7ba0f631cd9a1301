#include "ports/bindings.h"

#include <linux/if_packet.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <string>
#include <utility>
#include <vector>

#include "link_object.h"
#include "ports/packet_rx.h"
#include "ports/packet_socket.h"
#include "ports/packet_tx.h"
#include "ports/super_frame.h"
#include "ports/tap.h"
#include "ports/unread.h"
#include "ports/xsk_bindings.h"
#include "util/control.h"

namespace rxsteer {

namespace {

uint16_t fanoutMode(Napi::Env env, const std::string& mode) {
  if (mode == "hash") return PACKET_FANOUT_HASH;
  if (mode == "lb") return PACKET_FANOUT_LB;
  if (mode == "cpu") return PACKET_FANOUT_CPU;
  if (mode == "rnd") return PACKET_FANOUT_RND;
  if (mode == "qm") return PACKET_FANOUT_QM;
  if (mode == "ebpf") return PACKET_FANOUT_EBPF;
  throw invalid(env, "fanout mode \"" + mode + "\" is none of hash, lb, cpu, qm, rnd, ebpf");
}

Napi::Value openReceive(const Info& info) {
  Napi::Env env = info.Env();
  const Napi::Object options = objectArgument(info, 0, "options");
  PacketReceiveConfig config{};
  config.ifindex = intValue(options.Get("ifindex"), "ifindex");
  const int slots = intValue(options.Get("slots"), "slots");
  if (slots < 1 || static_cast<uint32_t>(slots) > kRingSlotsMax)
    throw invalid(env, "slots must be 1 to " + std::to_string(kRingSlotsMax));
  config.slots = static_cast<uint32_t>(slots);
  config.promiscuous = options.Get("promiscuous").ToBoolean();
  const Napi::Value fanout = options.Get("fanout");
  if (fanout.IsObject()) {
    const auto object = fanout.As<Napi::Object>();
    config.fanout = Fanout{intValue(object.Get("group"), "fanout.group"),
                           fanoutMode(env, stringValue(object.Get("mode"), "fanout.mode"))};
  }
  const Napi::Value guard = options.Get("guard");
  if (guard.IsNumber()) config.guard = intValue(guard, "guard");
  config.shut = options.Get("shut").ToBoolean();
  const Napi::Value buffer = options.Get("bufferBytes");
  if (buffer.IsNumber()) config.receiveBufferBytes = intValue(buffer, "bufferBytes");
  return adopted(env, control(env, "interface index " + std::to_string(config.ifindex),
                              [&] { return openPacketReceive(config); }));
}

Napi::Value groupOf(const Info& info) {
  return Napi::Number::New(info.Env(), control(info.Env(), "", [&] { return fanoutGroup(intArgument(info, 0, "fd")); }));
}

void quiet(const Info& info) {
  if (!info[0].IsArray()) throw invalid(info.Env(), "an array of descriptors is needed");
  const auto array = info[0].As<Napi::Array>();
  std::vector<int> sockets;
  for (uint32_t i = 0; i < array.Length(); i++) sockets.push_back(intValue(array.Get(i), "fd"));
  stopReceiving(sockets);
}

Napi::Value unreadPackets(const Info& info) {
  return Napi::Number::New(info.Env(), packetUnread(intArgument(info, 0, "fd")));
}

Napi::Value unreadTap(const Info& info) {
  return Napi::Number::New(info.Env(), tapUnread(intArgument(info, 0, "fd")));
}

Napi::Value canOpen(const Info& info) {
  const int count = intArgument(info, 0, "count");
  return Napi::Boolean::New(info.Env(), canOpenDescriptors(count < 0 ? 0 : static_cast<uint32_t>(count)));
}

Napi::Value deviceLacks(const Info& info) {
  return Napi::Number::New(info.Env(), static_cast<int32_t>(~deviceSegmentation(intArgument(info, 0, "ifindex"))));
}

void filter(const Info& info) {
  control(info.Env(), "", [&] { setReceiveFilter(intArgument(info, 0, "fd"), intArgument(info, 1, "program")); });
}

Napi::Value isReadable(const Info& info) {
  return Napi::Boolean::New(info.Env(), readable(intArgument(info, 0, "fd")));
}

void grace(const Info&) { gracePeriod(); }

void receiveBuffer(const Info& info) {
  setReceiveBuffer(intArgument(info, 0, "fd"), intArgument(info, 1, "bytes"));
}

Napi::Value shut(const Info& info) {
  return Napi::Boolean::New(info.Env(), shutReceive(intArgument(info, 0, "fd")));
}

Napi::Value openSend(const Info& info) {
  Napi::Env env = info.Env();
  const Napi::Object options = objectArgument(info, 0, "options");
  const int ifindex = intValue(options.Get("ifindex"), "ifindex");
  const bool bypass = options.Get("bypass").ToBoolean();
  return adopted(env, control(env, "interface index " + std::to_string(ifindex),
                              [&] { return openPacketSend(ifindex, bypass); }));
}

Napi::Value statistics(const Info& info) {
  Napi::Env env = info.Env();
  const int fd = intArgument(info, 0, "fd");
  tpacket_stats stats{};
  socklen_t size = sizeof stats;
  if (::getsockopt(fd, SOL_PACKET, PACKET_STATISTICS, &stats, &size) != 0)
    throw errnoError(env, errno, "PACKET_STATISTICS");
  Napi::Object result = Napi::Object::New(env);
  result.Set("packets", stats.tp_packets);
  result.Set("drops", stats.tp_drops);
  return result;
}

Napi::Value openTapCall(const Info& info) {
  Napi::Env env = info.Env();
  const Napi::Object options = objectArgument(info, 0, "options");
  const std::string name = stringValue(options.Get("name"), "name");
  checkInterfaceName(env, name);
  const int queues = intValue(options.Get("queues"), "queues");
  const bool offload = options.Get("offload").ToBoolean();
  Tap tap = control(env, "", [&] { return openTap(name, queues < 0 ? 0 : static_cast<uint32_t>(queues), offload); });
  Napi::Array fds = Napi::Array::New(env, tap.queues.size());
  for (uint32_t q = 0; q < tap.queues.size(); q++) fds.Set(q, adopted(env, std::move(tap.queues[q])));
  Napi::Object result = Napi::Object::New(env);
  result.Set("fds", fds);
  result.Set("created", Napi::Boolean::New(env, tap.created));
  result.Set("index", tap.ifindex);
  return result;
}

Napi::Value tapCarrier(const Info& info) {
  return Napi::Boolean::New(info.Env(), setTapCarrier(intArgument(info, 0, "fd"), info[1].ToBoolean()));
}

Napi::Value attached(const Info& info) {
  return Napi::Boolean::New(info.Env(), tapAttached(intArgument(info, 0, "fd")));
}

// `LinkInfo` with `elsewhere`, or null.
Napi::Value placeOfTap(const Info& info) {
  Napi::Env env = info.Env();
  const auto place = control(env, "", [&] { return tapPlace(intArgument(info, 0, "fd")); });
  if (!place) return env.Null();
  Napi::Object result = linkObject(env, place->link);
  result.Set("elsewhere", Napi::Boolean::New(env, place->elsewhere));
  return result;
}

Napi::Value bound(const Info& info) {
  return Napi::Boolean::New(info.Env(), packetAttached(intArgument(info, 0, "fd")));
}

}  // namespace

void definePorts(Napi::Env env, Napi::Object exports) {
  const auto function = [&](const char* name, auto callback) {
    exports.Set(name, Napi::Function::New(env, callback, name));
  };
  function("openPacketReceive", openReceive);
  function("deviceLacks", deviceLacks);
  function("setReceiveBuffer", receiveBuffer);
  function("shutReceive", shut);
  function("setReceiveFilter", filter);
  function("readable", isReadable);
  function("gracePeriod", grace);
  function("openPacketSend", openSend);
  function("packetStatistics", statistics);
  function("fanoutGroup", groupOf);
  function("stopReceiving", quiet);
  function("packetUnread", unreadPackets);
  function("tapUnread", unreadTap);
  function("canOpen", canOpen);
  function("openTap", openTapCall);
  function("setTapCarrier", tapCarrier);
  function("tapAttached", attached);
  function("tapPlace", placeOfTap);
  function("packetAttached", bound);
  defineXsk(env, exports);
  exports.Set("PacketReceiver", PacketReceiver::define(env));
  exports.Set("PacketSender", PacketSender::define(env));
  exports.Set("TapReceiver", TapReceiver::define(env));
  exports.Set("TapSender", TapSender::define(env));
}

}  // namespace rxsteer
