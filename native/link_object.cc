#include "link_object.h"

#include <string>

namespace rxsteer {

Napi::Object linkObject(Napi::Env env, const Link& link) {
  Napi::Object result = Napi::Object::New(env);
  const auto optional = [&](const std::string& value) -> Napi::Value {
    if (value.empty()) return env.Null();
    return Napi::String::New(env, value);
  };
  result.Set("name", link.name);
  result.Set("index", link.index);
  result.Set("up", Napi::Boolean::New(env, link.up));
  result.Set("running", Napi::Boolean::New(env, link.running));
  result.Set("mtu", link.mtu);
  result.Set("mac", link.mac);
  result.Set("rxQueues", link.rxQueues);
  result.Set("txQueues", link.txQueues);
  result.Set("qdisc", link.qdisc);
  result.Set("master", optional(link.master));
  result.Set("kind", optional(link.kind));
  result.Set("tso", Napi::Boolean::New(env, link.tso));
  result.Set("xdpProgram", link.xdpProgram);
  result.Set("addresses", link.addresses);
  result.Set("txDropped", Napi::Number::New(env, static_cast<double>(link.txDropped)));
  return result;
}

}  // namespace rxsteer
